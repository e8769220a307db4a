import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check everything that translation depends on, and try every hook.",
    discussion: """
      Looks at the kernel, file systems, pins, state, attached and effective programs, those of \
      other agents, and what killed writers left. Then a canary: a process in a scratch cgroup \
      below each attached one connects and sends to a frontend on a loopback address, which is in \
      the table only meanwhile, and says for each hook whether it works. Without root it says what \
      it can. Exit code 1 when something failed.
      """)

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      let report = DoctorReport(findings: Examination(common).findings)
      switch output {
      case .text: try Output.data(Array(report.text.utf8))
      case .json: try Output.line(report.facts.json)
      case .yaml: try Output.data(Array(report.facts.yaml.utf8))
      }
      if !report.isHealthy { throw Exit.failure }
    }
  }
}
