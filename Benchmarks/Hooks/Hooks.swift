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
  /// In the process that measures.
  var inside: Enclosure?

  static let usage = """
    usage: socklb-bench hooks [--rounds N] [--count N] [--case TEXT]… [-o FORMAT] [--tsv FILE]

      --rounds N     how often everything is measured (15)
      --count N      operations in one reading (2000)
      --case TEXT    only cases with this in their name; several: any of them
      -o FORMAT      text, json or markdown
      --tsv FILE     writes case, variant, measure, median, low and high there too
    """

  init(_ arguments: some Sequence<String>) throws {
    var rest = Options(arguments, usage: Self.usage)
    while let option = rest.next() {
      switch option {
      case "--rounds": rounds = try rest.number(1...1000)
      case "--count": count = try rest.number(1...100_000)
      case "--case": names.append(try rest.value())
      case "-o": format = try rest.value()
      case "--tsv": tsv = try rest.value()
      case "--help": throw Wrong(what: Self.usage)
      case "--inside": inside = Enclosure(directory: try rest.value(), cgroup: try rest.value())
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
    guard let inside = options.inside else {
      return try Enclosure.run(["hooks"] + arguments, seconds: 600)
    }
    var bench = try HookBench(options, inside)
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
