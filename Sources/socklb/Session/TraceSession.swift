import ServiceDataplane
import ServiceMaps

/// The loop of `socklb trace`: takes, joins, writes, and says what was lost.
struct TraceSession: ~Copyable {
  private let reader: TraceReader
  private let waiting: Waiting
  private var join: TraceJoin
  private var render: TraceRender
  private let count: UInt64?
  private let deadline: UInt64?

  private var written: UInt64 = 0
  private var said = TraceReader.Losses()
  private var saidNothing = false
  private var renewed: UInt64
  private var reported: UInt64
  private var isOver = false

  init(
    _ reader: TraceReader, format: TraceRender.Format, failuresOnly: Bool, outcomes: Bool,
    count: UInt64?, nanoseconds: UInt64?
  ) throws {
    self.reader = reader
    waiting = try Waiting()
    join = TraceJoin(wantsOutcomes: outcomes, failuresOnly: failuresOnly)
    render = TraceRender(format, clockOffset: Waiting.clockOffset)
    self.count = count
    let now = Waiting.now
    deadline = nanoseconds.map { now &+ $0 }
    renewed = now
    reported = now
  }

  /// `500ms`, `10s`, `5m`, `1h`.
  static func nanoseconds(_ text: String) -> UInt64? {
    let units: [(String, UInt64)] = [
      ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]
    for (unit, factor) in units where text.hasSuffix(unit) {
      guard let number = UInt64(text.dropLast(unit.count)), number > 0 else { return nil }
      let (result, isTooMuch) = number.multipliedReportingOverflow(by: factor)
      return isTooMuch ? nil : result
    }
    return nil
  }

  /// - Returns: why it cannot go on; nil when it has ended as it should.
  mutating func run() throws -> String? {
    if reader.isCutOff {
      Output.message(
        "warning: the Services of --service have more ports than a filter can hold; some are "
          + "not shown")
    }
    Output.message("tracing; Ctrl-C ends it")
    var problem: String?
    while !isOver {
      let hasMore = try step()
      if !hasMore, !isOver, waiting.wait(milliseconds: pause) == .end { break }
      if waiting.signalCount > 0 { break }
      if let deadline, Waiting.now >= deadline { break }
      problem = try keepAlive()
      if problem != nil { break }
    }
    try finish()
    return problem
  }

  /// Until the next look: short enough for the ring to hold what comes meanwhile.
  private var pause: Int {
    guard let deadline else { return 20 }
    let now = Waiting.now
    return deadline > now ? min(20, Int((deadline - now) / 1_000_000) + 1) : 0
  }

  /// - Returns: whether there is more to take.
  private mutating func step() throws -> Bool {
    var lines: [TraceJoin.Line] = []
    var join = TraceJoin()
    swap(&join, &self.join)
    let hasMore = try reader.take(
      { decision in lines += join.add(decision) },
      { outcome, decision, time in lines.append(join.add(outcome, of: decision, at: time)) })
    let reader = reader
    lines += join.expire(before: Waiting.now &- TraceJoin.patience) { decision in
      reader.losses.outcomes > 0 || decision.time < reader.watchesSince
        ? nil : TraceOutcome(reader.isConnecting(decision) ? .connecting : .notSent)
    }
    swap(&join, &self.join)
    try write(lines)
    return hasMore
  }

  private mutating func write(_ lines: [TraceJoin.Line]) throws {
    guard !lines.isEmpty else { return }
    try reader.refreshNames()
    for line in lines {
      if let count, written >= count {
        isOver = true
        break
      }
      render.write(
        line, reader.names.name(of: line.decision),
        owner: line.decision.reason == .guarded
          ? reader.names.owner(of: line.decision.vip) : nil,
        reader.place(of: line.decision))
      written += 1
    }
    if let count, written >= count { isOver = true }
    try flush()
  }

  /// Standard output may take its time; the programs must not think meanwhile that we are gone.
  private mutating func flush() throws {
    try write(render.bytes)
    render.clear()
  }

  private mutating func write(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    var progress = Waiting.now
    while !rest.isEmpty {
      if waiting.signalCount > 0, Waiting.now &- progress > 2_000_000_000 {
        Output.message("warning: \(rest.count) bytes were not written: nobody takes them")
        isOver = true
        return
      }
      guard let count = try waiting.write(rest, milliseconds: 200) else {
        isOver = true
        return
      }
      if count > 0 { progress = Waiting.now }
      rest = rest.dropFirst(count)
      if try keepAlive() != nil { return }
    }
  }

  /// Twice a second, and what was lost every few seconds.
  private mutating func keepAlive() throws -> String? {
    let now = Waiting.now
    guard now &- renewed >= 500_000_000 else { return nil }
    let before = renewed
    renewed = now
    render.clockOffset = Waiting.clockOffset
    switch try reader.renew() {
    case .kept: break
    case .over(let problem): return problem
    case .wasForgotten:
      Output.message(
        "warning: this process was held up for \((now - before) / 1_000_000_000) s; what was "
          + "decided meanwhile is neither shown nor counted")
    }
    if reader.meansNothing != saidNothing {
      saidNothing = reader.meansNothing
      if saidNothing {
        Output.message("note: there is no such Service now; it is shown as soon as there is")
      }
    }
    if now &- reported >= 5_000_000_000 {
      reported = now
      sayLosses()
    }
    return nil
  }

  private mutating func sayLosses() {
    let losses = reader.losses
    if losses == said { return }
    Output.message(
      "warning: lost \(losses.decisions - said.decisions) decisions and "
        + "\(losses.outcomes - said.outcomes) outcomes: a larger --buffer, a filter or --sample "
        + "may help")
    said = losses
  }

  /// What is in the rings still, and a summary.
  private mutating func finish() throws {
    reader.stop()
    if !isOver { while try step(), !isOver {} }
    if !isOver {
      let reader = reader
      let old = Waiting.now &- TraceJoin.patience
      try write(
        join.expire(before: .max) { decision in
          if reader.isConnecting(decision) { return TraceOutcome(.connecting) }
          // It may be about to send one.
          return decision.time < old && decision.time >= reader.watchesSince
            ? TraceOutcome(.notSent) : nil
        })
    }
    let losses = reader.losses
    Output.message(
      "\(written) lines, \(losses.decisions) decisions and \(losses.outcomes) outcomes lost")
  }
}
