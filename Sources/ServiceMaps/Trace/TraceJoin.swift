/// Puts decisions and what became of them together.
///
/// A decision that leads to a TCP connection waits for its outcome, but not for long: then it is
/// let go as it is, and the outcome follows as a line of its own.
public struct TraceJoin: Sendable {
  /// One line of the trace.
  public struct Line: Hashable, Sendable {
    public var decision: TraceDecision
    public var outcome: TraceOutcome?
    /// The decision has had its line before; this one is about the outcome, at this time.
    public var later: UInt64?

    public init(decision: TraceDecision, outcome: TraceOutcome? = nil, later: UInt64? = nil) {
      self.decision = decision
      self.outcome = outcome
      self.later = later
    }
  }

  /// How long a decision waits for its outcome: nanoseconds.
  public static let patience: UInt64 = 1_000_000_000

  private let wantsOutcomes: Bool
  private let failuresOnly: Bool
  private var waiting: [UInt64: TraceDecision] = [:]
  /// Times of outcomes that came before their decisions, by cookie: a program that is interrupted
  /// while it writes one down holds up those of its processor.
  private var early: [UInt64: UInt64] = [:]
  /// In the order of time, as they came.
  private var order: [(cookie: UInt64, time: UInt64)] = []
  private var orderStart = 0

  /// - Parameters:
  ///   - wantsOutcomes: else no decision waits.
  ///   - failuresOnly: decisions that lead to a backend come with their outcome only.
  public init(wantsOutcomes: Bool = true, failuresOnly: Bool = false) {
    self.wantsOutcomes = wantsOutcomes
    self.failuresOnly = failuresOnly
  }

  /// - Returns: what can be said at once.
  public mutating func add(_ decision: TraceDecision) -> [Line] {
    guard wantsOutcomes, decision.hasOutcome else { return [Line(decision: decision)] }
    // Its outcome has had a line of its own.
    if let time = early.removeValue(forKey: decision.cookie), decision.time <= time {
      return failuresOnly ? [] : [Line(decision: decision)]
    }
    // The same socket connects again: what became of the first time is not going to be told.
    let before = waiting.updateValue(decision, forKey: decision.cookie)
    order.append((decision.cookie, decision.time))
    return before.map { [Line(decision: $0)] } ?? []
  }

  /// - Parameters:
  ///   - decision: what the socket says of it.
  ///   - time: of the outcome.
  public mutating func add(
    _ outcome: TraceOutcome, of decision: TraceDecision, at time: UInt64
  ) -> Line {
    if let first = waiting[decision.cookie], first.time <= decision.time, !outcome.isEnd {
      waiting[decision.cookie] = nil
      return Line(decision: first, outcome: outcome)
    }
    if !outcome.isEnd { early[decision.cookie] = time }
    if failuresOnly, !outcome.isEnd { return Line(decision: decision, outcome: outcome) }
    return Line(decision: decision, outcome: outcome, later: time)
  }

  /// What has waited long enough.
  ///
  /// - Parameter outcome: what is known of the connection of a socket so far.
  public mutating func expire(
    before time: UInt64, _ outcome: (TraceDecision) -> TraceOutcome?
  ) -> [Line] {
    var lines: [Line] = []
    while orderStart < order.count, order[orderStart].time < time {
      let cookie = order[orderStart].cookie
      if let decision = waiting[cookie], decision.time == order[orderStart].time {
        waiting[cookie] = nil
        lines.append(Line(decision: decision, outcome: outcome(decision)))
      }
      orderStart += 1
    }
    early = early.filter { $0.value >= time }
    if orderStart > 4096 {
      order.removeFirst(orderStart)
      orderStart = 0
    }
    return lines
  }
}
