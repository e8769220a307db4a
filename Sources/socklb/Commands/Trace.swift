import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Trace: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Show each decision as it is made: who asked for which Service, what became of it, why.",
    discussion: """
      One line for each connect(), and for each datagram of a socket that names its destinations. \
      Of TCP connections it says what came of them: established, refused, timed out, given up. One \
      that takes longer than a second has a line at once, and another one when it is known.

      Nothing is traced unless this command runs; it ends with Ctrl-C, after --count or --for, and \
      when nobody reads its output. Decisions that it could not keep up with are counted and said. \
      Filters work in the kernel. Several may be given; a decision must pass all of them.

      It needs CAP_BPF and CAP_PERFMON, with --decisions-only CAP_BPF.
      """)

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, or json: one object per line.")
  var output: TraceRender.Format = .text

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Only this Service; may be given more than once. NAME is one in `default`.",
      valueName: "namespace/name[:port]"))
  var service: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp("Only what is sent to this backend.", valueName: "address[:port]"))
  var backend: String?

  @Option(name: .long, help: ArgumentHelp("Only this process.", valueName: "pid"))
  var pid: UInt32?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only processes in this cgroup and those below it: a directory.", valueName: "dir"))
  var cgroup: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Only sockets of this network namespace: its inode, its name in /run/netns, or a file such "
        + "as /proc/PID/ns/net.", valueName: "netns"))
  var netns: String?

  @Flag(
    name: .long,
    help: "Only what is refused, and TCP connections that fail or end with an error.")
  var failures = false

  @Option(
    name: .long,
    help: ArgumentHelp("One of so many sockets, all it does: 1/64.", valueName: "1/n"))
  var sample: String?

  @Flag(
    name: .long, help: "Also the end of TCP connections: duration and bytes, a line of its own.")
  var followClose = false

  @Flag(name: .long, help: "Not what becomes of TCP connections.")
  var decisionsOnly = false

  @Option(name: .long, help: ArgumentHelp("End after so many lines.", valueName: "n"))
  var count: UInt64?

  @Option(
    name: .customLong("for"),
    help: ArgumentHelp("End after this time: 500ms, 10s, 5m, 1h.", valueName: "duration"))
  var duration: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Room for decisions that are not written yet: MiB, a power of two.", valueName: "mib"))
  var buffer = 8

  func validate() throws {
    if decisionsOnly, failures || followClose {
      throw ValidationError("--decisions-only leaves out what --failures and --follow-close show")
    }
    guard buffer > 0, buffer <= 1024, buffer & (buffer - 1) == 0 else {
      throw ValidationError("--buffer: \(buffer) is no power of two up to 1024")
    }
    if count == 0 { throw ValidationError("--count must be at least 1") }
    if pid == 0 { throw ValidationError("--pid must be at least 1") }
    if let duration, TraceSession.nanoseconds(duration) == nil {
      throw ValidationError("--for: '\(duration)' is no duration like 500ms, 10s, 5m or 1h")
    }
    _ = try filter()
  }

  /// All that needs no look at the machine.
  private func filter() throws -> TraceFilter {
    var filter = TraceFilter()
    filter.services = try service.map { text in
      guard let filter = SocketServiceFilter(text) else {
        throw ValidationError("--service: '\(text)' is no NAMESPACE/NAME[:PORT]")
      }
      return filter
    }
    if let backend {
      filter.backend = SocketBackendFilter(backend)
      if filter.backend == nil {
        throw ValidationError("--backend: '\(backend)' is no ADDRESS[:PORT]")
      }
    }
    if let sample {
      filter.sample = TraceSample(sample)
      if filter.sample == nil { throw ValidationError("--sample: '\(sample)' is not like 1/64") }
    }
    filter.pid = pid
    filter.failuresOnly = failures
    return filter
  }

  func run() throws {
    try common.run {
      if decisionsOnly {
        try Capabilities.checkWriting()
      } else {
        try Capabilities.checkIterators()
      }
      let dataplane = try Dataplane(pin: common.pin)
      try dataplane.checkLayout()
      var filter = try filter()
      filter.cgroup = try cgroup.map { try Cgroup(path: $0).tracePlace() }
      filter.namespace = try netns.map { try TraceReader.namespace($0) }
      let reader = try dataplane.trace(
        filter, bufferSize: buffer << 20, outcomes: !decisionsOnly, followClose: followClose)
      var session = try TraceSession(
        reader, format: output, failuresOnly: failures, outcomes: !decisionsOnly, count: count,
        nanoseconds: duration.flatMap(TraceSession.nanoseconds))
      if let problem = try session.run() {
        Output.error("the trace has ended: \(problem)")
        throw Exit.failure
      }
    }
  }
}
