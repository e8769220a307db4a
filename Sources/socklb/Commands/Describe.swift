import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Describe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell all about a Service: what it is, where it leads, and what is left out and why.",
    usage: "socklb describe service NAMESPACE/NAME [options]",
    discussion: """
      First what `kubectl describe service` says, from the known objects; then for each frontend \
      the endpoints in use, those left out with the reason, and the counters of the kernel.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var node: NodeOptions

  @Argument(help: "`service` and one or more names: NAMESPACE/NAME, or NAME in `default`.")
  var what: [String] = []

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func validate() throws {
    guard what.count >= 2, ServiceNames.isKind(what[0]) else {
      throw ValidationError("`service NAMESPACE/NAME` is needed")
    }
    _ = try ServiceNames.parse(what.dropFirst())
  }

  func run() throws {
    try common.run {
      let state = common.stateDirectory
      let (known, _) = try KnownStore.load(state)
      let options = NodeOptions.compileOptions(node.settings(over: try state.readSettings()))
      var counters: [ServicePortName: ServiceCounters] = [:]
      if Dataplane.isAttached(pin: common.pin) {
        let tables = try Dataplane(reading: common.pin).tables
        counters = try tables.readSnapshot(withCounters: true).counters
      } else {
        Output.message("note: nothing is attached at \(common.pin), so there are no counters")
      }
      var isMissing = false
      for (number, name) in try ServiceNames.parse(what.dropFirst()).enumerated() {
        guard
          let description = ServiceDescription(
            name, in: known, options: options, counters: counters)
        else {
          isMissing = true
          Output.error("there is no Service \(name) among the known objects")
          continue
        }
        if number > 0 && output == .text { try Output.line("") }
        if number > 0 && output == .yaml { try Output.line("---") }
        try Output.data(description.render(as: output))
      }
      if isMissing { throw Exit.failure }
    }
  }
}
