import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Dump: ParsableCommand {
  /// What can be dumped: views of the table, or the known objects.
  enum View: String, ExpressibleByArgument, CaseIterable {
    case services, frontends, backends, counters, objects, all
  }

  static let configuration = CommandConfiguration(
    abstract: "Print what the kernel does now, read from the maps.",
    discussion: """
      Text is one greppable line per entry, sorted. `objects` prints what apply remembers, as \
      manifests that apply reads again; it comes from the state directory.
      """)

  @OptionGroup var common: CommonOptions

  @Argument(help: "services, frontends, backends, counters, objects or all.")
  var view: View = .frontends

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      guard let tableView = DumpView(rawValue: view.rawValue) else {
        let (known, _) = try KnownStore.load(common.stateDirectory)
        try Output.data(known.manifests(as: output))
        return
      }
      let dataplane = try Dataplane(pin: common.pin)
      try dataplane.checkLayout()
      let needsCounters = view == .counters || view == .all
      let snapshot = try dataplane.tables.readSnapshot(withCounters: needsCounters)
      if !snapshot.isConsistent {
        Output.message("warning: the table kept changing while it was read")
      }
      let dump = TableDump(snapshot.table, counters: snapshot.counters)
      try Output.data(dump.render(tableView, as: output))
    }
  }
}
