import Glibc
import HookKit
import ServiceDataplane
import SocketKit

struct HookOptions {
  var rounds = 15
  var count = 2000
  var names: [String] = []
  var format = "text"
  /// A file for the readings.
  var tsv: String?
  /// Directory and cgroup, in the process that measures.
  var inside: (directory: String, cgroup: String)?

  static let usage = """
    usage: socklb-bench hooks [--rounds N] [--count N] [--case TEXT]… [-o FORMAT] [--tsv FILE]

      --rounds N     how often everything is measured (15)
      --count N      operations in one reading (2000)
      --case TEXT    only cases with this in their name; several: any of them
      -o FORMAT      text, json or markdown
      --tsv FILE     writes case, variant, measure, median, low and high there too
    """

  init(_ arguments: some Sequence<String>) throws {
    var rest = Array(arguments)[...]
    func value() throws -> String {
      guard let value = rest.popFirst() else { throw Wrong(what: Self.usage) }
      return value
    }
    func number(_ range: ClosedRange<Int>) throws -> Int {
      guard let number = Int(try value()), range.contains(number) else {
        throw Wrong(what: Self.usage)
      }
      return number
    }
    while let option = rest.popFirst() {
      switch option {
      case "--rounds": rounds = try number(1...1000)
      case "--count": count = try number(1...100_000)
      case "--case": names.append(try value())
      case "-o": format = try value()
      case "--tsv": tsv = try value()
      case "--help": throw Wrong(what: Self.usage)
      case "--inside": inside = (try value(), try value())
      default: throw Wrong(what: Self.usage)
      }
    }
    guard !cases.isEmpty || !cores.isEmpty else {
      let names = HookCase.all.map(\.name) + HookCores.cases.map(\.name)
      throw Wrong(what: "the cases are:\n" + names.joined(separator: "\n"))
    }
    guard ["text", "json", "markdown"].contains(format) else { throw Wrong(what: Self.usage) }
  }

  private func isWanted(_ name: String) -> Bool {
    names.isEmpty || names.contains { name.contains($0) }
  }

  var cases: [HookCase] { HookCase.all.filter { isWanted($0.name) } }
  var cores: [HookCores.Case] { HookCores.cases.filter { isWanted($0.name) } }
}

/// What each hook costs in the kernel.
enum Hooks {
  static func run(_ arguments: some Sequence<String>) throws -> Int32 {
    let arguments = Array(arguments)
    let options = try HookOptions(arguments)
    guard let inside = options.inside else { return try outside(arguments) }
    var bench = try HookBench(options, directory: inside.directory, cgroup: inside.cgroup)
    let cases = options.cases
    var results: [Int: HookResult] = [:]
    var cores: [HookCores.Result] = []
    for visit in visits(options) {
      for pass in visit.passes {
        for (index, test) in cases.enumerated() where test.table == visit.table {
          let rounds = test.rounds(options)
          let share = rounds * (pass + 1) / visit.ofPasses - rounds * pass / visit.ofPasses
          let result = try bench.run(test, rounds: share)
          results[index, default: HookResult(test: test, rounds: [])].rounds += result.rounds
        }
      }
      guard visit.table == HookTable(), visit.passes.contains(0), !options.cores.isEmpty else {
        continue
      }
      guard hk_cpus() > 1 else {
        bench.note("two cores at once were not tried: there is only one")
        continue
      }
      cores = try options.cores.map { try bench.run($0) }
    }
    let report = HookReport(
      options: options, results: cases.indices.compactMap { results[$0] }, cores: cores,
      notes: bench.notes)
    if let file = options.tsv { try report.write(to: file) }
    try StandardStreams.write(Array(report.rendered.utf8), to: .output)
    return 0
  }

  /// Some passes over the cases of one table, of as many as there will be.
  private struct Visit {
    var table: HookTable
    var passes: Range<Int>
    var ofPasses: Int
  }

  /// All cases of one table come after each other, so that it is made once. But the machine is
  /// faster for some minutes than for others, so each case gets its rounds in several passes, and
  /// the small table, which others are compared with, a part of them at the end.
  private static func visits(_ options: HookOptions) -> [Visit] {
    var tables = options.cores.isEmpty ? [] : [HookTable()]
    for test in options.cases where !tables.contains(test.table) { tables.append(test.table) }
    let returns = tables.count > 1 && tables.first == HookTable()
    var visits = tables.map { table in
      Visit(table: table, passes: 0..<2, ofPasses: returns && table == HookTable() ? 4 : 2)
    }
    if returns { visits.append(Visit(table: HookTable(), passes: 2..<4, ofPasses: 4)) }
    return visits
  }

  /// Makes cgroup and directory, measures in another process, and removes them whatever happens.
  private static func outside(_ arguments: [String]) throws -> Int32 {
    let cgroup = try Cgroup.root().path + "/socklb-bench-\(getpid())"
    var template = Array("/tmp/socklb-bench.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Wrong(what: "no temporary directory") }
    let directory = String(
      decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    let cgroups = [cgroup, cgroup + "/servers", cgroup + "/clients"]
    sk_catch_signals()
    defer {
      for path in cgroups.reversed() { remove(path) }
      rmdir(directory)
    }
    for path in cgroups where mkdir(path, 0o755) != 0 {
      throw Wrong(what: "mkdir \(path): errno \(errno)")
    }
    let command = ["/proc/self/exe", "hooks"] + arguments + ["--inside", directory, cgroup]
    var copies: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    copies.append(nil)
    defer { for copy in copies { free(copy) } }
    let child = try Call.check(sk_spawn(copies, 0, 1, 2), "starting the measuring process")
    for _ in 0..<6000 {
      let code = sk_wait_child(child, 100)
      if code != -EAGAIN { return code }
      if sk_caught_signal() != 0 { break }
    }
    kill(child, SIGKILL)
    _ = sk_wait_child(child, 5000)
    return 1
  }

  /// A process that was killed leaves its cgroup a moment later.
  private static func remove(_ cgroup: String) {
    for _ in 0..<500 where rmdir(cgroup) != 0 && errno == EBUSY { sk_sleep(10) }
  }
}

extension HookReport {
  fileprivate func write(to file: String) throws {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    defer { close(descriptor) }
    var rest = Array(tsv.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard descriptor >= 0, written > 0 else { throw Wrong(what: "\(file): errno \(errno)") }
      rest = rest.dropFirst(written)
    }
  }
}
