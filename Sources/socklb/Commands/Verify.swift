import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare the kernel's maps, entry by entry, with what the known objects ask for.",
    discussion: """
      Computes the table anew from the known objects and says what differs: one line for each \
      entry, with what the kernel has and what it should have; at the end how many there are. \
      Takes no lock. Exit code 0: no difference, 1: differences, or with --repair: some are left.
      """)

  @OptionGroup var common: CommonOptions

  @Flag(
    name: .long,
    help: "Mend what differs, without a moment in which a client finds less than before.")
  var repair = false

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      if repair { try Capabilities.checkWriting() }
      let dataplane = try Dataplane(pin: common.pin)
      try dataplane.checkLayout()
      try common.stateDirectory.checkOwner(of: dataplane)
      let found = try DriftCheck(dataplane, common.stateDirectory)
      if !found.image.isConsistent {
        Output.message("warning: a writer was at work all the time, or was killed at work")
      }
      var left = found.drifts
      if repair && !found.drifts.isEmpty { left = try mend().drifts }
      try say(found, left: left)
      if !left.isEmpty { throw Exit.failure }
    }
  }

  /// - Returns: what is left.
  private func mend() throws -> DriftCheck {
    // It finishes a change that was interrupted.
    let session = try WriteSession(common)
    defer { withExtendedLifetime(session.lock) {} }
    let table = try Recomputed(common.stateDirectory).table
    try session.dataplane.tables.repair(table)
    _ = try session.dataplane.tables.refreshSources(for: table)
    let ended = try session.dataplane.endLostSockets()
    for line in ended.lines + ended.warnings { Output.message(line) }
    return try DriftCheck(session.dataplane, common.stateDirectory, isLocked: true)
  }

  private func say(_ found: DriftCheck, left: [Drift]) throws {
    let repaired = repair && left.isEmpty && !found.drifts.isEmpty
    guard output == .text else {
      let facts = Facts.members([
        ("differences", .list(found.drifts.map(\.facts))), ("repaired", .flag(repaired)),
        ("left", .list(left.map(\.facts))),
        ("generation", .number(found.image.maps.generation / 2)),
        ("consistent", .flag(found.image.isConsistent)),
      ])
      if output == .json {
        try Output.line(facts.json)
      } else {
        try Output.data(Array(facts.yaml.utf8))
      }
      return
    }
    let style = Style.standardOutput
    var lines = found.drifts.map(\.description)
    lines.append(
      found.drifts.isEmpty
        ? style.good("no difference")
        : style.bad("\(found.drifts.count) difference\(found.drifts.count == 1 ? "" : "s")"))
    if repair && !found.drifts.isEmpty {
      lines += left.map { "left: \($0)" }
      lines.append(left.isEmpty ? style.good("repaired") : style.bad("\(left.count) left"))
    }
    try Output.data(Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}
