import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct History: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, wide, json, yaml
  }

  static let configuration = CommandConfiguration(
    abstract: "List the changes that were made, the newest first.",
    discussion: """
      `current` is what is served now; `kept` is what `socklb rollback` can go back to. Reads the \
      state directory and nothing else, and takes no lock.
      """)

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, wide (time, input and objects too), json or yaml.")
  var output: Format = .text

  func run() throws {
    try common.run {
      let state = common.stateDirectory
      let log = try state.readHistory()
      let rows = try HistoryRows(state, log)
      if log.damaged > 0 {
        Output.message(
          "warning: \(log.damaged) line\(log.damaged == 1 ? "" : "s") of the history cannot be "
            + "read and \(log.damaged == 1 ? "is" : "are") passed over")
      }
      if let pending = try state.readPending() {
        Output.message(
          "note: `\(pending.entry.command)` is at work, or was interrupted; the next command that "
            + "changes something finishes it")
      }
      switch output {
      case .text: try Output.data(rows.text(isWide: false))
      case .wide: try Output.data(rows.text(isWide: true))
      case .json: try Output.line(rows.facts.json)
      case .yaml: try Output.data(Array(rows.facts.yaml.utf8))
      }
    }
  }
}

/// The history as it is printed, and as errors list it.
struct HistoryRows {
  private let entries: [(entry: HistoryEntry, state: String)]

  init(_ state: StateDirectory, _ log: HistoryLog) throws(DataplaneError) {
    let kept = try state.keptGenerations()
    let current = try state.objectsOnDisk()?.digest
    entries = log.entries.reversed().enumerated().map { i, entry in
      let isCurrent = i == 0 && entry.objects == current
      return (entry, isCurrent ? "current" : kept.contains(entry.generation) ? "kept" : "-")
    }
  }

  /// `14 (apply, 3m ago), 12 (…)`: what one can go back to.
  var choices: String {
    let now = UTCTime(seconds: WallClock.seconds)
    let kept = entries.filter { $0.state == "kept" }
    return kept.isEmpty
      ? "none"
      : kept.map {
        "\($0.entry.generation) (\($0.entry.command), \($0.entry.time.age(at: now)) ago)"
      }
      .joined(separator: ", ")
  }

  /// For a report.
  var changes: [ReportPage.Change] { entries.map { .init(entry: $0.entry, state: $0.state) } }

  func text(isWide: Bool) -> [UInt8] {
    let now = UTCTime(seconds: WallClock.seconds)
    var table: [[String]] = [
      isWide
        ? [
          "GENERATION", "TIME", "STATE", "COMMAND", "CHANGE", "OBJECTS", "DIGEST", "INPUT",
        ] : ["GENERATION", "AGE", "STATE", "COMMAND", "CHANGE", "DIGEST"]
    ]
    for (entry, state) in entries {
      let start = [
        "\(entry.generation)", isWide ? "\(entry.time)" : entry.time.age(at: now), state,
        entry.command, "\(entry.summary)",
      ]
      table.append(
        start
          + (isWide ? ["\(entry.objectCount)", entry.objects, entry.input] : [entry.objects]))
    }
    let widths = (0..<table[0].count).map { column in table.map { $0[column].utf8.count }.max() ?? 0
    }
    let lines = table.map { row in
      row.enumerated().map { i, text in
        i == row.count - 1
          ? text : text + String(repeating: " ", count: widths[i] - text.utf8.count)
      }.joined(separator: "  ") + "\n"
    }
    return Array(lines.joined().utf8)
  }

  var facts: Facts {
    func count(_ count: ChangeSummary.Count) -> Facts {
      .members([
        ("added", .number(UInt64(count.added))), ("changed", .number(UInt64(count.changed))),
        ("removed", .number(UInt64(count.removed))),
      ])
    }
    return .members([
      (
        "history",
        .list(
          entries.map { entry, state in
            .members([
              ("generation", .number(entry.generation)), ("time", .text("\(entry.time)")),
              ("current", .flag(state == "current")), ("kept", .flag(state != "-")),
              ("command", .text(entry.command)),
              (
                "summary",
                .members([
                  ("objects", count(entry.summary.objects)),
                  ("frontends", count(entry.summary.frontends)),
                  ("backends", count(entry.summary.backends)),
                ])
              ),
              ("objects", .number(UInt64(entry.objectCount))),
              ("digest", .text(entry.objects)), ("inputDigest", .text(entry.input)),
            ])
          })
      )
    ])
  }
}
