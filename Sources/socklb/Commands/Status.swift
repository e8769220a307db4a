import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what is attached where, how full the maps are, and the totals.",
    discussion: """
      Asks the kernel which programs are effective on the cgroups of running processes, not only \
      what was attached. Exit code 1 when nothing is attached, a hook is not effective where it \
      should be, or a cgroup is gone. A member of the group that `attach --group` named sees the \
      maps, and not the links.
      """)

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      let report = try StatusReport.read(common)
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

extension StatusReport {
  static func read(_ common: CommonOptions) throws(DataplaneError) -> StatusReport {
    let (dataplane, snapshot) = try Dataplane.readSnapshot(at: common.pin, withCounters: true)
    return StatusReport(
      common: common, dataplane: dataplane, attached: try Attached(dataplane),
      snapshot: snapshot,
      termination: dataplane.terminationWay(),
      sockets: try dataplane.tables.socketUse(),
      limits: Limits((try? common.stateDirectory.readSettings()) ?? [:]).capacities)
  }
}
