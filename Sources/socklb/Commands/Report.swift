import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a page to look at: services, endpoints and reasons, spread, latency, changes.",
    discussion: """
      One HTML file that needs no network and no script to be read. It shows what doctor finds \
      without trying every hook, each Service with its endpoints and the reason for each that is left \
      out, what was translated and refused, how many sockets each backend has against its fair \
      share, and the history. With --observe it traces for that time, and shows how long connections \
      took and what failed.

      Sockets need CAP_BPF and CAP_PERFMON, and so does --observe. Names and addresses are in it as \
      in `dump`; annotations are not.
      """)

  @OptionGroup var common: CommonOptions

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Where to write it; - is standard output.", valueName: "file.html"))
  var output: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Trace for this time first: 500ms, 10s, 5m, 1h. Ctrl-C ends it early.", valueName: "duration")
  )
  var observe: String?

  func validate() throws {
    if output == nil { throw ValidationError("-o FILE.html is needed; - is standard output") }
    if let observe, TraceSession.nanoseconds(observe) == nil {
      throw ValidationError("--observe: '\(observe)' is no duration like 500ms, 10s, 5m or 1h")
    }
  }

  func run() throws {
    try common.run {
      var observation: TraceObservation?
      if let nanoseconds = observe.flatMap(TraceSession.nanoseconds) {
        observation = try Observation.run(common, nanoseconds: nanoseconds)
      }
      var page = try page()
      page.observation = observation
      let bytes = page.render()
      guard let output, output != "-" else {
        try Output.data(bytes)
        return
      }
      try OutputFile.write(output, bytes, for: .others)
      Output.message("note: wrote \(output)")
    }
  }

  private func page() throws -> ReportPage {
    let state = common.stateDirectory
    let (known, _) = try KnownStore.load(state)
    let settings = try state.readSettings()
    var dataplane: Dataplane?
    var counters: [ServicePortName: ServiceCounters] = [:]
    if Dataplane.isAttached(pin: common.pin) {
      let (found, snapshot) = try Dataplane.readSnapshot(at: common.pin, withCounters: true)
      snapshot.sayIfInconsistent()
      dataplane = found
      counters = snapshot.counters
    } else {
      Output.message("note: nothing is attached at \(common.pin), so there are no counters")
    }
    var page = ReportPage(
      node: settings["node-name"] ?? ThisNode.hostName, kernel: Machine.kernelRelease,
      version: "\(Socklb.version), table layout \(Dataplane.layoutVersion)",
      made: UTCTime(seconds: WallClock.seconds), pin: common.pin,
      generation: dataplane.map { $0.tables.generation / 2 }, attachments: attachments(dataplane),
      findings: Examination(common, wantsTrial: false).findings,
      services: ServiceDescription.all(
        in: known, options: NodeOptions.compileOptions(settings), counters: counters),
      history: try HistoryRows(state, state.readHistory()).changes)
    if dataplane == nil {
      page.whyNoSockets = "nothing is attached"
    } else {
      switch spread() {
      case .success(let spread): page.sockets = spread
      case .failure(let error): page.whyNoSockets = "\(error)"
      }
    }
    return page
  }

  private func spread() -> Result<SocketSpread, DataplaneError> {
    Result { () throws(DataplaneError) in
      try Capabilities.checkIterators()
      return SocketSpread(try Dataplane(pin: common.pin).readSockets().dump)
    }
  }

  private func attachments(_ dataplane: Dataplane?) -> [String] {
    guard let dataplane else { return [] }
    guard let found = try? dataplane.attachments() else {
      return ["not asked: only root may look at the links"]
    }
    let places = Dictionary(grouping: found) { $0.cgroupPath ?? "a cgroup that is gone" }
    return places.sorted { $0.key < $1.key }.map { path, hooks in
      "\(path) (\(hooks.count { $0.isLive }) of \(hooks.count) hooks)"
    }
  }
}
