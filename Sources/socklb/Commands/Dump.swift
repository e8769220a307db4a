import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Dump: ParsableCommand {
  /// What can be dumped: views of the table, or the known objects.
  enum View: String, ExpressibleByArgument, CaseIterable {
    case services, frontends, backends, counters, affinity, objects, all
  }

  static let configuration = CommandConfiguration(
    abstract: "Print what the kernel does now, read from the maps.",
    discussion: """
      Text is one greppable line per entry, sorted. `objects` prints what apply remembers, as \
      manifests that apply reads again; it comes from the state directory.
      """)

  @OptionGroup var common: CommonOptions

  @Argument(help: "services, frontends, backends, counters, affinity, objects or all.")
  var view: View = .frontends

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      if view == .affinity {
        try dumpAffinity()
        return
      }
      guard let tableView = DumpView(rawValue: view.rawValue) else {
        let state = common.stateDirectory
        let (known, bytes) = try KnownStore.load(state)
        if bytes == nil, Dataplane.isAttached(pin: common.pin) {
          try state.checkOwner(of: Dataplane(pin: common.pin))
        }
        try Output.data(known.manifests(as: output))
        return
      }
      let dataplane = try Dataplane(pin: common.pin)
      try dataplane.checkLayout()
      let needsCounters = view == .counters || view == .all
      let snapshot = try dataplane.tables.readSnapshot(withCounters: needsCounters)
      snapshot.sayIfInconsistent()
      let dump = TableDump(snapshot.table, counters: snapshot.counters)
      try Output.data(dump.render(tableView, as: output))
    }
  }

  /// Who is held to which backend by session affinity.
  private func dumpAffinity() throws {
    let tables = try Dataplane(pin: common.pin).tables
    let entries = try tables.readAffinity(tables.readStates())
    if output == .text {
      for entry in entries {
        try Output.line(
          "\(entry.service) client=\(entry.isCgroup ? "cgroup" : "netns"):\(entry.client) "
            + "backend=\(entry.backend?.description ?? "-") age=\(entry.age)s "
            + "left=\(entry.timeLeft)s")
      }
      return
    }
    let facts = Facts.members([
      (
        "affinity",
        .list(
          entries.map { entry in
            .members([
              ("service", .text("\(entry.service.service)")),
              ("portName", .text(entry.service.port)),
              ("protocol", .text("\(entry.service.transport)")),
              ("client", .number(entry.client)),
              ("clientKind", .text(entry.isCgroup ? "cgroup" : "netns")),
              ("backend", entry.backend.map { .text("\($0)") } ?? .none),
              ("ageSeconds", .number(entry.age)),
              ("leftSeconds", .number(entry.timeLeft)),
            ])
          })
      )
    ])
    try Output.line(output == .json ? facts.json : facts.yaml)
  }
}
