import Glibc
import ServiceDataplane
import ServiceMaps

/// What scripts/bench.sh runs.
///
///     socklb-bench generate SERVICES ENDPOINTS           manifests to standard output
///     socklb-bench stages FILE                           the stages of apply, in memory
///     socklb-bench fill PIN SERVICES ENDPOINTS           a computed table into the kernel
///     socklb-bench change PIN SERVICES ENDPOINTS ROUNDS  one endpoint at a time, after fill
///     socklb-bench hooks [OPTIONS]                       what each hook costs; see Hooks/
///     socklb-bench paths [OPTIONS]                       what an application sees; see Paths/
@main
struct Bench {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    if arguments.first == "hooks" { exit(hooks(arguments.dropFirst())) }
    if arguments.first == "paths" { exit(paths(arguments.dropFirst())) }
    let numbers = arguments.compactMap { Int($0) }
    switch (arguments.first, numbers.count) {
    case ("generate", 2):
      let text = Generate.manifests(services: numbers[0], endpoints: numbers[1])
      try StandardStreams.write(Array(text.utf8), to: .output)
    case ("stages", _):
      try Stages.run(file: Array(arguments)[1])
    case ("fill", 2):
      try Fill.run(pin: Array(arguments)[1], services: numbers[0], endpoints: numbers[1])
    case ("change", 3):
      try Fill.change(
        pin: Array(arguments)[1], services: numbers[0], endpoints: numbers[1], rounds: numbers[2])
    default:
      print("usage: see Benchmarks/Bench.swift")
    }
  }

  private static func hooks(_ arguments: some Sequence<String>) -> Int32 {
    do { return try Hooks.run(arguments) } catch {
      let text = (error as? Wrong)?.what ?? "\(error)"
      try? StandardStreams.write(Array("socklb-bench: \(text)\n".utf8), to: .error)
      return 1
    }
  }

  private static func paths(_ arguments: some Sequence<String>) -> Int32 {
    do { return try Paths.run(arguments) } catch {
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
    let tables = try Dataplane(pin: pin).tables
    let table = Generate.table(services: services, endpoints: endpoints)
    let prepared = try Bench.time("plan") { try tables.prepare(table) }
    try Bench.time("write") { try tables.commit(prepared) }
    let read = try Bench.time("read back") { try tables.readSnapshot().table }
    guard read == table else { throw Wrong(what: "the kernel holds another table") }
    let json = Bench.time("render JSON") { TableDump(read).render(.frontends, as: .json) }
    print("JSON\t\(json.count / 1_000_000) MB")
  }

  static func change(pin: String, services: Int, endpoints: Int, rounds: Int) throws {
    let tables = try Dataplane(pin: pin).tables
    let table = Generate.table(services: services, endpoints: endpoints)
    for round in 0..<rounds {
      var frontends = table.frontends
      let one = round * 7919 % frontends.count
      frontends[one].backends.removeLast()
      let prepared = try Bench.time("plan one change") {
        try tables.prepare(ServiceTable(frontends: frontends))
      }
      try Bench.time("write one change") { try tables.commit(prepared) }
    }
    try tables.commit(tables.prepare(table))
  }
}

struct Wrong: Error {
  var what: String
}
