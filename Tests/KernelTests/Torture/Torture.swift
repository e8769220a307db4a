import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// Clients, servers, readers and a writer at once: what came of it.
struct Torture {
  /// How much there has to be of everything, and how long it may take.
  struct Bars {
    var connects: UInt
    /// Committed changes of one service: added, removed, shrunk, grown, refilled, renamed, rolled
    /// back. Several of them are one change of the table, as in one `apply`.
    var changes: Int
    var snapshots = 10
    /// At least, at most.
    var seconds: ClosedRange<Int>
    /// The writer does not wait for programs: something has to go wrong, and that is the end.
    var withoutGracePeriods = false
  }

  /// In one change of the table, as a rule.
  private static let servicesPerChange = 8

  private let sandbox: Sandbox
  private let bars: Bars
  private let shared: OpaquePointer
  private let places: TorturePlaces
  private let state = TortureState()

  init(_ sandbox: Sandbox, _ bars: Bars) throws {
    self.sandbox = sandbox
    self.bars = bars
    guard let memory = sk_torture_new() else { throw CallFailed(call: "mmap", code: errno) }
    shared = memory
    places = try TorturePlaces()
    for service in 0..<TortureWorld.services {
      let vip = TortureWorld.vip(service)
      try CallFailed.check(
        sk_torture_set_vip(shared, Int32(service), vip.address, Int32(vip.port)), "\(vip)")
    }
    for number in Sandbox.podCount + 1...TortureWorld.backends {
      for (variant, prefix) in [(Variant.v4, Int32(32)), (.v6, 128)] {
        let address = variant.pod(number).address
        try CallFailed.check(sk_add_address(address, prefix), "adding \(address)")
      }
    }
    for number in 1...TortureWorld.backends {
      let (v4, v6) = (Variant.v4.pod(number), Variant.v6.pod(number))
      try Sandbox.awaitAddress(Place(v6.address, 0))
      try CallFailed.check(
        sk_torture_set_backend(shared, Int32(number - 1), v4.address, v6.address, Int32(v4.port)),
        "\(v4), \(v6)")
    }
  }

  /// - Returns: what came of the connects, and how many changes there were.
  func run() throws -> (totals: sk_torture_totals, changes: Int, snapshots: Int) {
    let (fast, slow) = (try sandbox.makeCgroup("fast"), try sandbox.makeCgroup("slow"))
    let world = TortureWorld()
    let table = try world.table(places)
    publish(world, 0)
    state.tables.withLock { $0[0] = table }
    let dataplane = try sandbox.attach(table, to: [fast])
    var tables = dataplane.tables
    if bars.withoutGracePeriods { tables.grace = .ignored }
    // To see a slot reused, a reader has to wait for longer than two changes take.
    let wait = bars.withoutGracePeriods ? try min(4 * changeTime(tables, world) + 4, 500) : 4
    let slowPrograms = try SlowPrograms(sandbox, cgroup: slow, waiting: wait)
    defer { withExtendedLifetime(slowPrograms) {} }
    // Before the first thread, because they are forks of this process.
    try CallFailed.check(sk_torture_serve(shared), "starting the servers")
    defer { sk_torture_stop(shared) }
    for (kind, cgroup, rest) in clients(fast, slow) {
      try CallFailed.check(
        sk_torture_connect(shared, kind, cgroup, cgroup == slow ? 1 : 0, rest),
        "starting a client")
    }
    let (writing, reading) = (tables, dataplane.tables)
    let threads = TortureThreads(self)
    let writer = try Background { try threads.torture.write(writing, from: world) }
    let reader = try Background { try threads.torture.read(reading) }
    watch()
    state.stop.store(true, ordering: .sequentiallyConsistent)
    try writer.join()
    try reader.join()
    var totals = sk_torture_totals()
    sk_torture_totals(shared, &totals)
    return (
      totals, state.changes.load(ordering: .relaxed), state.snapshots.load(ordering: .relaxed)
    )
  }

  /// Milliseconds of a change of the table while nobody else is at work, which is then as it was.
  private func changeTime(_ tables: KernelTables, _ world: TortureWorld) throws -> Int {
    var random = SeededNumbers(seed: 1)
    let start = sk_milliseconds()
    for _ in 0..<4 {
      var changed = world
      for service in 0..<Self.servicesPerChange { changed.change(service, using: &random) }
      try tables.commit(tables.prepare(changed.table(places)))
    }
    try tables.commit(tables.prepare(world.table(places)))
    return (sk_milliseconds() - start) / 5
  }

  /// What they do, in which cgroup, and how many microseconds they rest in between.
  private func clients(_ fast: String, _ slow: String) -> [(sk_torture_client, String, Int32)] {
    // Whoever is fast hardly ever sees that a slot was reused too early, and takes the time.
    if bars.withoutGracePeriods {
      return [SK_TORTURE_UDP, SK_TORTURE_UDP, SK_TORTURE_SENDTO].map { ($0, slow, 500) }
    }
    return [
      (SK_TORTURE_UDP, fast, 0), (SK_TORTURE_UDP, fast, 0), (SK_TORTURE_TCP, fast, 100),
      (SK_TORTURE_SENDTO, fast, 100), (SK_TORTURE_UDP, slow, 5000),
      (SK_TORTURE_SENDTO, slow, 5000),
    ]
  }

  var firstError: String { String(cString: sk_torture_first_error(shared)) }

  /// Until there is enough of everything, the time is up, or something went wrong.
  private func watch() {
    let start = sk_milliseconds()
    var totals = sk_torture_totals()
    while !state.stop.load(ordering: .relaxed) {
      sk_sleep(50)
      let time = (sk_milliseconds() - start) / 1000
      sk_torture_totals(shared, &totals)
      if totals.errors > 0 || time >= bars.seconds.upperBound { return }
      if time >= bars.seconds.lowerBound, totals.connects >= bars.connects,
        state.changes.load(ordering: .relaxed) >= bars.changes,
        state.snapshots.load(ordering: .relaxed) >= bars.snapshots
      {
        return
      }
    }
  }

  // MARK: Writing

  private func publish(_ world: TortureWorld, _ version: Int) {
    for backend in 0..<TortureWorld.backends {
      sk_torture_set_owner(
        shared, version, Int32(backend), Int32(world.owners[backend] ?? -1))
    }
    for service in 0..<TortureWorld.services {
      let state =
        !world.isPresent[service]
        ? SK_ABSENT : world.backends(of: service).isEmpty ? SK_EMPTY : SK_SERVING
      sk_torture_set_state(shared, version, Int32(service), state)
    }
  }

  private func write(_ tables: KernelTables, from first: TortureWorld) throws {
    defer { state.stop.store(true, ordering: .sequentiallyConsistent) }
    var random = SeededNumbers(seed: UInt64(bitPattern: Int64(sk_milliseconds())))
    var history = [first]
    var version = 0
    while !state.stop.load(ordering: .relaxed) {
      let old = history[history.count - 1]
      var world = old
      switch version % 32 {
      case 15:
        // A rollback: to what was a while ago, names and all.
        world = history[Int.random(in: 0..<history.count, using: &random)]
      case 31: world.removeAllButStable()
      default:
        for _ in 0..<Self.servicesPerChange {
          world.change(Int.random(in: 0..<TortureWorld.services, using: &random), using: &random)
        }
      }
      let table = try world.table(places)
      version += 1
      publish(world, version)
      let done = version
      state.tables.withLock { tables in
        tables[done] = table
        tables[done - 1000] = nil
      }
      sk_torture_begin(shared, version)
      try tables.commit(tables.prepare(table))
      sk_torture_done(shared, version)
      state.changes.add(world.changes(since: old), ordering: .relaxed)
      history.append(world)
      if history.count > 20 { history.removeFirst() }
    }
  }

  // MARK: Reading

  /// Each snapshot is one of the tables that were in force meanwhile, as a whole.
  private func read(_ tables: KernelTables) throws {
    defer { state.stop.store(true, ordering: .sequentiallyConsistent) }
    while !state.stop.load(ordering: .relaxed) {
      let oldest = sk_torture_done_version(shared)
      let snapshot = try tables.readSnapshot()
      let newest = sk_torture_begun_version(shared)
      if !snapshot.isConsistent {
        state.inconsistent.add(1, ordering: .relaxed)
        continue
      }
      let known = state.tables.withLock { tables in (oldest...newest).compactMap { tables[$0] } }
      try check(
        known.contains(snapshot.table),
        "a reader saw a table that is none of the versions \(oldest) to \(newest)")
      state.snapshots.add(1, ordering: .relaxed)
      sk_sleep(5)
    }
  }
}

/// What the threads share besides the memory of the clients.
private final class TortureState: Sendable {
  let tables = Mutex<[Int: ServiceTable]>([:])
  let changes = Atomic(0)
  let snapshots = Atomic(0)
  /// Writers kept changing the table, and the reader said so.
  let inconsistent = Atomic(0)
  let stop = Atomic(false)
}

/// Everything in it is either constant or meant to be shared.
private struct TortureThreads: @unchecked Sendable {
  let torture: Torture
  init(_ torture: Torture) { self.torture = torture }
}

/// xorshift64*
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }
}

extension sk_torture_totals {
  var connects: UInt { udp + tcp + sendto }
  var errors: UInt { wrong + refused + untranslated + failed }

  var text: String {
    "\(connects) connects (\(udp) UDP, \(tcp) TCP, \(sendto) sendto; \(slow) slowed), "
      + "\(datagrams) seen by servers; rightly refused \(refused_rightly), rightly untranslated "
      + "\(untranslated_rightly), unknown \(unknown); wrong \(wrong), refused \(refused), "
      + "untranslated \(untranslated), failed \(failed)"
  }
}
