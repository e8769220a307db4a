import ArgumentParser
import ServiceDataplane

struct Attach: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Load the programs, attach them to cgroups and pin them.",
    discussion: """
      From then on every process in the cgroups reaches the Services that are known. What was \
      applied earlier is restored from the state directory before the first connect is \
      translated. When something is attached already, this says what, attaches what is missing \
      (a hook, a cgroup that was made anew or is named now), replaces programs of another build \
      by those of this binary (see `socklb upgrade`) and leaves the rest alone.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var node: NodeOptions
  @OptionGroup var capacity: CapacityOptions
  @OptionGroup var history: HistoryOptions
  @OptionGroup var attach: AttachOptions

  func run() throws {
    try common.run {
      try KernelVersion.check()
      try Capabilities.checkAttach()
      let state = common.stateDirectory
      let lock = try state.lock {
        Output.message("waiting for another socklb that changes \(state.path)")
      }
      defer { withExtendedLifetime(lock) {} }
      try AttachSession(
        common: common, node: node, capacity: capacity, history: history, attach: attach
      ).run()
    }
  }
}
