import ServiceMaps
import SocketKit

/// UDP sockets that use one VIP after another, more of them than a socket remembers.
let rotationTests: [KernelTest] = Variant.allCases.flatMap { variant in
  connected(variant) + unconnected(variant)
}

/// What a socket remembers: the flow in its record, and sixteen more.
private let remembered = 17

/// VIPs with a pod of its own each.
private struct Services {
  let vips: [Place]
  let pods: [Pods]
  let frontends: [Frontend]

  init(_ variant: Variant, _ numbers: ClosedRange<Int>, onOneAddress: Bool = false) throws {
    vips = numbers.map { variant.vip($0) }
    pods = try numbers.map {
      try Pods(variant, SK_UDP, [onOneAddress ? 1 : $0 % 16 + 1], port: 9000 + $0)
    }
    frontends = try zip(vips, pods).map { vip, pod in
      try frontend(vip, .udp, of: "test/\(pod.places[0].port)", pod.places)
    }
  }
}

private func connected(_ variant: Variant) -> [KernelTest] {
  [
    KernelTest("udp_\(variant)_keeps_its_peer_through_connects_that_the_kernel_refuses") {
      sandbox in
      let own: Variant = variant == .mapped ? .v4 : variant
      let services = try Services(variant, 1...3)
      // There is no route to these backends.
      let dead = (100..<140).map { variant.vip($0) }
      try sandbox.attach(
        services.frontends
          + dead.enumerated().map { number, vip in
            try frontend(vip, .udp, of: "test/dead-\(number)", [own.vip(200 + number % 50)])
          })
      let client = try Socket(variant, SK_UDP)
      for round in 0..<2 {
        for (vip, pod) in zip(services.vips, services.pods) {
          try client.connect(vip)
          for refusing in dead {
            try checkEqual(client.connectError(refusing), networkUnreachable, "\(refusing)")
            try checkEqual(try client.peerName, vip, "getpeername in round \(round)")
          }
          try client.send("x")
          try pod.echo()
          try checkEqual(try client.receive()?.from, vip, "the source of the reply")
        }
      }
    },
    KernelTest("udp_\(variant)_shows_the_vip_of_datagrams_that_waited_while_it_connected_on") {
      sandbox in
      let services = try Services(variant, 1...remembered)
      try sandbox.attach(services.frontends)
      let client = try Socket(variant, SK_UDP)
      for _ in 0..<3 {
        for (vip, pod) in zip(services.vips, services.pods) {
          try client.connect(vip)
          try checkEqual(try client.peerName, vip, "getpeername")
          try client.send("x")
          try pod.echo()
        }
        for vip in services.vips {
          try checkEqual(try client.receive()?.from, vip, "the source of a reply that waited")
        }
      }
    },
    KernelTest("udp_\(variant)_shows_the_vips_of_former_peers_that_answer_after_it_disconnected") {
      sandbox in
      // An AF_INET6 socket that was disconnected still hears its former peer's address only.
      let services = try Services(variant, 1...remembered, onOneAddress: true)
      try sandbox.attach(services.frontends)
      let client = try Socket(variant, SK_UDP)
      try client.bind(
        Place(variant == .v6 ? "::" : variant == .v4 ? "0.0.0.0" : "::ffff:0.0.0.0", 5060))
      var waiting: [(vip: Place, datagram: Socket.Received, pod: Socket)] = []
      for (vip, pod) in zip(services.vips, services.pods) {
        try client.connect(vip)
        try client.send("x")
        let (_, datagram, socket) = try pod.receive()
        waiting.append((vip, datagram, socket))
      }
      try client.disconnect()
      for (vip, datagram, pod) in waiting.reversed() {
        try pod.send("late", to: datagram.from)
        try checkEqual(try client.receive()?.from, vip, "the source of a reply that is late")
      }
    },
  ]
}

private func unconnected(_ variant: Variant) -> [KernelTest] {
  [
    KernelTest("udp_\(variant)_keeps_what_it_sends_to_while_it_connects_to_one_vip_after_another") {
      sandbox in
      let shared = try Pods(variant, SK_UDP, 1...16)
      let vips = (1...8).map { variant.vip($0) }
      let services = try Services(variant, 20...59)
      let dataplane = try sandbox.attach(
        vips.map { try frontend($0, .udp, of: "test/\($0.address)", shared.places) }
          + services.frontends)
      let client = try Socket(variant, SK_UDP)
      func write(_ vip: Place, hears: Bool = true) throws -> Place {
        try client.send("x", to: vip)
        let used = try shared.echo()
        if hears {
          try checkEqual(try client.receive()?.from, vip, "the source of a reply to sendto")
        }
        return used
      }
      let used = try vips.map { try write($0) }
      try checkEqual(Set(used).count, vips.count, "backends of \(vips.count) VIPs")
      for (number, (vip, pod)) in zip(services.vips, services.pods).enumerated() {
        try client.connect(vip)
        try client.send("x")
        try pod.echo()
        try checkEqual(try client.receive()?.from, vip, "the source of a peer's reply")
        // The kernel hands it nothing from there while it is connected.
        try client.send("y", to: vips[number % vips.count])
        try checkEqual(try shared.receive().pod, used[number % vips.count], "where sendto went")
        try checkEqual(try client.peerName, vip, "getpeername")
      }
      try client.disconnect()
      // An AF_INET6 socket that was disconnected still hears its former peer's address only.
      let after = try vips.map { try write($0, hears: variant != .v6) }
      try checkEqual(after, used, "the backends after the socket was disconnected")
      try checkEqual(Int(try dataplane.tables.socketUse().flowsGivenUp), 0, "flows given up")
    },
    KernelTest("udp_\(variant)_gives_up_the_vip_that_it_used_longest_ago") { sandbox in
      let services = try Services(variant, 1...remembered + 1)
      let dataplane = try sandbox.attach(services.frontends)
      let client = try Socket(variant, SK_UDP)
      var waiting: [Int: (datagram: Socket.Received, pod: Socket)] = [:]
      func write(_ number: Int) throws {
        try client.send("x", to: services.vips[number])
        let (_, datagram, socket) = try services.pods[number].receive()
        waiting[number] = (datagram, socket)
      }
      // The first one is in the record; of the others all but one are used again.
      for number in 0..<remembered { try write(number) }
      for number in (1..<remembered).reversed() where number != 5 { try write(number) }
      try checkEqual(Int(try dataplane.tables.socketUse().flowsGivenUp), 0, "flows given up")
      try write(remembered)
      try checkEqual(Int(try dataplane.tables.socketUse().flowsGivenUp), 1, "flows given up")
      for (number, (datagram, pod)) in waiting {
        try pod.send("late", to: datagram.from)
        let pods = services.pods[number]
        let expected = number == 5 ? pods.seen(pods.places[0]) : services.vips[number]
        try checkEqual(try client.receive()?.from, expected, "the source of reply \(number)")
      }
    },
  ]
}
