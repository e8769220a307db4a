import Glibc
import HookKit

extension HookBench {
  /// Where the traffic of a case goes.
  struct Destinations {
    var vips: HookDestinations
    var backends: HookDestinations
    var stranger: HookDestinations
    /// The service of each VIP.
    var services: [Int]

    init(_ test: HookCase) {
      let table = test.table
      services =
        test.to == .services ? HookPlaces.shuffled(table.services) : [table.services / 2 + 1]
      vips = HookDestinations(services.map { HookPlaces.vip($0, test.mode) })
      stranger = HookDestinations([HookPlaces.stranger(test.mode)])
      backends =
        test.to == .services
        ? HookDestinations(
          services.enumerated().map { index, service in
            HookPlaces.backend(service, index % HookPlaces.endpoints, test.mode)
          })
        : HookDestinations(
          (0..<HookPlaces.endpoints).map { [services] in
            HookPlaces.backend(services[0], $0, test.mode)
          })
    }
  }

  /// Makes the sockets, and asserts that the traffic goes where it should.
  mutating func open(
    _ test: HookCase, _ variant: HookVariant, _ destinations: inout Destinations
  ) throws -> hk_traffic {
    let service = variant.translates ? destinations.vips : destinations.backends
    let to =
      switch test.to {
      case .stranger: destinations.stranger
      case .pod: destinations.backends
      case .service, .services: service
      }
    var traffic = hk_traffic()
    traffic.kind = test.kind
    traffic.two_way = variant.isTwoWay ? 1 : 0
    if test.usedService { traffic.before = UnsafePointer(service.places) }
    // Some of the destinations, and last the first one, because a socket stays open there.
    let step = max(to.count / 64, 1)
    for index in stride(from: 0, to: to.count, by: step).reversed() {
      traffic.to = UnsafePointer(to.places + index)
      traffic.to_count = Int32(to.count - index)
      let result = hk_open(&servers, &traffic)
      guard result >= 0 else {
        throw Wrong(what: "\(test.name), \(variant): \(Self.failure(result).what)")
      }
      try check(traffic.reached, test, variant, destinations, index)
      if index > 0 { hk_close(&traffic) }
    }
    if variant == .ours && test.isOneSocket && test.to.isService {
      destinations.backends = HookDestinations(Self.asWritten(traffic.reached, test.mode))
    }
    let times = 64
    guard variant == .ours else {
      try run(&traffic, times)
      return traffic
    }
    let before = try translated()
    try run(&traffic, times)
    let counted = try translated() - before
    let connects = test.kind == HK_AFTER_CONNECT ? times : 0
    let expected = test.isCounted && test.to.isService ? times : connects
    guard counted == expected else {
      throw Wrong(what: "\(test.name): \(counted) translations counted, not \(expected)")
    }
    return traffic
  }

  /// A place as a client of this mode writes it.
  private static func asWritten(_ reached: hk_place, _ mode: HookCase.Mode) -> hk_place {
    guard mode == .mapped else { return reached }
    let address = UInt32(bigEndian: reached.in.sin_addr.s_addr)
    return HookAddress(mode: mode, low: UInt64(address), port: Int(HK_PORT)).place
  }

  /// Throws unless it came to a backend of the service that was asked for, or to the stranger.
  private func check(
    _ reached: hk_place, _ test: HookCase, _ variant: HookVariant, _ destinations: Destinations,
    _ index: Int
  ) throws {
    let service = destinations.services[test.to == .services ? index : 0]
    let right =
      test.to == .stranger
      ? [HookPlaces.stranger(test.mode)]
      : (0..<HookPlaces.endpoints).map { HookPlaces.backend(service, $0, test.mode) }
    let isRight = right.contains { address in
      withUnsafePointer(to: HookPlaces.reached(address)) { wanted in
        withUnsafePointer(to: reached) { hk_same_place(wanted, $0) != 0 }
      }
    }
    guard isRight else {
      throw Wrong(what: "\(test.name), \(variant): it came to somebody who was not asked for")
    }
  }

  @discardableResult
  private mutating func run(_ traffic: inout hk_traffic, _ times: Int) throws -> Double {
    let spent = hk_run(&servers, &traffic, Int32(times))
    if spent < 0 { throw Self.failure(spent) }
    return Double(spent) / Double(times)
  }

  mutating func measure(
    _ test: HookCase, _ variant: HookVariant, _ sets: HookSets, _ traffic: inout hk_traffic,
    into round: inout HookRound
  ) throws {
    let count = test.count(options)
    let isUndisturbed = hk_undisturbed(1) == 0
    defer { _ = hk_undisturbed(0) }
    if !isUndisturbed { note("no real-time priority: other processes came between") }
    traffic.check = 1
    try run(&traffic, test.warm(options))
    traffic.check = 0
    let idle = try sets.times(of: variant).map(\.runs)
    round.cpu[variant] = try run(&traffic, count)
    if try sets.times(of: variant).map(\.runs) != idle {
      note("somebody else keeps program statistics on: thread CPU has the cost of that")
    }
    guard variant != .none else { return }

    let statistics = try Call.check(hk_enable_times(), "turning program statistics on")
    defer { close(statistics) }
    try run(&traffic, test.warm(options))
    let before = try sets.times(of: variant)
    var aside = [hk_times](repeating: hk_times(), count: before.count)
    let programs = sets.programs(of: variant)
    try programs.withUnsafeBufferPointer { programs in
      try aside.withUnsafeMutableBufferPointer { aside in
        traffic.watched = programs.baseAddress
        traffic.watched_count = Int32(programs.count)
        traffic.aside = aside.baseAddress
        defer {
          traffic.watched = nil
          traffic.aside = nil
        }
        try run(&traffic, count)
      }
    }
    let after = try sets.times(of: variant)
    var each: [String: Double] = [:]
    for (index, hook) in sets.hooks(of: variant).enumerated() {
      let runs = after[index].runs &- before[index].runs &- aside[index].runs
      let spent = after[index].nanoseconds &- before[index].nanoseconds &- aside[index].nanoseconds
      if runs == 0 { continue }
      // A hook runs once in an operation or not at all, and for nobody else.
      guard runs == count else {
        throw Wrong(what: "\(hook) ran \(runs) times in \(count) operations")
      }
      each[hook] = Double(spent) / Double(count)
    }
    round.programs[variant] = each
  }
}
