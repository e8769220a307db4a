public import ServiceMaps

/// Whether what changes is applied in time: kube-proxy's rule (pkg/proxy/healthcheck/proxy_health.go).
///
/// Times are nanoseconds of a monotonic clock.
public struct ProxyHealth: Hashable, Sendable {
  /// Twice kube-proxy's default sync period of 30 s.
  public static let timeout: UInt64 = 60_000_000_000

  /// When the table was brought up to date last; nil: not yet.
  public private(set) var lastUpdated: WallTime?
  /// Since when something waits that is not in force; nil: nothing does.
  public private(set) var oldestQueued: UInt64?
  /// Since when the process has been asked whether it lives, without an answer.
  public private(set) var pinged: UInt64?
  /// This node, as its Node object says.
  public var node = NodeState.unknown

  public enum NodeState: Hashable, Sendable {
    /// There is no cluster, so there is nobody who would take this node away.
    case unknown
    /// There is a cluster, and it has no such Node.
    case missing
    case eligible
    /// It is being deleted, or the cluster autoscaler is about to.
    case goingAway

    public init(_ node: Node) {
      self = node.isBeingDeleted || node.isToBeDeletedByAutoscaler ? .goingAway : .eligible
    }

    /// KEP-3836
    public var isEligible: Bool { self == .unknown || self == .eligible }
  }

  public init() {}

  /// Something has changed that is not in force yet.
  public mutating func queued(at now: UInt64) { oldestQueued = oldestQueued ?? now }

  /// All that changed before is in force.
  public mutating func updated(at time: WallTime) {
    oldestQueued = nil
    lastUpdated = time
  }

  /// The process is asked for a sign of life.
  public mutating func ping(at now: UInt64) { pinged = pinged ?? now }
  /// It gives one.
  public mutating func answerPing() { pinged = nil }

  /// - Returns: also before the first table, as in kube-proxy: `readyz` says more.
  public func isHealthy(at now: UInt64) -> Bool {
    !isLate(oldestQueued, now) && !isLate(pinged, now)
  }

  private func isLate(_ since: UInt64?, _ now: UInt64) -> Bool {
    since.map { now >= $0 && now - $0 >= Self.timeout } ?? false
  }

  /// `/healthz`: whether traffic should be sent to this node.
  public func healthz(at now: UInt64, _ time: WallTime) -> HealthAnswer {
    answer(isHealthy: isHealthy(at: now), time, isEligible: node.isEligible)
  }

  /// `/livez`: whether this process should go on. Unlike kube-proxy's it does not ask how long changes
  /// wait: a table that does not fit, or a lock that another command holds, would be the same for the next
  /// process, and while a kubelet waits with starting it, nobody follows what fits.
  public func livez(at now: UInt64, _ time: WallTime) -> HealthAnswer {
    answer(isHealthy: !isLate(pinged, now), time, isEligible: nil)
  }

  private func answer(isHealthy: Bool, _ time: WallTime, isEligible: Bool?) -> HealthAnswer {
    let isGood = isHealthy && isEligible ?? true
    // In kube-proxy, too, this is the present as long as all is well.
    let shown = isGood ? time : lastUpdated ?? .zero
    var json = #"{"lastUpdated":"\#(shown)","currentTime":"\#(time)""#
    if let isEligible { json += #","nodeEligible":\#(isEligible)"# }
    json += #","healthy":\#(isHealthy)"#
    if let lastUpdated {
      let families = ["IPv4", "IPv6"].map {
        #""\#($0)":{"lastUpdated":"\#(lastUpdated)","healthy":\#(isHealthy)}"#
      }
      json += #","status":{\#(families.joined(separator: ","))}"#
    }
    return HealthAnswer(
      code: isGood ? 200 : 503, headers: HealthAnswer.jsonHeaders, body: json + "}")
  }
}

/// A moment of the wall clock, as kube-proxy's JSON writes it.
public struct WallTime: Hashable, Sendable, CustomStringConvertible {
  /// Milliseconds since 1970; nil: Go's zero time.
  private var milliseconds: Int64?

  public static let zero = WallTime(nil)

  private init(_ nothing: Void?) { milliseconds = nil }
  public init(milliseconds: Int64) { self.milliseconds = milliseconds }

  /// Seconds since 1970, as metrics have it.
  public var seconds: Double { Double(milliseconds ?? 0) / 1000 }

  public var description: String {
    guard let milliseconds else { return "0001-01-01T00:00:00Z" }
    let text = "\(UTCTime(seconds: milliseconds / 1000))".dropLast()
    let digits = "\(1000 + milliseconds % 1000)".dropFirst()
    return "\(text).\(digits)Z"
  }

  /// A time as RFC 3339 writes it in UTC, with or without a fraction; nil for anything else.
  public init?(rfc3339 text: String) {
    guard text.hasSuffix("Z") else { return nil }
    let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let time = UTCTime("\(parts[0])Z") else { return nil }
    var fraction: Int64 = 0
    if parts.count == 2 {
      guard !parts[1].isEmpty, parts[1].utf8.allSatisfy({ (48...57).contains($0) }) else {
        return nil
      }
      fraction = Int64((parts[1] + "00").prefix(3)) ?? 0
    }
    milliseconds = time.seconds * 1000 + fraction
  }
}

/// What a question for health is answered.
public struct HealthAnswer: Hashable, Sendable {
  public var code: Int
  public var headers: [Header]
  public var body: String

  public struct Header: Hashable, Sendable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public init(code: Int, headers: [Header], body: String) {
    self.code = code
    self.headers = headers
    self.body = body
  }

  static let jsonHeaders = [
    Header("Content-Type", "application/json"), Header("X-Content-Type-Options", "nosniff"),
  ]
  static let textHeaders = [
    Header("Content-Type", "text/plain; charset=utf-8"),
    Header("X-Content-Type-Options", "nosniff"),
  ]
}
