import BPFLoader
import CServiceABI
import Glibc
import HookKit
import ServiceDataplane
import ServiceMaps
import SocketKit

/// The process that measures: in namespaces and a cgroup of its own.
struct HookBench {
  let options: HookOptions
  private let clients: String
  private let pin: String
  /// Programs of all variants with one table in their maps.
  private(set) var sets: HookSets?
  private var loaded: HookTable?
  /// Of socklb's maps of this table.
  private var reader: HookReader?
  /// socklb's counters, of both families.
  private var counters: [RawMap] = []
  var servers = hk_servers()
  private var notesSoFar: [String] = []
  private var looksWithStrangers = 0

  /// - Parameter inside: a bpffs is mounted in its directory.
  init(_ options: HookOptions, _ inside: Enclosure) throws {
    self.options = options
    clients = inside.clients
    pin = inside.directory + "/socklb"
    try Call.check(sk_die_with_parent(), "prctl")
    try Call.check(sk_new_namespaces(), "entering namespaces of its own")
    try Call.check(sk_loopback_up(), "setting up the loopback interface")
    for (address, prefix) in [("10.0.0.1", 8), ("fd00:8::1", 128)] {
      try Call.check(sk_add_address(address, Int32(prefix)), "adding \(address)")
    }
    try Call.check(hk_own_addresses(), "making all addresses of the servers its own")
    // The kernel makes an IPv6 address usable a moment after it was added.
    sk_sleep(20)
    try Call.check(sk_mount_bpf(inside.directory), "mounting a bpffs")
    // Sockets belong to the cgroup they were made in, so servers pay for no programs.
    try Enclosure.join(inside.servers)
    if case let result = hk_start_servers(&servers), result < 0 { throw Self.failure(result) }
    try Enclosure.join(inside.clients)
    if case let others = try HookSets.count(effectiveOn: clients), others > 0 {
      notesSoFar.append("\(others) programs of cgroups above run in all variants")
    }
  }

  static func failure(_ result: some BinaryInteger) -> Wrong {
    Wrong(what: "\(String(cString: hk_failed_step())): errno \(-Int(result))")
  }

  // MARK: Tables

  /// Makes programs and maps of every variant for this table; those of another one go.
  mutating func load(_ table: HookTable) throws -> HookSets {
    if let sets, loaded == table { return sets }
    sets = nil
    loaded = nil
    counters = []
    reader = nil
    let services = try table.serviceTable()
    _ = try Dataplane.attach(
      pin: pin, cgroups: [Cgroup(path: clients)], capacities: table.capacities(for: services),
      instance: .random()
    ) { tables throws(DataplaneError) in
      try tables.prepare(services)
    }
    // Maps and programs stay, because they are open here.
    defer { _ = try? Dataplane.detach(pin: pin) }
    counters = try ["counters4", "counters6"].map {
      RawMap(try BPFMap(pinned: "\(pin)/maps/\($0)"), isPerCPU: true)
    }
    reader = try HookReader(pin: pin)
    let made = try HookSets(attachedTo: clients, table: table)
    sets = made
    loaded = table
    return made
  }

  /// How many connects and datagrams socklb counted as translated.
  func translated() throws -> UInt64 {
    let offset = MemoryLayout<svc_counters>.offset(of: \.translated) ?? 0
    var sum: UInt64 = 0
    for map in counters {
      try map.forEachBatch { _, values, _ in
        for start in stride(from: 0, to: values.count, by: map.valueStride) {
          sum += values.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: start + offset, as: UInt64.self)
          }
        }
      }
    }
    return sum
  }

  // MARK: One case

  mutating func run(_ test: HookCase, rounds count: Int) throws -> HookResult {
    let sets = try load(test.table)
    lookForStrangers()
    defer { lookForStrangers() }
    var destinations = Destinations(test)
    var traffic: [HookVariant: hk_traffic] = [:]
    // Ours first: where one socket stays with one backend, the others go to the same.
    for variant in test.variants.reversed() {
      try attached(variant, sets) { bench in
        traffic[variant] = try bench.open(test, variant, &destinations)
      }
    }
    var rounds: [HookRound] = []
    for number in 0..<count {
      var round = HookRound()
      // Nobody always comes first.
      for place in test.variants.indices {
        let variant = test.variants[(place + number) % test.variants.count]
        guard var one = traffic[variant] else { continue }
        do {
          try attached(variant, sets) {
            try $0.measure(test, variant, sets, &one, into: &round)
          }
        } catch let error as Wrong {
          throw Wrong(what: "\(test.name), \(variant), round \(number): \(error.what)")
        }
        traffic[variant] = one
      }
      rounds.append(round)
    }
    for variant in test.variants {
      guard var one = traffic[variant] else { continue }
      try attached(variant, sets) { _ in hk_close(&one) }
    }
    withExtendedLifetime(destinations) {}
    return HookResult(test: test, rounds: rounds)
  }

  mutating func attached(
    _ variant: HookVariant, _ sets: HookSets, _ body: (inout HookBench) throws -> Void
  ) throws {
    try sets.attach(variant)
    defer { sets.detach(variant) }
    guard variant == .traced else { return try body(&self) }
    guard let reader else { throw Wrong(what: "there is no reader of the trace") }
    try reader.listen { try body(&self) }
  }

  // MARK: Notes

  /// Asked before and after each case.
  mutating func lookForStrangers() {
    if let sets, sets.strangers > 0 { looksWithStrangers += 1 }
  }

  var notes: [String] {
    guard looksWithStrangers > 0 else { return notesSoFar }
    return notesSoFar + [
      "\(looksWithStrangers) times others had programs on such hooks: \"none\" then has the cost of "
        + "the kernel's look at them"
    ]
  }

  mutating func note(_ text: String) {
    if !notesSoFar.contains(text) { notesSoFar.append(text) }
  }
}
