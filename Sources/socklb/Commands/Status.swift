import ArgumentParser
import ServiceDataplane
import ServiceFollow
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

  @OptionGroup var watching: WatchOptions

  func run() throws {
    try common.run {
      let report = try watching.print {
        let report = try StatusReport.read(common)
        report.snapshot.sayIfInconsistent()
        return (render(report), report)
      }
      // Who has watched has seen it.
      if let report, !report.isHealthy { throw Exit.failure }
    }
  }

  private func render(_ report: StatusReport) -> [UInt8] {
    switch output {
    case .text: Array(report.text(.standardOutput).utf8)
    case .json: Array((report.facts.json + "\n").utf8)
    case .yaml: Array(report.facts.yaml.utf8)
    }
  }
}

extension StatusReport {
  static func read(_ common: CommonOptions) throws(DataplaneError) -> StatusReport {
    let (dataplane, snapshot) = try Dataplane.readSnapshot(
      at: common.pin, withCounters: true, ofBackends: false)
    return StatusReport(
      common: common, dataplane: dataplane, attached: try Attached(dataplane),
      snapshot: snapshot,
      termination: dataplane.terminationWay(),
      sockets: try dataplane.tables.socketUse(),
      limits: Limits((try? common.stateDirectory.readSettings()) ?? [:]).capacities,
      running: common.stateDirectory.isRunning
        ? common.stateDirectory.readRun().flatMap { RunRecord(decoding: $0) } : nil)
  }
}
