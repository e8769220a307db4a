import BPFLoader
import BPFTestLayout
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// Maps of another layout take the place of those there are, while applications go on. The other
/// layout is one that was never released: SVC_TEST_LAYOUT in service_abi.h.
let migrationTests: [KernelTest] =
  Variant.allCases.map { variant in
    KernelTest("migration_\(variant)_there_and_back_keeps_what_sockets_and_services_have") {
      try keepsEverything($0, variant)
    }
  } + [
    KernelTest("migration_keeps_the_table_entry_by_entry") { try keepsTheTable($0) },
    KernelTest("migration_there_and_back_while_clients_connect", inVM: false, timeLimit: 600) {
      try migrateUnderLoad($0, times: Int(getenvText("MIGRATIONS")) ?? 3)
    },
    KernelTest("migration_a_few_times_while_clients_connect", timeLimit: 240) {
      try migrateUnderLoad($0, times: 2)
    }.inVMOnly,
    KernelTest(
      "migration_that_was_killed_is_finished_by_the_next_command", inVM: false, timeLimit: 600
    ) {
      try finishesMigration(
        $0,
        InjectionLimit.some(
          of: [
            .published, .watched(1), .watched(5), .switched(1), .switched(5), .switched(7),
            .switched(9), .carried, .unwatched(1), .unwatched(5), .renamed(1), .renamed(9),
            .renamed(18),
          ], count: 4))
    },
    KernelTest("migration_that_was_killed_at_some_steps_is_finished", timeLimit: 300) {
      try finishesMigration($0, [.watched(5), .switched(5), .renamed(9)])
    }.inVMOnly,
    KernelTest("migration_by_upgrade_and_by_attach", timeLimit: 240) { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let vip = Variant.v4.vip(1)
      let manifest = Manifest.both("web", vip: vip, pods.places)
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(["apply", "-f", "-"], input: manifest)
      let dump = try sandbox.succeed(["dump", "-o", "json"]).output
      for command in [["upgrade"], ["attach", "--cgroup", sandbox.cgroup]] {
        try migrateAway(sandbox)
        for refused in [["apply", "-f", "-"], ["dump"], ["status"], ["verify"]] {
          let said = try sandbox.run(refused, input: manifest)
          try check(
            said.code == 1 && said.errors.contains("layout 1")
              && said.errors.contains(ReleaseVersion.current.description)
              && said.errors.contains("socklb upgrade"), "\(refused): \(said.all)")
        }
        let said = try sandbox.succeed(command)
        try check(
          said.errors.contains("from layout 1 into layout \(Dataplane.layoutVersion)"), said.all)
        try checkEqual(try sandbox.succeed(["dump", "-o", "json"]).output, dump, "the table")
        try sandbox.succeed(["verify"])
        try check(pods.places.contains(try whoAnswers(vip, pods)), "nobody answers")
        try check(
          try sandbox.succeed(["upgrade"]).errors.contains("nothing was changed"), "again")
      }
      try sandbox.succeed(["detach"])
      try checkEqual(sandbox.pins, [], "pins after detach")
    },
    KernelTest("migration_begun_by_another_layout_is_left_to_it", timeLimit: 240) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      let killed = try killMigration(sandbox, to: otherLayout, after: .carried)
      try check(killed, "there is no such step")
      let said = try sandbox.run(["upgrade"])
      try check(
        said.code == 1 && said.errors.contains("layout 1")
          && said.errors.contains("layout \(Dataplane.layoutVersion)"),
        said.all)
      _ = try Dataplane.migrate(pin: sandbox.pin, to: otherLayout) { _ in }
      try sandbox.succeed(["upgrade"])
      try sandbox.succeed(["status"])
    },
    KernelTest("migration_ends_who_reads_the_trace", timeLimit: 240) { sandbox in
      let udp = try Pods(.v4, SK_UDP, 1...1)
      try sandbox.attach([frontend(Variant.v4.vip(1), .udp, udp.places)])
      let trace = try TraceCommand(sandbox)
      try Socket(.v4, SK_UDP).send("x", to: Variant.v4.vip(1))
      try trace.await("test/web:80")
      try migrateAway(sandbox)
      try checkEqual(trace.process.wait(seconds: 10), 1, "the trace of maps that are gone")
      let messages = try trace.messages
      try check(messages.contains("the trace has ended"), messages)
      try migrateBack(sandbox)
      let next = try TraceCommand(sandbox, name: "next")
      try Socket(.v4, SK_UDP).send("x", to: Variant.v4.vip(1))
      try next.await("test/web:80")
      try next.end()
      withExtendedLifetime(udp) {}
    },
    KernelTest("migration_that_was_killed_can_be_detached", timeLimit: 240) { sandbox in
      for step in [Dataplane.MigrationStep.watched(3), .switched(4), .renamed(3)] {
        try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
        try check(try killMigration(sandbox, to: otherLayout, after: step), "no step \(step)")
        try sandbox.succeed(["detach"])
        try checkEqual(sandbox.pins, [], "pins after detach")
      }
    },
  ]

private let otherLayout = ProgramBuild(
  socklb: OtherLayout.socklb, move: OtherLayout.move, layoutVersion: OtherLayout.version)

func migrateAway(_ sandbox: Sandbox) throws {
  let maps = try Dataplane.migrate(pin: sandbox.pin, to: otherLayout) { _ in }?.maps ?? []
  try check(maps.count > 15, "only these maps have another layout: \(maps)")
}

private func migrateBack(_ sandbox: Sandbox) throws {
  let migrated = try Dataplane.migrate(pin: sandbox.pin)
  try checkEqual(migrated?.layoutVersion, OtherLayout.version, "layout that was found")
}

private func killMigration(
  _ sandbox: Sandbox, to build: ProgramBuild, after step: Dataplane.MigrationStep
) throws -> Bool {
  let killed = DataplaneError.refused("killed after \(step)", remedy: "")
  func stop(_ reached: Dataplane.MigrationStep) throws(DataplaneError) {
    if reached == step { throw killed }
  }
  let result = Result { try Dataplane.migrate(pin: sandbox.pin, to: build, after: stop) }
  switch result {
  case .success: return false
  case .failure(let error):
    guard "\(error)" == "\(killed)" else { throw error }
    return true
  }
}

// MARK: Sockets

/// A UDP socket with two VIPs, a connected one, a connection, and a client with affinity.
private struct Clients {
  let variant: Variant
  let connected: Socket
  let sender: Socket
  let tcp: Socket
  let accepted: Socket
  let pods: [Place]
  let connectedPod: Place
  let other: (pod: Place, datagram: Socket.Received, reply: Socket)

  static func vips(_ variant: Variant) -> (plain: Place, second: Place, tcp: Place) {
    (variant.vip(1), variant.vip(3), variant.vip(4))
  }

  init(_ variant: Variant, _ udp: Pods, _ tcpPods: Pods) throws {
    self.variant = variant
    let vips = Self.vips(variant)
    connected = try Socket(variant, SK_UDP)
    try connected.connect(vips.plain)
    try connected.send("x")
    connectedPod = try udp.echo()
    try checkEqual(try connected.receive()?.from, vips.plain, "the source of a reply")
    sender = try Socket(variant, SK_UDP)
    var pods: [Place] = []
    for vip in [vips.plain, vips.second] {
      try sender.send("x", to: vip)
      pods.append(try udp.echo())
      try checkEqual(try sender.receive()?.from, vip, "the source of a reply to \(vip)")
    }
    self.pods = pods
    // To be answered later.
    try sender.send("x", to: vips.second)
    other = try udp.receive()
    tcp = try Socket(variant, SK_TCP)
    try tcp.connect(vips.tcp)
    accepted = try tcpPods.accept().connection
  }

  func checkAll(_ udp: Pods, _ when: String) throws {
    let vips = Self.vips(variant)
    try checkEqual(try connected.peerName, vips.plain, "getpeername \(when)")
    try checkEqual(try tcp.peerName, vips.tcp, "getpeername of a connection \(when)")
    try connected.send("x")
    try checkEqual(try udp.echo(), connectedPod, "the backend of a connected socket \(when)")
    try checkEqual(try connected.receive()?.from, vips.plain, "the source of its reply \(when)")
    // What was sent before may be answered more than once.
    try other.reply.send("late", to: other.datagram.from)
    try checkEqual(try sender.receive()?.from, vips.second, "the source of a late reply \(when)")
    for (vip, pod) in zip([vips.plain, vips.second], pods) {
      try sender.send("x", to: vip)
      try checkEqual(try udp.echo(), pod, "the backend of an unconnected socket \(when)")
      try checkEqual(try sender.receive()?.from, vip, "the source of a reply \(when)")
    }
    try accepted.send("y")
    try checkEqual(try tcp.receive()?.text, "y", "what a connection carries \(when)")
  }

  /// Connects and datagrams in `checkAll`.
  static let counted: UInt64 = 2
  /// The same in `init`.
  static let countedAtFirst: UInt64 = 5
}

private func keepsEverything(_ sandbox: Sandbox, _ variant: Variant) throws {
  let udp = try Pods(variant, SK_UDP, 1...4)
  let tcpPods = try Pods(variant, SK_TCP, 1...4, port: 9090)
  let vips = Clients.vips(variant)
  let sticky = variant == .mapped ? Variant.v4.vip(2) : variant.vip(2)
  func served(_ vip: Place) -> Place {
    variant == .mapped ? Place(String(vip.address.dropFirst(7)), vip.port) : vip
  }
  try sandbox.attach([
    try frontend(served(vips.plain), .udp, of: "test/plain", udp.places),
    try frontend(served(vips.second), .udp, of: "test/second", udp.places),
    try frontend(sticky, .udp, of: "test/sticky", udp.places).with(affinity: 600),
    try frontend(served(vips.tcp), .tcp, of: "test/tcp", tcpPods.places),
  ])
  let table = try Dataplane(pin: sandbox.pin).tables.readSnapshot().table
  func affinePod() throws -> Place {
    let client = try Socket(variant == .mapped ? .v4 : variant, SK_UDP)
    try client.send("x", to: sticky)
    return try udp.echo()
  }
  let affine = try affinePod()
  let before = try Clients(variant, udp, tcpPods)
  try before.checkAll(udp, "at first")

  try migrateAway(sandbox)
  try before.checkAll(udp, "in the other layout")
  let between = try Clients(variant, udp, tcpPods)
  for _ in 0..<8 { try checkEqual(try affinePod(), affine, "affinity in the other layout") }

  try migrateBack(sandbox)
  try before.checkAll(udp, "after the way back")
  try between.checkAll(udp, "made in the other layout, after the way back")
  let after = try Clients(variant, udp, tcpPods)
  try after.checkAll(udp, "made after the way back")
  for _ in 0..<8 { try checkEqual(try affinePod(), affine, "affinity after the way back") }

  let dataplane = try Dataplane(pin: sandbox.pin)
  let snapshot = try dataplane.tables.readSnapshot(withCounters: true)
  try checkEqual(snapshot.table, table, "the table")
  let translated = snapshot.counters.values.reduce(0) { $0 + $1.translated }
  try checkEqual(
    translated, 17 + 3 * Clients.countedAtFirst + 5 * Clients.counted, "translated, in all")
  try checkEqual(try dataplane.attachments().count, 9, "links")
  try check(try dataplane.missingHooks().isEmpty, "hooks are missing")
  try check(!dataplane.tables.isSwitching, "still switching")
}

/// What is in the table's maps, byte by byte, after the way there and back.
private func keepsTheTable(_ sandbox: Sandbox) throws {
  let vips = (1...60).map { Variant.v4.vip($0) } + (1...60).map { Variant.v6.vip($0) }
  let frontends = try vips.enumerated().map { number, vip in
    let variant: Variant = vip.address.contains(":") ? .v6 : .v4
    let name = "name-\(number)/" + String(repeating: "n", count: 1 + number % 63)
    let ranges = number % 5 == 0 ? [variant == .v4 ? "10.9.0.0/16" : "fd00:9::/48"] : []
    return try frontend(
      vip, number % 2 == 0 ? .tcp : .udp, of: name, portName: "port\(number)",
      (0...number % 7).map { variant.pod($0 + 1) }
    ).with(
      affinity: number % 3 == 0 ? 600 : nil, kind: ranges.isEmpty ? .clusterIP : .loadBalancer,
      sourceRanges: ranges)
  }
  let guarded = frontends.filter { $0.kind == .clusterIP }.map(\.key.address)
  let kept = try [(frontends[20], Variant.v4.pod(9)), (frontends[80], Variant.v6.pod(9))].map {
    KeptEndpoint(service: $0.0.service, backend: try backend($0.1))
  }
  func table(without count: Int, isLeaving: Bool = true) -> ServiceTable {
    var served = frontends
    if !isLeaving {
      for (number, endpoint) in zip([20, 80], kept) {
        served[number].backends.append(endpoint.backend)
      }
    }
    return ServiceTable(
      frontends: Array(served.dropFirst(count)), guardedAddresses: guarded,
      keptEndpoints: isLeaving ? kept : [])
  }
  let dataplane = try sandbox.attach(table(without: 0, isLeaving: false))
  // Something that was there and is gone leaves gaps and generations.
  for count in [10, 5] {
    try dataplane.tables.commit(dataplane.tables.prepare(table(without: count)))
  }
  _ = try dataplane.tables.refreshSources(for: table(without: 5))
  let names =
    [
      "keys", "frontends", "lists", "slots", "endpoints", "kept", "services", "policies", "guards",
      "ranges",
    ].flatMap { [$0 + "4", $0 + "6"] } + ["address_filter", "sources"]
  func contents() throws -> [String: Set<[UInt8]>] {
    var result: [String: Set<[UInt8]>] = [:]
    for name in names {
      let map = try BPFMap(pinned: sandbox.pin + "/maps/" + name)
      result[name] = Set(try RawMap(map).all().map { $0.key + $0.value })
    }
    return result
  }
  let before = try contents()
  try migrateAway(sandbox)
  let other = try contents()
  try check(other["services4"] != before["services4"], "services4 has the same layout")
  try migrateBack(sandbox)
  let after = try contents()
  for name in names {
    try check(before[name] == after[name], "\(name) is not what it was")
    try check(!(before[name] ?? []).isEmpty, "\(name) is empty")
  }
}

// MARK: Load

private func migrateUnderLoad(_ sandbox: Sandbox, times: Int) throws {
  let variant = Variant.v4
  let targets = (1...8).map { number in
    ConnectLoad.Target(
      vip: variant.vip(number), transport: number % 4 == 0 ? .tcp : .udp,
      backends: [variant.pod(number), variant.pod(number + 8)])
  }
  try sandbox.attach(
    try targets.map { try frontend($0.vip, $0.transport, of: "test/\($0.vip.port)", $0.backends) })
  let load = try ConnectLoad(variant, targets, pods: 1...16)
  let datagrams = try DatagramLoad(vip: variant.vip(1))
  // Sockets that are made while maps are replaced, and asked long after.
  var made: [(socket: Socket, vip: Place)] = []
  func makeSockets(_ number: Int) throws {
    for turn in 0..<20 {
      let vip = targets[(number + turn) % 3].vip
      let socket = try Socket(variant, SK_UDP)
      try socket.connect(vip)
      made.append((socket, vip))
    }
  }
  let began = ContinuousClock.now
  do {
    for number in 0..<times {
      for build in [otherLayout, ProgramBuild.current] {
        _ = try Dataplane.migrate(pin: sandbox.pin, to: build) {
          (step) throws(DataplaneError) in
          guard [.published, .switched(3), .switched(7), .carried].contains(step) else { return }
          do { try makeSockets(number) } catch {
            throw .refused("making sockets at \(step): \(error)", remedy: "")
          }
        }
      }
      for (socket, vip) in made { try checkEqual(try socket.peerName, vip, "getpeername") }
    }
  } catch {
    _ = try? load.stop()
    _ = try? datagrams.stop()
    throw error
  }
  let took = ContinuousClock.now - began
  let sent = try datagrams.stop()
  let connects = try load.stop()
  let dataplane = try Dataplane(pin: sandbox.pin)
  let counters = try dataplane.tables.readSnapshot(withCounters: true).counters.values
  try checkEqual(counters.reduce(0) { $0 + $1.refused }, 0, "refused")
  try checkEqual(
    counters.reduce(0) { $0 + $1.translated }, UInt64(connects + made.count + sent.count),
    "translated")
  // While other sockets connect, Linux may not find the socket that a datagram is for, also without
  // any program (docs/testing.md). It counts what it loses so; there is no other loss.
  try checkEqual(sent.lost, try datagramsWithoutPort(), "replies that were lost")
  try check(sent.lost <= 5, "\(sent.lost) replies of \(sent.count) were lost")
  // A socket that is a few milliseconds old when it sends again may have been unknown.
  try check(sent.moved <= 2 * times, "\(sent.moved) sockets changed their backends")
  try check(sent.count > 20 * times, "only \(sent.count) datagrams")
  try check(connects > 20 * times, "only \(connects) connects")
  // Every socket is gone, and with it its record.
  let count = made.count
  made = []
  let left = try taken(sandbox)
  try check(left <= 4, "\(left) records are left of \(connects + count) sockets")
  print(
    "\(2 * times) migrations in \(took), \(connects) connects, \(count) sockets of the switch, "
      + "\(sent.count) datagrams, \(sent.moved) sockets with another backend than before")
}

/// UDP sockets that send to a VIP and are answered: some that are old, and one that is made anew
/// each time.
private final class DatagramLoad: Sendable {
  private let isStopped = Atomic(false)
  private let result = Mutex((count: 0, moved: 0, lost: 0))
  private let thread = Mutex<Background?>(nil)

  /// - Parameter vip: of the UDP pods 1 and 9.
  init(vip: Place) throws {
    let started = try Background { [self] in
      let pods = try Pods(.v4, SK_UDP, [1, 9])
      let lasting = try (0..<8).map { _ in try Socket(.v4, SK_UDP) }
      var reached: [Int: Place] = [:]
      var turn = 0
      while !isStopped.load(ordering: .relaxed) {
        let young = try Socket(.v4, SK_UDP)
        var last: Place?
        for socket in [lasting[turn % 8], young, young] {
          try socket.send("x", to: vip)
          let pod = try pods.echo()
          let source = try socket.receive(within: 500)?.from
          if source == nil {
            result.withLock { $0.lost += 1 }
          } else {
            try checkEqual(source, vip, "the source of a reply")
          }
          let before = socket === young ? last : reached[turn % 8]
          if socket === young { last = pod } else { reached[turn % 8] = pod }
          result.withLock {
            $0.count += 1
            if let before, before != pod { $0.moved += 1 }
          }
        }
        turn += 1
      }
    }
    thread.withLock { $0 = started }
  }

  func stop() throws -> (count: Int, moved: Int, lost: Int) {
    isStopped.store(true, ordering: .relaxed)
    try thread.withLock { $0 }?.join()
    return result.withLock { $0 }
  }
}

/// `UdpNoPorts` of this network namespace: datagrams for which the kernel found no socket.
private func datagramsWithoutPort() throws -> Int {
  let lines = try Disk.read("/proc/thread-self/net/snmp").split(separator: "\n")
  let udp = lines.filter { $0.hasPrefix("Udp: ") }.map { $0.split(separator: " ") }
  guard udp.count == 2, let at = udp[0].firstIndex(of: "NoPorts"), let count = Int(udp[1][at])
  else {
    throw Failure("/proc/net/snmp has no Udp NoPorts")
  }
  return count
}

/// How many records of sockets are taken.
private func taken(_ sandbox: Sandbox) throws -> Int {
  let records = try MappedBytes(BPFMap(pinned: sandbox.pin + "/maps/sockets"))
  return (0..<records.count).count { records.acquire(at: $0, offset: 56) != 0 }
}

// MARK: Killed

/// It stops at each of its steps, as if it had been killed there, while clients connect.
private func finishesMigration(
  _ sandbox: Sandbox, _ steps: [Dataplane.MigrationStep]
) throws {
  let vip = Variant.v4.vip(1)
  let backends = [Variant.v4.pod(1), Variant.v4.pod(2)]
  let manifest = Manifest.both("web", vip: vip, backends, "UDP")
  try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
  try sandbox.succeed(["apply", "-f", "-"], input: manifest)
  let pins = Disk.list(sandbox.pin + "/maps").sorted()
  let early = try Socket(.v4, SK_UDP)
  try early.connect(vip)
  let load = try ConnectLoad(
    .v4, [.init(vip: vip, transport: .udp, backends: backends)], pods: 1...2)
  var made: [Socket] = []
  func make() throws {
    let socket = try Socket(.v4, SK_UDP)
    try socket.connect(vip)
    made.append(socket)
  }
  do {
    for step in steps {
      try migrateAway(sandbox)
      try make()
      try check(try killMigration(sandbox, to: .current, after: step), "there is no step \(step)")
      let before = load.connects
      while load.connects < before + 20 { sk_sleep(1) }
      try make()
      for socket in made + [early] {
        try checkEqual(try socket.peerName, vip, "getpeername, killed after \(step)")
      }
      let said = try sandbox.succeed(["apply", "-f", "-"], input: manifest)
      try check(said.errors.contains("finished maps"), "\(step): \(said.all)")
      for socket in made + [early] {
        try checkEqual(try socket.peerName, vip, "getpeername, finished after \(step)")
      }
      let after = try Dataplane(pin: sandbox.pin)
      try check(!after.tables.isSwitching, "\(step): still switching")
      try check(!Disk.list(sandbox.pin).contains("next"), "\(step): next is still there")
      try checkEqual(Disk.list(sandbox.pin + "/maps").sorted(), pins, "pins")
      try checkEqual(try after.attachments().count, 9, "links after \(step)")
      let verify = try sandbox.run(["verify"])
      try checkEqual(verify.code, 0, "verify after \(step): \(verify.all)")
    }
  } catch {
    _ = try? load.stop()
    throw error
  }
  let connects = try load.stop()
  let counters = try Dataplane(pin: sandbox.pin).counters(of: "shop/web")
  try checkEqual(
    counters.translated, UInt64(connects + made.count + 1), "translated, over all migrations")
  try checkEqual(counters.refused, 0, "refused")
}
