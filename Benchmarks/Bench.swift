import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import Synchronization

/// What scripts/bench.sh runs.
///
///     socklb-bench generate SERVICES ENDPOINTS           manifests to standard output
///     socklb-bench stages FILE                           the stages of apply, in memory
///     socklb-bench fill PIN SERVICES ENDPOINTS           a computed table into the kernel
///     socklb-bench change PIN SERVICES ENDPOINTS ROUNDS  one endpoint at a time, after fill
///     socklb-bench memory PIN                            what the maps take in the kernel
///     socklb-bench hooks [OPTIONS]                       what each hook costs; see Hooks/
///     socklb-bench plot KIND FILE.tsv [OPTIONS]          draws results as SVG; see Plot/
///     socklb-bench paths [OPTIONS]                       what an application sees; see Paths/
@main
struct Bench {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "hooks": exit(report { try Hooks.run(arguments.dropFirst()) })
    case "paths": exit(report { try Paths.run(arguments.dropFirst()) })
    case "plot":
      exit(
        report {
          try Plot.run(arguments.dropFirst())
          return 0
        })
    default: break
    }
    let numbers = arguments.compactMap { Int($0) }
    switch (arguments.first, numbers.count) {
    case ("generate", 2):
      let text = Generate.manifests(services: numbers[0], endpoints: numbers[1])
      try StandardStreams.write(Array(text.utf8), to: .output)
    case ("stages", _):
      try Stages.run(file: Array(arguments)[1])
    case ("memory", _):
      try Memory.run(pin: Array(arguments)[1])
    case ("fill", 2):
      try Fill.run(pin: Array(arguments)[1], services: numbers[0], endpoints: numbers[1])
    case ("change", 3):
      try Fill.change(
        pin: Array(arguments)[1], services: numbers[0], endpoints: numbers[1], rounds: numbers[2])
    default:
      print("usage: see Benchmarks/Bench.swift")
    }
  }

  private static func report(_ body: () throws -> Int32) -> Int32 {
    do { return try body() } catch {
      let text = (error as? Wrong)?.what ?? "\(error)"
      try? StandardStreams.write(Array("socklb-bench: \(text)\n".utf8), to: .error)
      return 1
    }
  }

  /// Runs `body` and prints how long it took.
  static func time<T>(_ name: String, _ body: () throws -> T) rethrows -> T {
    let clock = ContinuousClock()
    let start = clock.now
    let result = try body()
    print("\(name)\t\(milliseconds(clock.now - start))")
    return result
  }

  static func milliseconds(_ duration: Duration) -> String {
    let microseconds =
      duration.components.seconds * 1_000_000
      + duration.components.attoseconds / 1_000_000_000_000
    return "\(microseconds / 1000).\(microseconds % 1000 / 100) ms"
  }
}

enum Fill {
  static func run(pin: String, services: Int, endpoints: Int) throws {
    let table = Generate.table(services: services, endpoints: endpoints)
    let tables = try Bench.time("grow") {
      let dataplane = try Dataplane(pin: pin)
      let limits = Capacities(
        services: services, frontends: max(services, 262_144),
        backends: max(services * endpoints, 1_048_576))
      let wanted = dataplane.tables.capacities.grown(for: table, within: limits)
      return try (wanted == dataplane.tables.capacities ? dataplane : dataplane.grow(to: wanted))
        .tables
    }
    let prepared = try Bench.time("plan") { try tables.prepare(table) }
    try Bench.time("write") { try tables.commit(prepared) }
    let read = try Bench.time("read back") { try tables.readSnapshot().table }
    guard read == table else { throw Wrong(what: "the kernel holds another table") }
    let json = Bench.time("render JSON") { TableDump(read).render(.frontends, as: .json) }
    print("JSON\t\(json.count / 1_000_000) MB")
  }

  /// One endpoint leaves a Service and comes back; each change on its own, as a process that
  /// follows a cluster makes them.
  static func change(pin: String, services: Int, endpoints: Int, rounds: Int) throws {
    let tables = try Dataplane(pin: pin).tables
    let table = Generate.table(services: services, endpoints: endpoints)
    var resident = try Bench.time("read the table") { try ResidentTable(tables) }
    guard try resident.table() == table else { throw Wrong(what: "the kernel holds another table") }
    let clock = ContinuousClock()
    let isMarked = getenv("SOCKLB_BENCH_MARK") != nil
    for round in 0..<rounds {
      let whole = table.frontends[round * 7919 % table.frontends.count]
      var less = whole
      less.backends.remove(at: round % max(whole.backends.count, 1))
      for frontend in [less, whole] {
        let change = TableChange(services: [frontend.service], frontends: [frontend])
        // For who counts stores, and system calls with strace: the mark is one that nothing else makes.
        if isMarked {
          StoreTrap.bytes.store(0, ordering: .relaxed)
          StoreTrap.countdown.store(.max, ordering: .relaxed)
          _ = getppid()
        }
        let start = clock.now
        try resident.change(change)
        let visible = clock.now
        if isMarked {
          _ = getppid()
          let left = StoreTrap.countdown.exchange(0, ordering: .relaxed)
          print("stores\t\(Int.max - left)\t\(StoreTrap.bytes.load(ordering: .relaxed))")
        }
        try resident.settle()
        let settled = clock.now
        print("change\t\(microseconds(visible - start)) us\t\(microseconds(settled - visible)) us")
      }
    }
    guard try tables.readSnapshot().table == table else {
      throw Wrong(what: "the kernel holds another table")
    }
  }

  private static func microseconds(_ duration: Duration) -> String {
    let nanoseconds =
      duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    return "\(nanoseconds / 1000).\(nanoseconds % 1000 / 100)"
  }
}

struct Wrong: Error {
  var what: String
}
