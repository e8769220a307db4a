import ArgumentParser
import ServiceDataplane
import ServiceMaps

/// How much of the history is kept. Given once, it is kept in the state directory.
struct HistoryOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "How many past generations `rollback` can go back to; their objects never take more than "
        + "256 MiB together (default: \(HistoryLog.Retention.standardGenerations)).",
      valueName: "number"))
  var keepHistory: Int?

  private static let name = "keep-history"

  func validate() throws {
    if let keepHistory, !(0..<HistoryLog.longest).contains(keepHistory) {
      throw ValidationError("--keep-history must be 0…\(HistoryLog.longest - 1)")
    }
  }

  func settings(over kept: [String: String]) -> [String: String] {
    guard let keepHistory else { return kept }
    return kept.merging([HistoryOptions.name: "\(keepHistory)"]) { $1 }
  }

  static func retention(_ settings: [String: String]) -> HistoryLog.Retention {
    HistoryLog.Retention(
      generations: settings[name].flatMap { Int($0) } ?? HistoryLog.Retention.standardGenerations)
  }
}
