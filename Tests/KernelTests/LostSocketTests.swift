import BPFLoader
import CServiceABI
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Sockets whose backend went away are ended: by every way that there is, and wherever they are.
let lostSocketTests: [KernelTest] =
  Variant.allCases.flatMap(perVariant)
  + [
    KernelTest("termination_of_one_service_leaves_another_one_with_the_same_pod") { sandbox in
      let pods = try Pods(.v4, SK_UDP, 1...1)
      let (first, second) = (Variant.v4.vip(1), Variant.v4.vip(2))
      let dataplane = try sandbox.attach([
        try frontend(first, .udp, of: "test/one", pods.places),
        try frontend(second, .udp, of: "test/two", pods.places),
      ])
      let way = try Way(dataplane)
      let loses = try connect(.v4, SK_UDP, to: first)
      let keeps = try connect(.v4, SK_UDP, to: second)
      let ended = try dataplane.replace([
        try frontend(second, .udp, of: "test/two", pods.places)
      ])
      try way.checkEnded(ended, "test/one", udp: 1)
      try way.expect([loses], ended: true)
      try way.expect([keeps], ended: false)
    },
    KernelTest("termination_finds_sockets_in_all_namespaces", timeLimit: 120) { sandbox in
      let vip = Variant.v4.vip(1)
      let places = (1...2).map { Variant.v4.pod($0) }
      let dataplane = try sandbox.attach([try frontend(vip, .udp, places)])
      let way = try Way(dataplane)
      var clients: [Socket] = []
      // The third is one that nobody is in and nothing names but its sockets.
      for _ in 1...3 {
        clients += try inNewNetwork(with: places) {
          try (1...200).map { _ in try connect(.v4, SK_UDP, to: vip) }
        }
      }
      clients += try (1...200).map { _ in try connect(.v4, SK_UDP, to: vip) }
      let records = try FakeRecords(sandbox)
      let toFirst = clients.filter { backend(of: records.record(of: $0)) == places[0] }
      try check((200...600).contains(toFirst.count), "\(toFirst.count) of 800 have one backend")
      try dataplane.serve([try frontend(vip, .udp, [places[1]])])
      let started = sk_milliseconds()
      let ended = try dataplane.endLostSockets()
      print("ended \(toFirst.count) of 800 in 4 namespaces in \(sk_milliseconds() - started) ms")
      try way.checkEnded(ended, "test/web", udp: toFirst.count)
      let first = Set(toFirst.map(\.descriptor))
      try way.expect(toFirst, ended: true)
      try way.expect(clients.filter { !first.contains($0.descriptor) }, ended: false)
      try checkEqual(try dataplane.endLostSockets().isEmpty, way.exists, "nothing is left to end")
    },
    KernelTest("termination_by_sock_diag") { sandbox in
      for variant in Variant.allCases {
        let pods = try Pods(variant, SK_UDP, 1...1)
        let listeners = try Pods(variant, SK_TCP, 1...1)
        let vip = variant.vip(1)
        let both = [
          try frontend(vip, .udp, portName: "u", pods.places),
          try frontend(vip, .tcp, portName: "t", listeners.places).ending(.tcp),
        ]
        let dataplane = try sandbox.attach(both)
        let way = try Way(dataplane)
        let clients = [
          try connect(variant, SK_UDP, to: vip), try connect(variant, SK_TCP, to: vip),
        ]
        let direct = try connect(variant, SK_UDP, to: pods.seen(pods.places[0]))
        let (_, server) = try listeners.accept()
        let ended = try dataplane.replace([], way: way.exists ? .sockDiag : nil)
        try way.checkEnded(ended, "test/web", udp: 1, tcp: 1)
        try way.expect(clients, ended: true)
        try way.expect([direct], ended: false)
        if way.exists {
          try checkEqual(try dataplane.endLostSockets().isEmpty, true, "ended twice")
        }
        withExtendedLifetime((pods, listeners, server)) {}
        try sandbox.detach()
      }
    },
    KernelTest("termination_says_so_where_there_is_no_way") { sandbox in
      let vip = Variant.v4.vip(1)
      let dataplane = try sandbox.attach([try frontend(vip, .udp, [Variant.v4.pod(1)])])
      let client = try connect(.v4, SK_UDP, to: vip)
      let ended = try dataplane.replace([], way: .none("no kernel can"))
      try checkEqual(ended.lines, [], "lines")
      try checkEqual(
        ended.warnings,
        ["warning: 1 socket of test/web still uses a backend that went away: no kernel can"],
        "warnings")
      try checkEqual(sk_error(client.descriptor), 0, "the error of the socket")
    },
    KernelTest("termination_finds_sockets_without_a_record") { sandbox in
      let vip = Variant.v4.vip(1)
      let places = [Variant.v4.pod(1)]
      let dataplane = try sandbox.attach([try frontend(vip, .udp, places)])
      let way = try Way(dataplane)
      try FakeRecords(sandbox).fillAll()
      let client = try connect(.v4, SK_UDP, to: vip)
      try way.checkEnded(try dataplane.replace([]), "test/web", udp: 1)
      try way.expect([client], ended: true)
      if way.exists {
        try checkEqual(try dataplane.endLostSockets().isEmpty, true, "ended twice")
      }
    },
    KernelTest("termination_sweep_frees_records_of_sockets_that_are_gone") { sandbox in
      let pods = try Pods(.v4, SK_UDP, 1...1)
      let listeners = try Pods(.v4, SK_TCP, 1...1)
      let vip = Variant.v4.vip(1)
      let dataplane = try sandbox.attach([
        try frontend(vip, .udp, portName: "u", pods.places),
        try frontend(vip, .tcp, portName: "t", listeners.places),
      ])
      let records = try FakeRecords(sandbox)
      let udp = try connect(.v4, SK_UDP, to: vip)
      let tcp = try connect(.v4, SK_TCP, to: vip)
      let (_, server) = try listeners.accept()
      // It has no address, so no walk over the sockets of its namespace sees it.
      let parted = try connect(.v4, SK_UDP, to: vip)
      try parted.disconnect()
      let elsewhere = try inNewNetwork(with: pods.places) { try connect(.v4, SK_UDP, to: vip) }
      let live = [udp, tcp, parted, elsewhere]
      for socket in live { try records.age(socket) }
      let young = try connect(.v4, SK_UDP, to: vip)
      guard var flow = records.record(of: udp)?.flow else { throw Failure("no record") }
      for cookie in 1...3 { records.put(1 << 50 + UInt64(cookie), way: 5, flow) }
      // A record that was made just now may be that of a socket that is being made.
      guard let youngFlow = records.record(of: young)?.flow else { throw Failure("no record") }
      records.put(1 << 51, way: 5, youngFlow)
      try checkEqual(records.taken, live.count + 5, "records")
      try checkEqual(try dataplane.sweepSockets(), 0, "swept of few")
      try checkEqual(try dataplane.sweepSockets(always: true), 3, "swept")
      try checkEqual(records.taken, live.count + 2, "records after")
      for socket in live + [young] {
        try check(records.record(of: socket) != nil, "the record of a live socket was freed")
      }
      try checkEqual(try elsewhere.peerName, vip, "getpeername")
      try checkEqual(try tcp.peerName, vip, "getpeername")
      flow.netns = 0
      records.fill(ways: 1, flow)
      let before = records.taken
      try check(try dataplane.sweepSockets() > 8000, "swept of many")
      try check(records.taken <= before - 8000, "\(records.taken) of \(before) are left")
      // What was freed can be had again.
      for _ in 1...100 {
        let socket = try connect(.v4, SK_UDP, to: vip)
        try checkEqual(try socket.peerName, vip, "getpeername")
        try check(records.record(of: socket) != nil, "no record although there is room")
      }
      withExtendedLifetime((pods, server, live, young)) {}
    },
    KernelTest("termination_is_told_by_apply_and_status") { sandbox in
      let vip = Variant.v4.vip(1)
      let pods = try Pods(.v4, SK_UDP, 1...2)
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      let dataplane = try Dataplane(pin: sandbox.pin)
      let way = try Way(dataplane)
      let status = try sandbox.succeed(["status", "-o", "json"])
      try check(
        status.output.contains("\"termination\": \"\(dataplane.terminationWay())\""), status.all)
      let service = Manifest.service("web", vip: vip, "UDP")
      func slice(_ places: [Place]) -> String { Manifest.slice("web", places, "UDP") }
      try sandbox.succeed(["apply", "-f", "-"], input: service + slice([pods.places[0]]))
      var clients = try (1...3).map { _ in try connect(.v4, SK_UDP, to: vip) }
      let text = try sandbox.succeed(["apply", "-f", "-"], input: slice([pods.places[1]]))
      try way.expect(clients, ended: true)
      try check(
        way.exists
          ? text.output.contains("ended 3 UDP sockets of shop/web whose backend went away\n")
          : text.errors.contains("3 sockets of shop/web still use a backend that went away"),
        text.all)
      guard way.exists else { return }
      clients = [try connect(.v4, SK_UDP, to: vip)]
      let json = try sandbox.succeed(
        ["apply", "-f", "-", "-o", "json"], input: slice([pods.places[0]]))
      try check(
        json.output.contains("\"endedSockets\":[") && json.output.hasSuffix("]}\n"), json.all)
      try check(json.output.contains("\"udp\": 1,"), json.all)
      try way.expect(clients, ended: true)
      // A writer that was killed after it had written: the next command ends what it left.
      clients = [try connect(.v4, SK_UDP, to: vip)]
      try dataplane.serve([])
      try way.expect(clients, ended: false)
      let next = try sandbox.succeed(["apply", "-f", "-"], input: service)
      try check(next.output.contains("ended 1 UDP socket of shop/web"), next.all)
      try way.expect(clients, ended: true)
      clients = [try connect(.v4, SK_UDP, to: vip)]
      let gone = try sandbox.succeed(["delete", "service", "shop/web"])
      try check(gone.output.contains("ended 1 UDP socket of shop/web"), gone.all)
      try way.expect(clients, ended: true)
    },
  ]

private func perVariant(_ variant: Variant) -> [KernelTest] {
  [
    KernelTest("termination_udp_\(variant)_ends_exactly_those_of_the_backend_that_went") {
      sandbox in
      let pods = try Pods(variant, SK_UDP, 1...4)
      let vip = variant.vip(1)
      let dataplane = try sandbox.attach([try frontend(vip, .udp, pods.places)])
      let way = try Way(dataplane)
      var clients: [(socket: Socket, pod: Place)] = []
      for _ in 1...40 {
        let socket = try connect(variant, SK_UDP, to: vip)
        try socket.send("x")
        clients.append((socket, try pods.echo()))
      }
      let gone = clients[0].pod
      let lost = clients.filter { $0.pod == gone }.map(\.socket)
      try checkEqual(try dataplane.endLostSockets(), EndedSockets(), "before the change")
      try dataplane.serve([try frontend(vip, .udp, pods.places.filter { $0 != gone })])
      try way.checkEnded(try dataplane.endLostSockets(), "test/web", udp: lost.count)
      try way.expect(lost, ended: true)
      for client in clients where client.pod != gone {
        try way.expect([client.socket], ended: false)
        try client.socket.send("y")
        try checkEqual(try pods.echo(), client.pod, "the backend of a socket that kept it")
        try checkEqual(try client.socket.peerName, vip, "getpeername")
      }
      guard way.exists else { return }
      // The application connects anew, and gets a backend that is there.
      for socket in lost {
        try socket.connect(vip)
        try socket.send("z")
        try check(try pods.echo() != gone, "connected to the backend that is gone")
        try checkEqual(try socket.peerName, vip, "getpeername")
      }
      try checkEqual(try dataplane.endLostSockets(), EndedSockets(), "nothing is left to end")
      try way.expect(lost, ended: false)
    },
    KernelTest("termination_tcp_\(variant)_is_by_policy") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      let vip = variant.vip(1)
      let service = try frontend(vip, .tcp, pods.places)
      let dataplane = try sandbox.attach([service])
      let way = try Way(dataplane)
      do {
        let client = try connect(variant, SK_TCP, to: vip)
        let (_, connection) = try pods.accept()
        try dataplane.serve([])
        try checkEqual(try dataplane.endLostSockets(), EndedSockets(), "of a service that says no")
        try way.expect([client], ended: false)
        try client.send("x")
        try checkEqual(try connection.receive()?.text, "x", "what was sent")
      }
      try dataplane.serve([service.ending(.tcp)])
      let other = try connect(variant, SK_TCP, to: vip)
      _ = try pods.accept()
      try dataplane.serve([try frontend(vip, .tcp, []).ending(.tcp)])
      try way.checkEnded(try dataplane.endLostSockets(), "test/web", tcp: 1)
      try way.expect([other], ended: true)
    },
    KernelTest("termination_\(variant)_spares_what_is_not_connected_through_a_service") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...1)
      let listeners = try Pods(variant, SK_TCP, 1...1)
      let (vip, pod) = (variant.vip(1), pods.seen(pods.places[0]))
      let dataplane = try sandbox.attach([
        try frontend(vip, .udp, portName: "u", pods.places).ending([.tcp, .udp]),
        try frontend(vip, .tcp, portName: "t", listeners.places).ending([.tcp, .udp]),
      ])
      let way = try Way(dataplane)
      let names = try Socket(variant, SK_UDP)
      try names.send("x", to: vip)
      try pods.echo()
      let direct = try connect(variant, SK_UDP, to: pod)
      let directTCP = try connect(variant, SK_TCP, to: pod)
      let (_, server) = try listeners.accept()
      let parted = try connect(variant, SK_UDP, to: vip)
      try parted.disconnect()
      // This one has a port of its own, so it is still to be seen.
      let bound = try Socket(variant, SK_UDP)
      try bound.bind(variant.pod(2, port: 5353))
      try bound.connect(vip)
      try bound.disconnect()
      let elsewhere = try connect(variant, SK_UDP, to: vip)
      try elsewhere.connect(pod)
      // Disconnected, which runs no program, and then a server's, connected to the same place.
      let reused = try connect(variant, SK_UDP, to: vip)
      try reused.disconnect()
      try reused.connect(pod)
      try dataplane.serve([])
      try checkEqual(try dataplane.endLostSockets().services.isEmpty, way.exists, "ended")
      try way.expect(
        [names, direct, directTCP, server, elsewhere, reused, parted, bound], ended: false)
      try direct.send("x")
      try pods.echo()
      try checkEqual(try direct.receive()?.from, pod, "the reply to a direct connection")
      try checkEqual(try names.receive()?.from, vip, "a late reply")
    },
  ]
}

private func connect(_ variant: Variant, _ type: sk_type, to place: Place) throws -> Socket {
  let socket = try Socket(variant, type)
  try socket.connect(place)
  return socket
}

/// A new network namespace in which these addresses are local; nothing keeps it but its sockets.
func inNewNetwork<T>(with places: [Place], _ body: () throws -> T) throws -> T {
  let home = try CallFailed.check(sk_own_network(), "the own namespace")
  let made = try CallFailed.check(sk_new_network(), "a network namespace")
  defer {
    _ = sk_enter_network(home)
    sk_close(made)
    sk_close(home)
  }
  try CallFailed.check(sk_enter_network(made), "entering it")
  try CallFailed.check(sk_loopback_up(), "lo")
  for place in places {
    try CallFailed.check(sk_add_address(place.address, 32), "adding \(place.address)")
  }
  return try body()
}

/// The backend that a record says a socket has.
private func backend(of record: svc_socket?) -> Place? {
  guard let flow = record?.flow else { return nil }
  let address = IPAddress(v4: UInt32(bigEndian: flow.backend_be.3))
  return Place("\(address)", Int(UInt16(bigEndian: flow.backend_port_be)))
}

extension Dataplane {
  /// What `apply` does: serves these frontends, and ends the sockets that lost their backend.
  fileprivate func replace(
    _ frontends: [Frontend], way: TerminationWay? = nil
  ) throws(DataplaneError) -> EndedSockets {
    let prepared = try tables.prepare(ServiceTable(frontends: frontends))
    try tables.commit(prepared)
    return try endLostSockets(after: prepared, way: way)
  }
}

extension Frontend {
  fileprivate func ending(_ termination: Termination) -> Frontend {
    var copy = self
    copy.termination = termination
    return copy
  }
}

/// What this kernel can do, and so what a test expects.
private struct Way {
  let exists: Bool
  private let aborted: Int32 = 103  // ECONNABORTED

  init(_ dataplane: Dataplane) throws {
    let way = dataplane.terminationWay()
    if case .none = way { exists = false } else { exists = true }
    guard let running = KernelVersion.running else { return }
    let isNew = running >= KernelVersion(major: 6, minor: 5)
    try check(isNew == (way == .sockDestroy), "\(way) on \(running)")
  }

  func checkEnded(
    _ ended: EndedSockets, _ service: String, udp: Int = 0, tcp: Int = 0
  ) throws {
    var expected = EndedSockets.Counts()
    if exists {
      expected.udp = udp
      expected.tcp = tcp
    } else {
      expected.failed = udp + tcp
    }
    let found = Dictionary(
      uniqueKeysWithValues: ended.services.map { ($0.key.description, $0.value) })
    try checkEqual(found, [service: expected], "ended sockets (\(ended.reason ?? "no failure"))")
  }

  func expect(_ sockets: [Socket], ended: Bool) throws {
    for socket in sockets {
      try checkEqual(
        -sk_error(socket.descriptor), ended && exists ? aborted : 0, "the error of a socket")
    }
  }
}
