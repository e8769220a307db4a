import ServiceMaps
import SocketKit

/// Sockets that are used for more than one destination.
let reconnectTests: [KernelTest] = Variant.allCases.flatMap { variant in
  let vip = variant.vip(1)
  let other = variant.vip(2)
  return [
    KernelTest("udp_\(variant)_reconnected_elsewhere_shows_the_new_peer") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...2)
      let (first, second) = (pods.places[0], pods.places[1])
      try sandbox.attach([
        frontend(vip, .udp, of: "test/one", [first]),
        frontend(other, .udp, of: "test/two", [second]),
      ])
      let client = try Socket(variant, SK_UDP)
      func expect(_ peer: Place, _ pod: Place) throws {
        try client.connect(peer)
        try checkEqual(try client.peerName, peer, "getpeername")
        try client.send("x")
        try checkEqual(try pods.echo(), pod, "the backend")
        try checkEqual(try client.receive()?.from, peer, "the source of the reply")
        try checkEqual(try client.peerName, peer, "getpeername after the reply")
      }
      try expect(vip, first)
      try expect(other, second)
      try expect(pods.seen(second), second)
      try expect(pods.seen(first), first)
      try expect(vip, first)
      try expect(pods.seen(first), first)
    },
    KernelTest("udp_\(variant)_disconnected_shows_a_pod_as_itself") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...1)
      let pod = pods.seen(pods.places[0])
      try sandbox.attach([frontend(vip, .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      try client.connect(vip)
      try client.send("x")
      try pods.echo()
      try checkEqual(try client.receive()?.from, vip, "the source of the reply")
      try client.disconnect()
      try client.send("x", to: pod)
      try pods.echo()
      try checkEqual(try client.receive()?.from, pod, "the source after connect(AF_UNSPEC)")
    },
    KernelTest("udp_\(variant)_sendto_to_a_pod_ends_the_vip_behind_it") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...1)
      let pod = pods.seen(pods.places[0])
      try sandbox.attach([frontend(vip, .udp, pods.places)])
      for direct in [false, true] {
        let client = try Socket(variant, SK_UDP)
        try client.send("x", to: vip)
        try pods.echo()
        try checkEqual(try client.receive()?.from, vip, "the source of the reply")
        if direct {
          try client.connect(pod)
          try client.send("x")
        } else {
          try client.send("x", to: pod)
        }
        try pods.echo()
        try checkEqual(try client.receive()?.from, pod, "the source of a pod's own reply")
      }
    },
    KernelTest("udp_\(variant)_connected_keeps_its_peer_while_it_sends_elsewhere") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...2)
      let (first, second) = (pods.places[0], pods.places[1])
      try sandbox.attach([
        frontend(vip, .udp, of: "test/one", [first]),
        frontend(other, .udp, of: "test/two", [second]),
      ])
      let client = try Socket(variant, SK_UDP)
      try client.connect(vip)
      for place in [other, pods.seen(second), pods.seen(first)] {
        try client.send("elsewhere", to: place)
        let expected = place == pods.seen(first) ? first : second
        try checkEqual(try pods.receive().pod, expected, "where sendto \(place) went")
        try checkEqual(try client.peerName, vip, "getpeername")
      }
      try client.send("x")
      try checkEqual(try pods.echo(), first, "the backend")
      try checkEqual(try client.receive()?.from, vip, "the source of the reply")
    },
    // A connect() to an address that never was a backend's is not looked at.
    KernelTest("udp_\(variant)_connected_to_a_stranger_is_not_connected_to_the_vip") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...3)
      let (first, second, stranger) = (pods.places[0], pods.places[1], pods.places[2])
      let dataplane = try sandbox.attach([frontend(vip, .udp, [first])])
      let client = try Socket(variant, SK_UDP)
      try client.connect(vip)
      try client.connect(pods.seen(stranger))
      try checkEqual(try client.peerName, pods.seen(stranger), "getpeername")
      try client.send("x")
      try checkEqual(try pods.echo(), stranger, "where send() went")
      try checkEqual(try client.receive()?.from, pods.seen(stranger), "the source of the reply")
      try client.send("x", to: vip)
      try checkEqual(try pods.receive().pod, first, "where sendto(VIP) went")
      // Were the former peer taken for the peer, the datagram would go to what is gone.
      try dataplane.serve([frontend(vip, .udp, [second])])
      try client.send("x", to: vip)
      try checkEqual(try pods.receive().pod, second, "where sendto(VIP) went after a change")
      try checkEqual(try client.peerName, pods.seen(stranger), "getpeername")
      try client.connect(vip)
      try checkEqual(try client.peerName, vip, "getpeername")
      try client.send("x")
      try checkEqual(try pods.echo(), second, "the backend of the second connect")
      try checkEqual(try client.receive()?.from, vip, "the source of its reply")
    },
    KernelTest("tcp_and_udp_\(variant)_on_one_port_are_two_services") { sandbox in
      let tcp = try Pods(variant, SK_TCP, [1])
      let udp = try Pods(variant, SK_UDP, [2])
      let dataplane = try sandbox.attach([
        frontend(vip, .tcp, of: "test/dns", portName: "tcp", tcp.places),
        frontend(vip, .udp, of: "test/dns", portName: "udp", udp.places),
      ])
      let stream = try Socket(variant, SK_TCP)
      try stream.connect(vip)
      try checkEqual(try tcp.accept().pod, tcp.places[0], "the TCP backend")
      let datagram = try Socket(variant, SK_UDP)
      try datagram.send("x", to: vip)
      try checkEqual(try udp.echo(), udp.places[0], "the UDP backend")
      try checkEqual(try datagram.receive()?.from, vip, "the source of the reply")
      try checkEqual(try dataplane.counters(of: "test/dns").translated, 2, "translated")
    },
    KernelTest("tcp_\(variant)_fast_open_reaches_a_backend") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let client = try Socket(variant, SK_TCP)
      try client.sendFastOpen("hello", to: vip)
      let connection = try pods.accept().connection
      try check(sk_wait(client.descriptor, 1, 2000) == 1, "the connection was not made")
      try checkEqual(try client.peerName, vip, "getpeername")
      _ = connection
    },
  ]
}
