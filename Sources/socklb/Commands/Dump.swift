import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Dump: ParsableCommand {
  /// What can be dumped: views of the table, sockets, or the known objects.
  enum View: String, ExpressibleByArgument, CaseIterable {
    case services, frontends, backends, counters, sockets, affinity, objects, all
  }

  static let configuration = CommandConfiguration(
    abstract: "Print what the kernel does now, read from the maps.",
    discussion: """
      Text is one greppable line per entry, sorted. `objects` prints what apply remembers, as \
      manifests that apply reads again; it comes from the state directory. `sockets` prints who uses \
      services now: processes, local address, VIP, backend, Service, state, age. It asks about the \
      open files of all processes, and needs CAP_BPF and CAP_PERFMON.
      """)

  @OptionGroup var common: CommonOptions

  @Argument(
    help: "services, frontends, backends, counters, sockets, affinity, objects or all.")
  var view: View = .frontends

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Of sockets: only those that use this Service; NAME is one in `default`.",
      valueName: "namespace/name[:port]"))
  var service: [String] = []

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Of sockets: only those that are sent to this backend.", valueName: "address[:port]"))
  var backend: [String] = []

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Of sockets: only those that this process has open.", valueName: "pid"))
  var pid: [UInt32] = []

  @OptionGroup var watching: WatchOptions

  func validate() throws {
    if view != .sockets, !service.isEmpty || !backend.isEmpty || !pid.isEmpty {
      throw ValidationError("--service, --backend and --pid are for `dump sockets`")
    }
    _ = try filter()
  }

  private func filter() throws -> SocketDump.Filter {
    SocketDump.Filter(
      services: try service.map { text in
        guard let filter = SocketServiceFilter(text) else {
          throw ValidationError("--service: '\(text)' is no NAMESPACE/NAME[:PORT]")
        }
        return filter
      },
      backends: try backend.map { text in
        guard let filter = SocketBackendFilter(text) else {
          throw ValidationError("--backend: '\(text)' is no ADDRESS[:PORT]")
        }
        return filter
      }, pids: Set(pid))
  }

  func run() throws {
    try common.run {
      _ = try watching.print { (try bytes(), ()) }
    }
  }

  private func bytes() throws -> [UInt8] {
    if view == .sockets { return try sockets() }
    if view == .affinity { return try affinity() }
    guard let tableView = DumpView(rawValue: view.rawValue) else {
      let state = common.stateDirectory
      let (known, bytes) = try KnownStore.load(state)
      if bytes == nil, Dataplane.isAttached(pin: common.pin) {
        try state.checkOwner(of: Dataplane(reading: common.pin))
      }
      return known.manifests(as: output)
    }
    let (_, snapshot) = try Dataplane.readSnapshot(
      at: common.pin, withCounters: view == .counters || view == .all)
    snapshot.sayIfInconsistent()
    return TableDump(snapshot.table, counters: snapshot.counters).render(tableView, as: output)
  }

  /// Who uses services now.
  private func sockets() throws -> [UInt8] {
    try Capabilities.checkIterators()
    let dataplane = try Dataplane(pin: common.pin)
    try dataplane.checkLayout()
    let (sockets, snapshot) = try dataplane.readSockets()
    snapshot.sayIfInconsistent()
    return sockets.filtered(try filter()).render(as: output)
  }

  /// Who is held to which backend by session affinity.
  private func affinity() throws -> [UInt8] {
    let tables = try Dataplane(reading: common.pin).tables
    let entries = try tables.readAffinity(tables.readStates())
    if output == .text {
      let lines = entries.map { entry in
        "\(entry.service) client=\(entry.isCgroup ? "cgroup" : "netns"):\(entry.client) "
          + "backend=\(entry.backend?.description ?? "-") age=\(entry.age)s "
          + "left=\(entry.timeLeft)s\n"
      }
      return Array(lines.joined().utf8)
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
    return Array(((output == .json ? facts.json : facts.yaml) + "\n").utf8)
  }
}
