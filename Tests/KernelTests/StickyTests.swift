import ServiceMaps
import SocketKit

/// Which backend an unconnected UDP socket uses, and for how long.
let stickyTests: [KernelTest] = Variant.allCases.flatMap { variant in
  [
    KernelTest("sendto_\(variant)_stays_with_one_backend_per_socket") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...10)
      let vip = variant.vip(1)
      try sandbox.attach([frontend(vip, .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      var reached = Set<Place>()
      for _ in 0..<200 {
        try client.send("x", to: vip)
        reached.insert(try pods.receive().pod)
      }
      try checkEqual(reached.count, 1, "backends of one socket")
      for _ in 0..<200 {
        try Socket(variant, SK_UDP).send("x", to: vip)
        reached.insert(try pods.receive().pod)
      }
      // One of ten missed by 200 sockets: 10 · 0.9^200 < 1e-8.
      try checkEqual(reached.count, 10, "backends of 200 sockets")
    },
    KernelTest("sendto_\(variant)_moves_when_its_backend_goes_and_not_before") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...10)
      let vip = variant.vip(1)
      let dataplane = try sandbox.attach([frontend(vip, .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      func next() throws -> Place {
        try client.send("x", to: vip)
        let pod = try pods.echo()
        try checkEqual(try client.receive()?.from, vip, "the source of the reply")
        return pod
      }
      let first = try next()
      // Others go and come: the socket stays.
      var others = pods.places.filter { $0 != first }
      while others.count > 1 {
        others.removeLast()
        try dataplane.serve([frontend(vip, .udp, [first] + others)])
        try checkEqual(try next(), first, "the backend after others have gone")
      }
      try dataplane.serve([frontend(vip, .udp, pods.places)])
      try checkEqual(try next(), first, "the backend after others have come")
      // Its own goes.
      try dataplane.serve([frontend(vip, .udp, pods.places.filter { $0 != first })])
      let second = try next()
      try check(second != first, "the datagram went to a backend that is gone")
      // Coming back does not bring sockets back.
      try dataplane.serve([frontend(vip, .udp, pods.places)])
      try checkEqual(try next(), second, "the backend after the first one came back")
    },
    KernelTest("sendto_\(variant)_chooses_for_each_datagram_when_the_service_wants_it") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...10)
      let vip = variant.vip(1)
      var perDatagram = try frontend(vip, .udp, pods.places)
      perDatagram.udpChoice = .datagram
      let dataplane = try sandbox.attach([perDatagram])
      let client = try Socket(variant, SK_UDP)
      var reached: [Place: Int] = [:]
      for _ in 0..<300 {
        try client.send("x", to: vip)
        reached[try pods.echo(), default: 0] += 1
        try checkEqual(try client.receive()?.from, vip, "the source of the reply")
      }
      // One of ten missed by 300 datagrams: 10 · 0.9^300 < 1e-12.
      try checkEqual(reached.count, 10, "backends of one socket's datagrams")
      let use = try dataplane.tables.socketUse()
      try checkEqual([use.records, Int(use.flowsGivenUp)], [1, 0], "records, flows given up")
      // Another service on the same socket keeps its backend.
      let steady = try frontend(variant.vip(2), .udp, of: "test/steady", pods.places)
      try dataplane.serve([perDatagram, steady])
      var stayed = Set<Place>()
      for _ in 0..<50 {
        try client.send("x", to: vip)
        _ = try pods.echo()
        try checkEqual(try client.receive()?.from, vip, "the source of the reply")
        try client.send("y", to: variant.vip(2))
        stayed.insert(try pods.echo())
        _ = try client.receive()
      }
      try checkEqual(stayed.count, 1, "backends of the service that says nothing")
    },
    KernelTest("sendto_\(variant)_is_refused_when_the_last_backend_goes") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...1)
      let vip = variant.vip(1)
      let dataplane = try sandbox.attach([frontend(vip, .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      try client.send("x", to: vip)
      try pods.echo()
      try dataplane.serve([frontend(vip, .udp, [])])
      try checkEqual(client.sendError("x", to: vip), refused, "sendto without a backend")
      try checkEqual(
        try dataplane.counters(), ServiceCounters(translated: 1, refused: 1), "the counters")
      try dataplane.serve([frontend(vip, .udp, pods.places)])
      try client.send("x", to: vip)
      try pods.echo()
      try dataplane.serve([])
      try checkEqual(
        client.sendError("x", to: vip), networkUnreachable, "sendto without a service")
    },
  ]
}
