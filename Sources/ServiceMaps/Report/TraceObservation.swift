/// What was decided during some time, counted for each service port.
public struct TraceObservation: Sendable {
  /// Times in powers of two of a microsecond.
  public struct Latencies: Sendable, Hashable {
    /// How many took less than 2 µs, 4 µs, 8 µs and so on; the last one: longer.
    public private(set) var buckets = [UInt64](repeating: 0, count: 28)
    public private(set) var count: UInt64 = 0

    public init() {}

    public mutating func add(nanoseconds: UInt64) {
      let microseconds = nanoseconds / 1000
      let log = microseconds < 2 ? 0 : UInt64.bitWidth - 1 - microseconds.leadingZeroBitCount
      buckets[min(log, buckets.count - 1)] += 1
      count += 1
    }

    /// The bound in microseconds that this part of all stays below; nil: there is none.
    public func bound(ofPart part: Double) -> UInt64? {
      guard count > 0 else { return nil }
      let wanted = max(1, UInt64((Double(count) * part).rounded(.up)))
      var sum: UInt64 = 0
      for (i, number) in buckets.enumerated() {
        sum += number
        if sum >= wanted { return 2 << UInt64(i) }
      }
      return nil
    }
  }

  /// Of one service port.
  public struct Counts: Sendable, Hashable {
    public var decisions: UInt64 = 0
    /// By `TraceDecision.Reason`, refusals alone.
    public var refusals: [TraceDecision.Reason: UInt64] = [:]
    public var outcomes: [TraceOutcome.Result: UInt64] = [:]
    public var established = Latencies()

    public init() {}

    /// Refused, or not connected.
    public var failures: UInt64 {
      refusals.values.reduce(0, +)
        + outcomes.reduce(0) { sum, entry in
          switch entry.key {
          case .refused, .timedOut, .failed, .notSent: sum + entry.value
          case .established, .givenUp, .reset, .closed, .connecting: sum
          }
        }
    }
  }

  public private(set) var services: [ServicePortName: Counts] = [:]
  /// Decisions about addresses that have no service port by this name any more, or never had.
  public private(set) var others = Counts()
  /// Failures of one kind: the same service port and backend, refused or failed in the same way.
  public struct Failure: Sendable, Hashable {
    /// How the trace writes the first one.
    public var line: String
    public var count: UInt64
  }

  private struct FailureKind: Hashable {
    var service: ServicePortName?
    var vip: IPAddress
    var port: UInt16
    var backend: Backend?
    var reason: TraceDecision.Reason
    var result: TraceOutcome.Result?
  }

  private var failuresByKind: [FailureKind: Failure] = [:]
  /// Failures of kinds that have no line any more.
  public private(set) var moreFailures: UInt64 = 0

  /// The most frequent ones first.
  public var failures: [Failure] {
    failuresByKind.values.sorted { ($1.count, $0.line) < ($0.count, $1.line) }
  }

  /// Nanoseconds.
  public var duration: UInt64 = 0
  /// Decisions and outcomes that were lost.
  public var lost: UInt64 = 0

  /// Kinds of failures that have a line.
  public static let mostFailures = 50

  public init() {}

  /// - Parameter line: how the trace would write it; asked for only when it is kept.
  public mutating func add(
    _ line: TraceJoin.Line, _ service: ServicePortName?, text: () -> String
  ) {
    var counts = service.flatMap { services[$0] } ?? (service == nil ? others : Counts())
    let before = counts.failures
    if line.later == nil {
      counts.decisions += 1
      if line.decision.backend == nil { counts.refusals[line.decision.reason, default: 0] += 1 }
    }
    if let outcome = line.outcome, outcome.result != .connecting {
      counts.outcomes[outcome.result, default: 0] += 1
      if outcome.result == .established { counts.established.add(nanoseconds: outcome.nanoseconds) }
    }
    if counts.failures > before { addFailure(line, service, text) }
    if let service { services[service] = counts } else { others = counts }
  }

  private mutating func addFailure(
    _ line: TraceJoin.Line, _ service: ServicePortName?, _ text: () -> String
  ) {
    let kind = FailureKind(
      service: service, vip: line.decision.vip, port: line.decision.vipPort,
      backend: line.decision.backend,
      // How a backend was drawn makes no difference here.
      reason: line.decision.backend == nil ? line.decision.reason : .unknown,
      result: line.outcome?.result)
    if failuresByKind[kind] != nil {
      failuresByKind[kind]?.count += 1
    } else if failuresByKind.count < Self.mostFailures {
      failuresByKind[kind] = Failure(line: text(), count: 1)
    } else {
      moreFailures += 1
    }
  }
}
