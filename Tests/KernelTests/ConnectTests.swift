import ServiceMaps
import SocketKit

/// connect() to a VIP.
let connectTests: [KernelTest] = Variant.allCases.flatMap { variant in
  let hook =
    switch variant {
    case .v4: "connect4"
    case .v6: "connect6"
    case .mapped: "connect6_mapped"
    }
  return [
    KernelTest("\(hook)_tcp_reaches_a_backend") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...3)
      let vip = variant.vip(1)
      let dataplane = try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let client = try Socket(variant, SK_TCP)
      try client.connect(vip)
      let (pod, connection) = try pods.accept()
      try checkEqual(try client.peerName, vip, "getpeername")
      try checkOwnName(of: client, pod: pods.seen(pod), vip: vip)
      try client.send("hello")
      try checkEqual(try connection.receive()?.text, "hello", "what the backend received")
      try connection.send("welcome")
      try checkEqual(try client.receive()?.text, "welcome", "what the client received")
      try checkEqual(
        try dataplane.counters(), ServiceCounters(translated: 1, refused: 0), "the counters")
    },
    KernelTest("\(hook)_tcp_blocking_and_not") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...3)
      let (vip, empty) = (variant.vip(1), variant.vip(2))
      try sandbox.attach([
        frontend(vip, .tcp, pods.places), frontend(empty, .tcp, of: "test/empty", []),
      ])
      for blocking in [false, true] {
        let client = try Socket(variant, SK_TCP)
        if blocking { try client.block() }
        let error = client.connectError(vip)
        try checkEqual(error, 0, "connect, blocking: \(blocking)")
        try check(sk_wait(client.descriptor, 1, 2000) == 1, "the connection was not made")
        try checkEqual(sk_error(client.descriptor), 0, "SO_ERROR")
        try checkEqual(try client.peerName, vip, "getpeername")
        _ = try pods.accept()
        let other = try Socket(variant, SK_TCP)
        if blocking { try other.block() }
        try checkEqual(other.connectError(empty), refused, "connect without a backend")
      }
    },
    KernelTest("\(hook)_udp_connected_shows_the_vip") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...3)
      let vip = variant.vip(1)
      try sandbox.attach([frontend(vip, .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      try client.connect(vip)
      try checkEqual(try client.peerName, vip, "getpeername")
      var reached = Set<Place>()
      for i in 1...20 {
        try client.send("\(i)")
        reached.insert(try pods.echo())
        let reply = try client.receive()
        try checkEqual(reply?.text, "re: \(i)", "the reply")
        try checkEqual(reply?.from, vip, "the source of the reply")
      }
      try checkEqual(reached.count, 1, "backends that one connected socket used")
      if let pod = reached.first {
        try checkOwnName(of: client, pod: pods.seen(pod), vip: vip)
      }
    },
    KernelTest("\(hook)_leaves_unknown_addresses_alone") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      try sandbox.attach([frontend(variant.vip(1), .tcp, pods.places)])
      for type in [SK_TCP, SK_UDP] {
        for place in [variant.vip(2), variant.vip(1, port: 81), variant.vip(257)] {
          let error = try Socket(variant, type).connectError(place)
          try checkEqual(error, networkUnreachable, "errno of connect to \(place)")
        }
      }
      // The right address and port, but the other transport.
      try checkEqual(
        try Socket(variant, SK_UDP).connectError(variant.vip(1)), networkUnreachable,
        "errno of an UDP connect to a TCP service")
      try pods.checkIdle()
    },
    KernelTest("\(hook)_leaves_a_direct_connection_to_a_pod_alone") { sandbox in
      for (type, transport) in [(SK_TCP, TransportProtocol.tcp), (SK_UDP, .udp)] {
        let pods = try Pods(variant, type, 1...2)
        let pod = pods.places[0]
        let dataplane = try sandbox.attach([frontend(variant.vip(1), transport, pods.places)])
        let client = try Socket(variant, type)
        try client.connect(pods.seen(pod))
        try checkEqual(try client.peerName, pods.seen(pod), "getpeername")
        if type == SK_UDP {
          try client.send("x")
          try checkEqual(try pods.echo(), pod, "the pod")
          try checkEqual(try client.receive()?.from, pods.seen(pod), "the source of the reply")
        } else {
          try checkEqual(try pods.accept().pod, pod, "the pod")
        }
        try checkEqual(try dataplane.counters(), ServiceCounters(), "the counters")
        try sandbox.detach()
      }
    },
  ]
}

/// The client's own address is one of the host's, on a port of its own.
private func checkOwnName(of client: Socket, pod: Place, vip: Place) throws {
  let own = try client.ownName
  try checkEqual(own.address, pod.address, "the client's own address")
  try check(own.port > 0 && own.port != vip.port && own.port != pod.port, "own port \(own.port)")
}
