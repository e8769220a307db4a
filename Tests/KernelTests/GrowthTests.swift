import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// Maps that become too small are replaced by larger ones, while applications go on.
let growthTests: [KernelTest] =
  Variant.allCases.map { variant in
    KernelTest("growth_\(variant)_keeps_what_sockets_and_services_have") { sandbox in
      try keepsEverything(sandbox, variant)
    }
  } + [
    KernelTest("growth_from_1_024_to_131_072_services_under_load", inVM: false, timeLimit: 300) {
      try growUnderLoad($0, from: 1024, to: 131_072)
    },
    KernelTest("growth_from_64_to_512_services_under_load", timeLimit: 120) {
      try growUnderLoad($0, from: 64, to: 512)
    }.inVMOnly,
    KernelTest("growth_by_apply_up_to_the_limit_and_no_further") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      try sandbox.succeed([
        "attach", "--cgroup", sandbox.cgroup, "--initial-services", "2", "--initial-frontends", "2",
        "--initial-backends", "2", "--max-services", "12",
      ])
      func apply(_ count: Int) throws -> Outcome {
        let text = (1...count).map {
          Manifest.both("web\($0)", vip: Variant.v4.vip($0), [pods.places[$0 % 2]])
        }
        return try sandbox.run(["apply", "-f", "-"], input: text.joined())
      }
      try check(try !apply(2).errors.contains("grew"), "grown without need")
      let grown = try apply(10)
      try check(grown.code == 0 && grown.errors.contains("grew the maps"), grown.all)
      for number in 1...10 {
        try checkEqual(
          try whoAnswers(Variant.v4.vip(number), pods), pods.places[number % 2], "who answers")
      }
      let status = try sandbox.succeed(["status"]).output
      try check(status.contains("10/10") && status.contains("; grown 20"), status)
      let dump = try sandbox.succeed(["dump", "-o", "json"]).output
      let refused = try apply(13)
      try check(refused.code == 1 && refused.errors.contains("room for 12"), refused.all)
      try checkEqual(try sandbox.succeed(["dump", "-o", "json"]).output, dump, "the table")
      // The limit can be raised, and the rest of the settings stays.
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup, "--max-services", "20"])
      try checkEqual(try apply(13).code, 0, "apply below the new limit")
      try checkEqual(
        try whoAnswers(Variant.v4.vip(13), pods), pods.places[1], "who answers at last")
    },
    KernelTest(
      "growth_that_was_killed_is_finished_by_the_next_command", inVM: false, timeLimit: 240
    ) {
      try finishesGrowth(
        $0,
        InjectionLimit.some(
          of: [
            .published, .switched(1), .switched(5), .switched(9), .counted, .renamed(1),
            .renamed(12), .renamed(24),
          ], count: 3))
    },
    KernelTest("growth_that_was_killed_at_some_steps_is_finished", timeLimit: 240) {
      try finishesGrowth($0, [.published, .switched(5), .renamed(12)])
    }.inVMOnly,
    KernelTest("growth_is_followed_by_programs_that_are_attached_later") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let (gone, new) = (try sandbox.makeCgroup("gone"), sandbox.cgroup + "/new")
      try sandbox.succeed([
        "attach", "--cgroup", gone, "--initial-services", "2", "--initial-frontends", "2",
        "--initial-backends", "2",
      ])
      func apply(_ pod: Place) throws {
        let text = (1...8).map { Manifest.both("web\($0)", vip: Variant.v4.vip($0), [pod]) }
        try sandbox.succeed(["apply", "-f", "-"], input: text.joined())
      }
      // Its links stay pinned, with programs that work on the maps of that time.
      try CallFailed.check(rmdir(gone) == 0 ? 0 : -errno, "rmdir")
      try apply(pods.places[0])
      _ = try sandbox.makeCgroup("new")
      try sandbox.succeed(["attach", "--cgroup", new])
      try apply(pods.places[1])
      try Sandbox.join(new)
      for number in 1...8 {
        try checkEqual(try whoAnswers(Variant.v4.vip(number), pods), pods.places[1], "who answers")
      }
      try Sandbox.join(sandbox.cgroup)
    },
    KernelTest("growth_never_shows_a_reader_half_a_table", inVM: false, timeLimit: 120) { sandbox in
      try readWhileGrowing(sandbox)
    },
  ]

private func keepsEverything(_ sandbox: Sandbox, _ variant: Variant) throws {
  let udp = try Pods(variant, SK_UDP, 1...4)
  let (vip, sticky) = (variant.vip(1), variant.vip(2))
  let affine = try frontend(sticky, .udp, of: "test/sticky", udp.places).with(affinity: 600)
  let plain = try frontend(vip, .udp, udp.places)
  let limits = Capacities(services: 4096, frontends: 4096, backends: 16_384)
  let dataplane = try sandbox.attach(
    [plain, affine], capacities: Capacities(services: 4, frontends: 4, backends: 16))
  let connected = try Socket(variant, SK_UDP)
  try connected.connect(vip)
  try connected.send("x")
  let pod = try udp.echo()
  try checkEqual(try connected.receive()?.from, vip, "the source of a reply")
  let sender = try Socket(variant, SK_UDP)
  try sender.send("x", to: vip)
  let other = try udp.receive()
  let client = try Socket(variant, SK_UDP)
  try client.send("x", to: sticky)
  let affinePod = try udp.echo()
  let before = try dataplane.counters(withBackends: true)
  let counted = before.translated
  try checkEqual(before.backends.values.reduce(0, +), counted, "given to backends")

  let more = try (1...1000).map {
    try frontend(variant.vip(10 + $0), .udp, of: "test/more\($0)", [variant.pod(1)])
  }
  let table = ServiceTable(frontends: [plain, affine] + more)
  let (preparation, larger, hasGrown) = try dataplane.prepare(table, within: limits)
  try check(hasGrown, "the maps were not grown")
  try larger.tables.commit(preparation)
  let room = larger.tables.capacities
  let (used, unused) = variant == .v6 ? (room.v6, room.v4) : (room.v4, room.v6)
  try check(used.services >= 1002 && unused.services == 4, "\(room)")
  try check(larger.tables.grownAt != nil, "no time of the growth")
  try check(
    try !dataplane.tables.readSnapshot().isConsistent, "a reader trusts maps that were replaced")

  try checkEqual(try connected.peerName, vip, "getpeername after the growth")
  try connected.send("x")
  try checkEqual(try udp.echo(), pod, "the backend of a connected socket")
  try checkEqual(try connected.receive()?.from, vip, "the source of its reply")
  // A reply to what was sent before.
  try other.reply.send("late", to: other.datagram.from)
  try checkEqual(try sender.receive()?.from, vip, "the source of a late reply")
  try sender.send("x", to: vip)
  try checkEqual(try udp.echo(), other.pod, "the backend of an unconnected socket")
  for _ in 0..<8 {
    let again = try Socket(variant, SK_UDP)
    try again.send("x", to: sticky)
    try checkEqual(try udp.echo(), affinePod, "session affinity after the growth")
  }
  let after = try larger.counters(withBackends: true)
  try checkEqual(after.translated, counted + 1, "translated, over the growth")
  try checkEqual(
    after.backends.values.reduce(0, +), counted + 1, "given to backends, over the growth")
  for (backend, count) in before.backends {
    try check(after.backends[backend] ?? 0 >= count, "\(backend) was given less by the growth")
  }
  try checkEqual(try larger.attachments().count, 9, "links")
}

/// A growth stops at each of its steps, as if it had been killed there, while clients connect.
private func finishesGrowth(_ sandbox: Sandbox, _ steps: [Dataplane.GrowthStep]) throws {
  let vip = Variant.v4.vip(1)
  let backends = [Variant.v4.pod(1), Variant.v4.pod(2)]
  let manifest = Manifest.both("web", vip: vip, backends, "UDP")
  try sandbox.succeed([
    "attach", "--cgroup", sandbox.cgroup, "--initial-services", "2", "--initial-frontends", "2",
    "--initial-backends", "4",
  ])
  try sandbox.succeed(["apply", "-f", "-"], input: manifest)
  let pins = Disk.list(sandbox.pin + "/maps").count
  let load = try ConnectLoad(
    .v4, [.init(vip: vip, transport: .udp, backends: backends)], pods: 1...2)
  do {
    for step in steps {
      let dataplane = try Dataplane(pin: sandbox.pin)
      let room = dataplane.tables.capacities
      do {
        _ = try dataplane.grow(to: room.doubled([.v4, .v6], within: Capacities())) {
          (reached) throws(DataplaneError) in
          if reached == step { throw .refused("killed after \(step)", remedy: "") }
        }
        throw Failure("there is no step \(step)")
      } catch DataplaneError.refused(let what, _) where what.hasPrefix("killed") {}
      let before = load.connects
      while load.connects < before + 20 { sk_sleep(1) }
      let said = try sandbox.succeed(["apply", "-f", "-"], input: manifest)
      try check(said.errors.contains("finished maps"), "\(step): \(said.all)")
      let after = try Dataplane(pin: sandbox.pin)
      try checkEqual(
        after.tables.capacities.v6.services, room.v6.services * 2, "room after \(step)")
      try check(!after.tables.isSwitching, "\(step): still switching")
      try check(!Disk.list(sandbox.pin).contains("next"), "\(step): next is still there")
      try checkEqual(Disk.list(sandbox.pin + "/maps").count, pins, "pins")
      let verify = try sandbox.run(["verify"])
      try checkEqual(verify.code, 0, "verify after \(step): \(verify.all)")
    }
  } catch {
    _ = try? load.stop()
    throw error
  }
  let connects = try load.stop()
  let counters = try Dataplane(pin: sandbox.pin).counters(of: "shop/web")
  try checkEqual(counters.translated, UInt64(connects), "translated, over all growths")
  try checkEqual(counters.refused, 0, "refused")
}

private func growUnderLoad(_ sandbox: Sandbox, from start: Int, to end: Int) throws {
  let variant = Variant.v4
  let targets = (1...8).map { number in
    ConnectLoad.Target(
      vip: variant.vip(number), transport: number % 4 == 0 ? .tcp : .udp,
      backends: [variant.pod(number), variant.pod(number + 8)])
  }
  let served = try targets.map {
    try frontend($0.vip, $0.transport, of: "test/load", portName: "p\($0.vip)", $0.backends)
  }
  func table(_ services: Int) throws -> ServiceTable {
    var frontends = served
    for number in 0..<services - served.count {
      guard
        let address = IPAddress(
          "172.\(16 + number >> 16 & 7).\(number >> 8 & 255).\(number & 255)"),
        let port = Port(4321)
      else { throw Failure("no address") }
      frontends.append(
        Frontend(
          key: FrontendKey(address: address, port: port, transport: .tcp), kind: .clusterIP,
          service: ServicePortName(
            service: NamespacedName(namespace: "many", name: "s\(number)"), port: "",
            transport: .tcp),
          backends: [try backend(variant.pod(number % 16 + 1))]))
    }
    return ServiceTable(frontends: frontends)
  }
  let limits = Capacities(services: end, frontends: end, backends: 4 * end)
  var dataplane = try sandbox.attach(
    table(start), capacities: Capacities(services: start, frontends: start, backends: 2 * start))
  let load = try ConnectLoad(variant, targets, pods: 1...16)
  var growths = 0
  do {
    var size = start
    while size < end {
      size *= 2
      let before = load.connects
      let began = ContinuousClock.now
      let (preparation, larger, hasGrown) = try dataplane.prepare(table(size), within: limits)
      let prepared = ContinuousClock.now
      try check(hasGrown, "not grown for \(size) services")
      dataplane = larger
      try dataplane.tables.commit(preparation)
      growths += 1
      print(
        "\(size) services: growing and planning \(prepared - began), writing "
          + "\(ContinuousClock.now - prepared), \(load.connects - before) connects meanwhile")
    }
  } catch {
    _ = try? load.stop()
    throw error
  }
  let connects = try load.stop()
  let counters = try dataplane.tables.readSnapshot(withCounters: true).counters.values
  try checkEqual(counters.reduce(0) { $0 + $1.refused }, 0, "refused")
  try checkEqual(counters.reduce(0) { $0 + $1.translated }, UInt64(connects), "translated")
  try checkEqual(
    counters.reduce(0) { $0 + $1.backends.values.reduce(0, +) }, UInt64(connects),
    "given to backends")
  try check(connects > 50 * growths, "only \(connects) connects")
}

/// Every table that is published has one service more than the last; each has as many backends.
private func readWhileGrowing(_ sandbox: Sandbox) throws {
  let variant = Variant.v4
  func table(_ number: Int) throws -> ServiceTable {
    ServiceTable(
      frontends: try (1...8 * number).map {
        try frontend(variant.vip($0), .tcp, of: "test/s\($0)", [variant.pod(number % 16 + 1)])
      })
  }
  let limits = Capacities(services: 4096, frontends: 4096, backends: 4096)
  let first = try sandbox.attach(
    table(1), capacities: Capacities(services: 8, frontends: 8, backends: 8))
  let stop = Atomic(false)
  let pin = sandbox.pin
  let reads = Atomic(0)
  let reader = try Background {
    var last = 0
    while !stop.load(ordering: .relaxed) {
      let (_, snapshot) = try Dataplane.readSnapshot(at: pin)
      try check(snapshot.isConsistent, "a growth disturbs a reader")
      let frontends = snapshot.table.frontends
      try check(frontends.count % 8 == 0 && frontends.count >= last, "\(frontends.count) frontends")
      last = frontends.count
      let expected = [try backend(variant.pod(last / 8 % 16 + 1))]
      try check(
        frontends.allSatisfy { $0.backends == expected }, "half a table of \(last / 8) services")
      reads.add(1, ordering: .relaxed)
    }
  }
  var dataplane = first
  var growths = 0
  do {
    for number in 2...64 {
      let (preparation, next, hasGrown) = try dataplane.prepare(table(number), within: limits)
      dataplane = next
      if hasGrown { growths += 1 }
      try dataplane.tables.commit(preparation)
    }
  } catch {
    stop.store(true, ordering: .relaxed)
    try? reader.join()
    throw error
  }
  stop.store(true, ordering: .relaxed)
  try reader.join()
  try check(growths >= 4, "only \(growths) growths")
  try check(reads.load(ordering: .relaxed) >= 20, "only \(reads.load(ordering: .relaxed)) reads")
}
