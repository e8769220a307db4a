import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what apply would change, as a unified diff of dump lines.",
    discussion: """
      Compares what the kernel serves now with what it would serve after `apply` of the same \
      input. Nothing attached: compares with what is known. Exit code 0: no difference, \
      1: differences, more: an error, as kubectl diff.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var manifests: ManifestOptions
  @OptionGroup var allocation: AllocationOptions
  @OptionGroup var node: NodeOptions

  @Flag(name: .long, help: "The input is the whole truth: every other known object would go.")
  var prune = false

  func run() throws {
    do {
      try common.run { try diff() }
    } catch let code as ExitCode where code == Exit.failure {
      // 1 means differences here.
      throw ExitCode(2)
    } catch let found as DifferencesFound {
      throw found.code
    }
  }

  private struct DifferencesFound: Error { let code = ExitCode(1) }

  private func diff() throws {
    let objects = try Change.decode(manifests)
    let (known, _) = try KnownStore.load(common.stateDirectory, reusing: objects)
    let kept = try common.stateDirectory.readSettings()
    let options = NodeOptions.compileOptions(node.settings(over: kept))
    let live: ServiceTable
    if try Dataplane.isVisible(pin: common.pin) {
      let dataplane = try Dataplane(reading: common.pin)
      try common.stateDirectory.checkOwner(of: dataplane)
      let snapshot = try dataplane.tables.readSnapshot()
      snapshot.sayIfInconsistent()
      live = snapshot.table
    } else {
      Output.message("note: nothing is attached at \(common.pin); comparing with what is known")
      live = TableCompiler(options: options).compile(known).table
    }
    let change = try Change(known, options: options) { known in
      known.merge(
        objects, prune: prune, cidrs: allocation.cidrs,
        nodePorts: allocation.serviceNodePortRange)
    }
    let difference = TableDiff(from: live, to: change.table)
    try Output.data(difference.unified())
    if !difference.isEmpty { throw DifferencesFound() }
  }
}
