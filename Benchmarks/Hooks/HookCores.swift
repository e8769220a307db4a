import Glibc
import HookKit

/// What becomes of one CPU's connects when another one connects too: a cache line that the hit
/// path writes and all CPUs share would show.
struct HookCores {
  struct Case {
    var name: String
    var test: HookCase
  }

  static let cases = [("one socket", HK_CONNECT), ("new sockets", HK_NEW_CONNECT)].map {
    Case(
      name: "two cores, connect4 udp hit, \($0)",
      test: HookCase(name: "two cores, \($0)", kind: $1, to: .service))
  }

  /// Nanoseconds per operation in one round, with one CPU at work and with two.
  struct Round {
    var cpu: [HookVariant: [Double]] = [:]
    var programs: [HookVariant: [Double]] = [:]
  }

  struct Result {
    var name: String
    var variants: [HookVariant]
    var rounds: [Round]

    /// - Parameter cpus: 1 or 2.
    func cpu(_ variant: HookVariant, _ cpus: Int) -> Readings {
      Readings(rounds.map { $0.cpu[variant]?[cpus - 1] ?? 0 })
    }

    func net(_ variant: HookVariant, _ cpus: Int) -> Readings {
      Readings(
        rounds.map {
          ($0.programs[variant]?[cpus - 1] ?? 0) - ($0.programs[.empty]?[cpus - 1] ?? 0)
        })
    }
  }
}

extension HookBench {
  mutating func run(_ pair: HookCores.Case) throws -> HookCores.Result {
    let sets = try load(pair.test.table)
    lookForStrangers()
    defer { lookForStrangers() }
    let variants = pair.test.variants
    var destinations = Destinations(pair.test)
    var traffic: [HookVariant: [hk_traffic]] = [:]
    for variant in variants.reversed() {
      try attached(variant, sets) { bench in
        traffic[variant] = try (0..<2).map { _ in
          try bench.open(pair.test, variant, &destinations)
        }
      }
    }
    var rounds: [HookCores.Round] = []
    for number in 0..<pair.test.rounds(options) {
      var round = HookCores.Round()
      for place in variants.indices {
        let variant = variants[(place + number) % variants.count]
        guard var both = traffic[variant] else { continue }
        try attached(variant, sets) { bench in
          for cpus in 1...2 {
            let (cpu, program) = try bench.measure(pair.test, variant, sets, &both, cpus)
            round.cpu[variant, default: []].append(cpu)
            round.programs[variant, default: []].append(program)
          }
        }
        traffic[variant] = both
      }
      rounds.append(round)
    }
    for variant in variants {
      guard let both = traffic[variant] else { continue }
      try attached(variant, sets) { _ in
        for var one in both { hk_close(&one) }
      }
    }
    withExtendedLifetime(destinations) {}
    return HookCores.Result(name: pair.name, variants: variants, rounds: rounds)
  }

  /// Thread CPU and time of the programs.
  private mutating func measure(
    _ test: HookCase, _ variant: HookVariant, _ sets: HookSets, _ traffic: inout [hk_traffic],
    _ cpus: Int
  ) throws -> (cpu: Double, program: Double) {
    let count = test.count(options)
    let warm = test.warm(options)
    let cpu = try runAtOnce(&traffic, cpus, warm, count)
    guard variant != .none else { return (cpu, 0) }
    let statistics = try Call.check(hk_enable_times(), "turning program statistics on")
    defer { close(statistics) }
    let before = try sets.times(of: variant)
    _ = try runAtOnce(&traffic, cpus, warm, count)
    let after = try sets.times(of: variant)
    let spent = zip(after, before).reduce(0) { $0 + ($1.0.nanoseconds - $1.1.nanoseconds) }
    let ran = zip(after, before).map { $0.runs - $1.runs }.filter { $0 != 0 }
    // Without a clock in between, what warms is counted too.
    let operations = (count + warm) * cpus
    guard ran.allSatisfy({ $0 == operations }) else {
      throw Wrong(what: "programs ran \(ran) times in \(operations) operations")
    }
    return (cpu, Double(spent) / Double(operations))
  }

  private mutating func runAtOnce(
    _ traffic: inout [hk_traffic], _ cpus: Int, _ warm: Int, _ count: Int
  ) throws -> Double {
    var spent = [Int64](repeating: 0, count: cpus)
    let result = hk_run_at_once(
      &servers, &traffic, Int32(cpus), Int32(warm), Int32(count), &spent)
    if result < 0 { throw Self.failure(result) }
    return Double(spent.reduce(0, +)) / Double(count * cpus)
  }
}
