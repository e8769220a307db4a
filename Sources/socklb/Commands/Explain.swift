import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell what a connect to an address would do, and why, without making one.",
    discussion: """
      For a new socket of the named client: which frontend the address is, which endpoints there \
      are and which were left out for what reason, session affinity, the chance of each endpoint, \
      or the error of a refusal. For an address that is no frontend: what comes near.

      TARGET is ADDRESS:PORT[/PROTOCOL], as 10.96.0.10:53/udp or [fd00::10]:53, an ADDRESS alone \
      for all that is served there, or a Service: NAMESPACE/NAME[:PORT], where NAME alone is one \
      in `default`.

      It is the code of the hooks that decides, on the tables that they use, and it changes \
      nothing: no counter, no affinity, no turn of round robin. It needs CAP_BPF and CAP_PERFMON; \
      for a client in another network namespace CAP_SYS_ADMIN, to say whether programs run for \
      it CAP_NET_ADMIN.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var node: NodeOptions

  @Argument(help: "An address, or the name of a Service.")
  var target: ExplainTarget?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "As this process would (default: as this command would).", valueName: "pid"))
  var pid: UInt32?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "As a socket of this network namespace: its inode, its name in /run/netns, or a file such "
        + "as /proc/PID/ns/net.", valueName: "netns"))
  var netns: String?

  @Option(
    name: .long,
    help: ArgumentHelp("As a process in this cgroup: a directory.", valueName: "dir"))
  var cgroup: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "As a socket that is bound to this address; it matters for source ranges.",
      valueName: "address"))
  var bound: IPAddress?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Draw with this number, too, where an endpoint is drawn: the same one each time.",
      valueName: "n"))
  var seed: UInt64?

  @Option(name: .shortAndLong, help: "text, json or yaml.")
  var output: DumpFormat = .text

  func validate() throws {
    if target == nil { throw ValidationError("ADDRESS:PORT or a Service is needed") }
    if [pid != nil, netns != nil, cgroup != nil].count(where: { $0 }) > 1 {
      throw ValidationError("one of --pid, --netns and --cgroup says where the client is")
    }
    if pid == 0 { throw ValidationError("--pid must be at least 1") }
  }

  private var place: ExplainPlace {
    if let pid { return .process(pid) }
    if let netns { return .namespace(netns) }
    if let cgroup { return .cgroup(cgroup) }
    return .here
  }

  func run() throws {
    guard let target else { return }
    try common.run {
      try Capabilities.checkIterators()
      let (report, isConsistent) = try Dataplane.explain(
        target, at: common.pin, from: place, bound: bound, seed: seed, objects: try objects())
      if !isConsistent {
        Output.message(
          "warning: a writer was at work all the time, or was killed at work: parts of this may be "
            + "of different moments")
      }
      try Output.data(report.render(as: output))
      if report.explanations.isEmpty, report.unserved.contains(where: { !$0.isKnown }) {
        throw Exit.failure
      }
    }
  }

  /// What the endpoints are chosen from. Decisions do not depend on it.
  private func objects() throws -> ExplainedObjects? {
    let state = common.stateDirectory
    let (known, bytes) = try KnownStore.load(state)
    guard bytes != nil else {
      Output.message(
        "note: there are no objects in \(state.path), so it is not known which endpoints are left "
          + "out, and why")
      return nil
    }
    return ExplainedObjects(
      known, NodeOptions.compileOptions(node.settings(over: try state.readSettings())))
  }
}
