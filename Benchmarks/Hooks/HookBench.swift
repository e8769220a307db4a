import Glibc
import HookKit
import ServiceDataplane
import ServiceMaps
import SocketKit

/// The process that measures: in namespaces and a cgroup of its own.
struct HookBench {
  private let options: HookOptions
  private let tables: KernelTables
  private var programs: HookPrograms
  private var servers = hk_servers()
  private var notesSoFar: [String] = []
  private var looksWithStrangers = 0

  /// - Parameters:
  ///   - directory: empty; a bpffs is mounted in it.
  ///   - cgroup: has `servers` and `clients` below it, and no processes.
  init(_ options: HookOptions, directory: String, cgroup: String) throws {
    self.options = options
    try Call.check(sk_die_with_parent(), "prctl")
    try Call.check(sk_new_namespaces(), "entering namespaces of its own")
    try Call.check(sk_loopback_up(), "setting up the loopback interface")
    for number in 1...Int(HK_SERVERS) {
      for (mode, prefix) in [(HookCase.Mode.v4, 32), (.v6, 128)] {
        let address = HookPlaces.server(number, mode).address
        try Call.check(sk_add_address(address, Int32(prefix)), "adding \(address)")
      }
    }
    // The kernel makes an IPv6 address usable a moment after it was added.
    sk_sleep(20)
    try Call.check(sk_mount_bpf(directory), "mounting a bpffs")
    // Sockets belong to the cgroup they were made in, so servers pay for no programs.
    try Self.join(cgroup + "/servers")
    if case let result = hk_start_servers(&servers), result < 0 { throw Self.failure(result) }
    let clients = cgroup + "/clients"
    try Self.join(clients)
    if case let others = try HookPrograms.count(effectiveOn: clients), others > 0 {
      notesSoFar.append("\(others) programs of cgroups above run in all variants")
    }

    let table = try HookPlaces.table(services: options.services)
    let pin = directory + "/socklb"
    let dataplane = try Dataplane.attach(
      pin: pin, cgroups: [Cgroup(path: clients)], capacities: Capacities(), instance: .random()
    ) { tables throws(DataplaneError) in
      try tables.prepare(table)
    }
    tables = dataplane.tables
    programs = try HookPrograms(attachedTo: clients)
    // The maps and programs stay, because they are open here.
    _ = try Dataplane.detach(pin: pin)
  }

  private static func join(_ cgroup: String) throws {
    let file = Glibc.open(cgroup + "/cgroup.procs", O_WRONLY | O_CLOEXEC)
    defer { close(file) }
    guard file >= 0, write(file, "0", 1) == 1 else {
      throw Wrong(what: "joining \(cgroup): errno \(errno)")
    }
  }

  private static func failure(_ result: some BinaryInteger) -> Wrong {
    Wrong(what: "\(String(cString: hk_failed_step())): errno \(-Int(result))")
  }

  // MARK: One case

  mutating func run(_ test: HookCase) throws -> HookResult {
    lookForStrangers()
    defer { lookForStrangers() }
    if test.services > options.services { try fill(test.services) }
    defer { if test.services > options.services { try? fill(options.services) } }
    var destinations = Destinations(
      vips: try HookDestinations((1...test.services).map { HookPlaces.vip($0, test.mode) }),
      backends: try HookDestinations(
        (1...HookPlaces.backends).map { HookPlaces.server($0, test.mode) }),
      stranger: try HookDestinations([HookPlaces.server(HookPlaces.strangerNumber, test.mode)]))
    var traffic: [HookVariant: hk_traffic] = [:]
    // Ours first: where one socket stays with one backend, the others go to the same.
    for variant in HookVariant.allCases.reversed() {
      try attached(variant) { bench in
        traffic[variant] = try bench.open(test, variant, &destinations)
      }
    }
    let count = test.count(options)
    var rounds: [HookRound] = []
    for number in 0..<test.rounds(options) {
      var round = HookRound()
      // Nobody always comes first.
      for place in HookVariant.allCases.indices {
        guard let variant = HookVariant(rawValue: (place + number) % 3) else { continue }
        guard var one = traffic[variant] else { continue }
        do {
          try attached(variant) {
            try $0.measure(variant, &one, count, into: &round)
          }
        } catch let error as Wrong {
          throw Wrong(what: "\(test.name), \(variant), round \(number): \(error.what)")
        }
        traffic[variant] = one
      }
      rounds.append(round)
    }
    for variant in HookVariant.allCases {
      guard var one = traffic[variant] else { continue }
      try attached(variant) { _ in hk_close(&one) }
    }
    withExtendedLifetime(destinations) {}
    return HookResult(test: test, hooks: programs.hooks, rounds: rounds)
  }

  private struct Destinations {
    var vips: HookDestinations
    var backends: HookDestinations
    var stranger: HookDestinations
  }

  private mutating func attached(
    _ variant: HookVariant, _ body: (inout HookBench) throws -> Void
  ) throws {
    try programs.attach(variant)
    defer { programs.detach(variant) }
    try body(&self)
  }

  private func fill(_ services: Int) throws {
    try tables.commit(tables.prepare(HookPlaces.table(services: services)))
  }

  /// Makes the sockets, and asserts that the traffic goes where it should.
  private mutating func open(
    _ test: HookCase, _ variant: HookVariant, _ destinations: inout Destinations
  ) throws -> hk_traffic {
    let isService = test.to.isService
    let service = variant == .ours ? destinations.vips : destinations.backends
    let to =
      switch test.to {
      case .stranger: destinations.stranger
      case .pod: destinations.backends
      case .service, .services: service
      }
    var traffic = hk_traffic()
    traffic.kind = test.kind
    traffic.to = UnsafePointer(to.places)
    traffic.to_count = Int32(to.count)
    if test.usedService { traffic.before = UnsafePointer(service.places) }
    let server = hk_open(&servers, &traffic)
    guard server >= 0 else {
      throw Wrong(what: "\(test.name), \(variant): \(Self.failure(server).what)")
    }
    let isBackend = Int(server) < HookPlaces.backends
    guard isBackend == (test.to != .stranger) else {
      throw Wrong(what: "\(test.name), \(variant): it came to server \(server)")
    }
    if variant == .ours && test.isOneSocket && test.to.isService {
      destinations.backends = try HookDestinations([HookPlaces.server(Int(server) + 1, test.mode)])
    }
    let times = 64
    guard variant == .ours else {
      try run(&traffic, times)
      return traffic
    }
    let before = try translated()
    try run(&traffic, times)
    let counted = try translated() - before
    let expected = isService && test.isCounted ? times : 0
    guard counted == expected else {
      throw Wrong(what: "\(test.name): \(counted) translations counted, not \(expected)")
    }
    return traffic
  }

  private func translated() throws -> UInt64 {
    try tables.readSnapshot(withCounters: true).counters.values.reduce(0) { $0 + $1.translated }
  }

  // MARK: Readings

  @discardableResult
  private mutating func run(_ traffic: inout hk_traffic, _ times: Int) throws -> Double {
    let spent = hk_run(&servers, &traffic, Int32(times))
    if spent < 0 { throw Self.failure(spent) }
    return Double(spent) / Double(times)
  }

  private mutating func measure(
    _ variant: HookVariant, _ traffic: inout hk_traffic, _ count: Int,
    into round: inout HookRound
  ) throws {
    let isUndisturbed = hk_undisturbed(1) == 0
    defer { _ = hk_undisturbed(0) }
    if !isUndisturbed { note("no real-time priority: other processes came between") }
    traffic.check = 1
    try run(&traffic, max(count / 8, 64))
    traffic.check = 0
    let idle = try programs.times(of: variant).map(\.runs)
    round.cpu[variant] = try run(&traffic, count)
    let before = try programs.times(of: variant)
    if before.map(\.runs) != idle {
      note("somebody else keeps program statistics on: thread CPU has the cost of that")
    }
    guard variant != .none else { return }

    let statistics = try Call.check(hk_enable_times(), "turning program statistics on")
    defer { close(statistics) }
    try run(&traffic, count)
    let times = zip(try programs.times(of: variant), before).map { after, before in
      hk_times(
        nanoseconds: after.nanoseconds - before.nanoseconds, runs: after.runs - before.runs)
    }
    try check(times.map(\.runs), count)
    let each = times.map { Double($0.nanoseconds) / Double(count) }
    if variant == .ours { round.ours = each } else { round.empty = each }
  }

  /// A hook runs once in an operation or not at all, and for nobody else.
  private func check(_ runs: [UInt64], _ count: Int) throws {
    for (hook, ran) in zip(programs.hooks, runs) where ran != 0 {
      guard ran == count else {
        throw Wrong(what: "\(hook) ran \(ran) times in \(count) operations")
      }
    }
  }

  /// Asked before and after each case.
  private mutating func lookForStrangers() { if programs.strangers > 0 { looksWithStrangers += 1 } }

  var notes: [String] {
    guard looksWithStrangers > 0 else { return notesSoFar }
    return notesSoFar + [
      "\(looksWithStrangers) times others had programs on such hooks: \"none\" then has the cost of "
        + "the kernel's look at them"
    ]
  }

  private mutating func note(_ text: String) {
    if !notesSoFar.contains(text) { notesSoFar.append(text) }
  }
}
