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

  private struct Outcome {
    var drifts: [Drift]
    var image: KernelTables.Image
  }

  func run() throws {
    try common.run {
      if repair { try Capabilities.checkWriting() }
      let dataplane = try Dataplane(pin: common.pin)
      try dataplane.checkLayout()
      try common.stateDirectory.checkOwner(of: dataplane)
      let found = try compare(dataplane)
      if !found.image.isConsistent {
        Output.message("warning: a writer was at work all the time, or was killed at work")
      }
      var left = found.drifts
      if repair && !found.drifts.isEmpty { left = try mend().drifts }
      try say(found, left: left)
      if !left.isEmpty { throw Exit.failure }
    }
  }

  /// What differs, at one point in time: neither maps nor state changed meanwhile, and no change
  /// was half made.
  private func compare(_ dataplane: Dataplane) throws -> Outcome {
    let state = common.stateDirectory
    var seen: (StateDirectory.ObjectsOnDisk?, [String: String])?
    var table: ServiceTable?
    let image = try dataplane.tables.readImage { () throws(DataplaneError) in
      let now = (try state.objectsOnDisk(), try state.readSettings())
      let isPending = try state.readPending() != nil
      let isSettled = !isPending && seen.map { $0 == now } == true
      if !isSettled || table == nil {
        seen = now
        table = try Recomputed(state).table
      }
      return isSettled
    }
    let wanted = try table ?? Recomputed(state).table
    var drifts = MapCheck.drift(of: image.maps, from: wanted)
    if let pending = try state.readPending(), !image.isConsistent {
      drifts.insert(
        Drift(
          map: "state", object: "\(pending.entry.command)", found: "a change that was begun",
          expected: "none: its writer is at work, or was killed"), at: 0)
    }
    drifts += try dataplane.missingHooks().map {
      Drift(
        map: "programs", object: "-", found: $0,
        expected: "every hook: `socklb attach` attaches what is missing")
    }
    return Outcome(drifts: drifts, image: image)
  }

  /// - Returns: what is left.
  private func mend() throws -> Outcome {
    // It finishes a change that was interrupted.
    let session = try WriteSession(common)
    defer { withExtendedLifetime(session.lock) {} }
    let table = try Recomputed(common.stateDirectory).table
    try session.dataplane.tables.repair(table)
    _ = try session.dataplane.tables.refreshSources(for: table)
    let ended = try session.dataplane.endLostSockets()
    for line in ended.lines + ended.warnings { Output.message(line) }
    return try compare(session.dataplane)
  }

  private func say(_ found: Outcome, left: [Drift]) throws {
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
    var lines = found.drifts.map(\.description)
    lines.append(
      found.drifts.isEmpty
        ? "no difference" : "\(found.drifts.count) difference\(found.drifts.count == 1 ? "" : "s")")
    if repair && !found.drifts.isEmpty {
      lines += left.map { "left: \($0)" }
      lines.append(left.isEmpty ? "repaired" : "\(left.count) left")
    }
    try Output.data(Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}

extension Drift {
  var facts: Facts {
    .members([
      ("map", .text(map)), ("object", .text(object)), ("found", .text(found)),
      ("expected", .text(expected)),
    ])
  }
}
