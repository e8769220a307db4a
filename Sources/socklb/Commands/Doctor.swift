import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check everything that translation depends on, and try every hook.",
    discussion: """
      Looks at the kernel (each part that is used is tried), file systems, pins, state, attached \
      and effective programs, those of other agents and of kube-proxy, how full the maps are, \
      whether they are what the objects ask for, clocks, and what killed writers left. Then a canary: a process in a scratch cgroup \
      below each attached one connects and sends to a frontend on a loopback address, which is in \
      the table only meanwhile, and says for each hook whether it works. Without root it says what \
      it can. Exit code 1 when something failed.

      --bundle collects what was found, the table, the history and the machine's facts. Annotations \
      and what Pods run are left out: they may hold passwords.
      """)

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Also write everything that a bug report needs into this archive, readable by its owner alone.",
      valueName: "file.tar.gz"))
  var bundle: String?

  func run() throws {
    try common.run {
      let examination = Examination(common)
      let report = DoctorReport(findings: examination.findings)
      switch output {
      case .text: try Output.data(Array(report.text(.standardOutput).utf8))
      case .json: try Output.line(report.facts.json)
      case .yaml: try Output.data(Array(report.facts.yaml.utf8))
      }
      if let bundle {
        try BugReport(common, examination).write(to: bundle)
        Output.message("note: wrote \(bundle); look through it before you give it away")
      }
      if !report.isHealthy { throw Exit.failure }
    }
  }
}
