import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what is attached where, how full the maps are, and the totals.",
    discussion: "Exit code 1 when nothing is attached, or a program is attached to a cgroup "
      + "that is gone.")

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      let dataplane = try Dataplane(pin: common.pin)
      try dataplane.checkLayout()
      let report = StatusReport(
        common: common, dataplane: dataplane, attachments: try dataplane.attachments(),
        snapshot: try dataplane.tables.readSnapshot(withCounters: true),
        problems: try dataplane.missingHooks(), termination: dataplane.terminationWay(),
        sockets: try dataplane.tables.socketUse(),
        limits: Limits((try? common.stateDirectory.readSettings()) ?? [:]).capacities)
      report.snapshot.sayIfInconsistent()
      switch output {
      case .text: try Output.data(Array(report.text.utf8))
      case .json: try Output.line(report.facts.json)
      case .yaml: try Output.data(Array(report.facts.yaml.utf8))
      }
      if !report.isHealthy { throw Exit.failure }
    }
  }
}
