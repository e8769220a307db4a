import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Top: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what happens now: connections, refusals, failures, latencies, by Service.",
    discussion: """
      A row for each port of a Service, of what happened in the last interval. NEW/s: connects, and \
      datagrams of sockets that name their destinations, that were given a backend. REF/s: refused, \
      because there is no endpoint, or by source ranges. FAIL/s: TCP connections that came to \
      nothing: refused by the backend, timed out, or given up by the client. LIVE: sockets that are \
      with a backend now. SHARE: what the backend got that is furthest above its fair share, and that \
      share. P50, P99: from the first SYN until a connection was established.

      Services that refuse clients because there is no endpoint come first. On a terminal it stays in \
      place; keys: q quits, b shows backends, arrows scroll, r x f l p n sort. Else it prints lines.

      No connection is timed unless this command runs. It needs CAP_BPF and CAP_PERFMON.
      """)

  @OptionGroup var common: CommonOptions

  @Option(name: .shortAndLong, help: "text, or json: one object per interval, in one line.")
  var output: TraceRender.Format = .text

  @Option(
    name: .long,
    help: ArgumentHelp("What is counted together: 500ms, 2s, 1m.", valueName: "duration"))
  var interval = "2s"

  @Option(
    name: [.customShort("n"), .long],
    help: ArgumentHelp("End after so many intervals.", valueName: "n"))
  var count: UInt64?

  @Flag(name: .long, help: "Print one interval and end, also on a terminal.")
  var once = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "rate, refused, failures, live, p99 (the largest first), or name.", valueName: "key"))
  var sort: TopTable.Order = .rate

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Only this Service; may be given more than once. NAME is one in `default`.",
      valueName: "namespace/name[:port]"))
  var service: [String] = []

  @Flag(name: .long, help: "A row for each backend, too. JSON always has them.")
  var backends = false

  @Option(
    name: .long,
    help: ArgumentHelp("No more than so many service ports, the first ones.", valueName: "n"))
  var limit: Int?

  func validate() throws {
    if TraceSession.nanoseconds(interval) == nil {
      throw ValidationError("--interval: '\(interval)' is no duration like 500ms, 10s, 5m or 1h")
    }
    if count == 0 { throw ValidationError("--count must be at least 1") }
    if once, let count, count != 1 { throw ValidationError("--once is --count 1") }
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
    _ = try filters()
  }

  private func filters() throws -> [SocketServiceFilter] {
    try service.map { text in
      guard let filter = SocketServiceFilter(text) else {
        throw ValidationError("--service: '\(text)' is no NAMESPACE/NAME[:PORT]")
      }
      return filter
    }
  }

  func run() throws {
    try common.run {
      try Capabilities.checkIterators()
      let reader = try TopReader(pin: common.pin)
      let session = TopSession(
        reader: reader, waiting: try Waiting(),
        options: TopTable.Options(order: sort, services: try filters(), limit: limit),
        showsBackends: backends, interval: TraceSession.nanoseconds(interval) ?? 2_000_000_000,
        intervalText: interval, count: once ? 1 : count, format: output)
      if output == .text, !once, Terminal.canBeDrawnOn {
        try session.draw()
      } else {
        try session.write(isOnce: once)
      }
    }
  }
}
