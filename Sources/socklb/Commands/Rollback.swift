import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Rollback: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Go back to the objects of an earlier generation.",
    discussion: """
      `socklb history` lists the generations. Without one it is that before the current, so a \
      second rollback undoes the first. It is a change as any other: checked as a whole, served \
      without a gap, with a generation and an entry of its own. Options such as --node-name stay \
      as they are.
      """)

  @OptionGroup var common: CommonOptions

  @Argument(help: "The generation to go back to (default: the one before the current).")
  var generation: UInt64?

  @Flag(name: .long, help: "Only print what would change, as `diff` does.")
  var dryRun = false

  func run() throws {
    try common.run {
      if dryRun {
        try show()
        return
      }
      let session = try WriteSession(common)
      let (entry, past) = try find(common.stateDirectory)
      let change = try Change(session.known, options: session.options) { $0.become(past) }
      let note = HistoryNote(
        command: "rollback to \(entry.generation)", input: entry.objects)
      let ended = try session.commit(change, note)
      try Apply.report(change, ended, .text)
    }
  }

  /// The objects of the generation that is meant.
  private func find(_ state: StateDirectory) throws -> (HistoryEntry, KnownObjects) {
    let log = try state.readHistory()
    let choices = try HistoryRows(state, log).choices
    guard let wanted = generation ?? log.entries.dropLast().last?.generation else {
      throw DataplaneError.refused(
        "there is no earlier generation to go back to", remedy: "see `socklb history`")
    }
    guard let entry = log[wanted] else {
      throw DataplaneError.refused(
        "there is no generation \(wanted) in the history", remedy: "there are: \(choices)")
    }
    guard let bytes = try state.readObjects(of: entry) else {
      throw DataplaneError.refused(
        "the objects of generation \(wanted) are not kept any more (--keep-history)",
        remedy: "there are: \(choices)")
    }
    guard KnownObjects.digest(ofEncoded: bytes)?.digest == entry.objects,
      let known = try? KnownObjects(decoding: bytes)
    else {
      throw DataplaneError.damaged(
        "the objects of generation \(wanted) are damaged on disk",
        remedy: "nothing was changed; there are: \(choices)")
    }
    return (entry, known)
  }

  private func show() throws {
    let state = common.stateDirectory
    let (known, _) = try KnownStore.load(state)
    let options = NodeOptions.compileOptions(try state.readSettings())
    let (_, past) = try find(state)
    let change = try Change(known, options: options) { $0.become(past) }
    let live: ServiceTable
    if try Dataplane.isVisible(pin: common.pin) {
      let dataplane = try Dataplane(pin: common.pin)
      try state.checkOwner(of: dataplane)
      let snapshot = try dataplane.tables.readSnapshot()
      snapshot.sayIfInconsistent()
      live = snapshot.table
    } else {
      Output.message("note: nothing is attached at \(common.pin); comparing with what is known")
      live = TableCompiler(options: options).compile(known).table
    }
    try Output.data(TableDiff(from: live, to: change.table).unified())
  }
}
