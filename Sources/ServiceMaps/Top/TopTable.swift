/// What happened between two samples: one row for each service port, in the order that is asked for.
public struct TopTable: Sendable {
  /// What rows are sorted by; the largest first, names as they are.
  public enum Order: String, Sendable, CaseIterable {
    case rate, refused, failures, live, p99, name
  }

  public struct Options: Sendable {
    public var order: Order
    /// Empty: all.
    public var services: [SocketServiceFilter]
    /// How many rows; nil: all.
    public var limit: Int?

    public init(
      order: Order = .rate, services: [SocketServiceFilter] = [], limit: Int? = nil
    ) {
      self.order = order
      self.services = services
      self.limit = limit
    }
  }

  /// What stands out.
  public enum Problem: Hashable, Sendable {
    /// Clients are refused, because there is no endpoint.
    case noEndpoints
    /// The same, because a traffic policy keeps the endpoints away.
    case policy
    /// Clients of some addresses are refused; others have endpoints.
    case someFrontends
    /// Clients outside of the source ranges are refused.
    case sourceRanges
    /// Connections to backends fail.
    case failures
  }

  /// How much of what a service port got one backend was given.
  public struct Share: Hashable, Sendable {
    public var part: Double
    /// What each would get if all were given the same; nil: that is not known.
    public var fair: Double?
    /// It is further from that than chance explains.
    public var isUneven: Bool
  }

  public struct Row: Sendable {
    public var service: ServicePortName
    /// Connects and datagrams that were given a backend.
    public var new: UInt64 = 0
    public var refused: UInt64 = 0
    public var denied: UInt64 = 0
    public var connects = PathCounts()
    public var sockets: UInt64 = 0
    public var served: TopServices.Served
    /// Of the backend that is furthest above the share that would be fair; nil: fewer than two
    /// backends, or nothing was counted.
    public var share: Share?
    public var backends: [BackendRow] = []

    /// Refused for whatever reason.
    public var allRefused: UInt64 { refused + denied }

    public var problem: Problem? {
      if refused > 0 {
        if served.emptyFrontends < served.frontends { return .someFrontends }
        return served.whenEmpty == .drop ? .policy : .noEndpoints
      }
      if denied > 0 { return .sourceRanges }
      return connects.failures > 0 ? .failures : nil
    }

    /// Nobody can use it, and somebody tries.
    public var isAlarming: Bool { problem == .noEndpoints || problem == .policy }
  }

  public struct BackendRow: Sendable {
    public var backend: Backend
    public var state: SocketDump.BackendState
    /// nil: not known.
    public var new: UInt64?
    public var connects = PathCounts()
    public var sockets: UInt64 = 0
    public var share: Share?
  }

  /// The sum over all rows, those behind the limit too.
  public struct Totals: Hashable, Sendable {
    public var rows = 0
    public var new: UInt64 = 0
    public var refused: UInt64 = 0
    public var denied: UInt64 = 0
    public var failures: UInt64 = 0
    public var sockets: UInt64 = 0
    /// Rows that are alarming.
    public var alarming = 0
  }

  public private(set) var rows: [Row] = []
  public private(set) var totals = Totals()
  public let order: Order
  /// CLOCK_MONOTONIC at its end.
  public let time: UInt64
  public let seconds: Double
  /// Connections that could not be counted, of this time.
  public let uncounted: UInt64

  public init(from before: TopSample, to after: TopSample, _ options: Options = Options()) {
    order = options.order
    time = after.time
    seconds = max(Double(after.time &- before.time) / 1e9, 1e-9)
    uncounted = after.uncounted.counted(since: before.uncounted)
    let activity = TopActivity(from: before, to: after)
    rows.reserveCapacity(after.services.served.count)
    for (name, served) in after.services.served {
      if !options.services.isEmpty, !options.services.contains(where: { $0.admits(name, served) }) {
        continue
      }
      var row = Row(service: name, served: served)
      if let counters = after.counters[name] {
        let old = before.counters[name] ?? ServiceCounters()
        row.new = counters.translated.counted(since: old.translated)
        row.refused = counters.refused.counted(since: old.refused)
        row.denied = counters.denied.counted(since: old.denied)
      }
      for backend in activity.services[name]?.values ?? [:].values {
        row.connects.add(backend.connects)
        row.sockets += backend.sockets
      }
      totals.add(row)
      rows.append(row)
    }
    sort()
    if let limit = options.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
    for index in rows.indices {
      rows[index].addBackends(
        before.counters[rows[index].service], after.counters[rows[index].service],
        activity.services[rows[index].service] ?? [:])
    }
  }

  /// What nobody can use comes first, unless names are asked for.
  private mutating func sort() {
    func sorted<Key: Comparable>(_ key: (Row) -> Key) {
      // Keys once for each row: quantiles take a while.
      let keyed = rows.map { (key: key($0), row: $0) }.sorted { a, b in
        if a.row.isAlarming != b.row.isAlarming { return a.row.isAlarming }
        return a.key != b.key ? a.key > b.key : a.row.service < b.row.service
      }
      rows = keyed.map(\.row)
    }
    switch order {
    case .rate: sorted(\.new)
    case .refused: sorted(\.allRefused)
    case .failures: sorted(\.connects.failures)
    case .live: sorted(\.sockets)
    case .p99: sorted { $0.connects.took.quantile(0.99) ?? -1 }
    case .name: rows.sort { $0.service < $1.service }
    }
  }

  /// How often in a second.
  public func rate(_ count: UInt64) -> Double { Double(count) / seconds }
}

extension TopTable.Totals {
  fileprivate mutating func add(_ row: TopTable.Row) {
    rows += 1
    new += row.new
    refused += row.refused
    denied += row.denied
    failures += row.connects.failures
    sockets += row.sockets
    if row.isAlarming { alarming += 1 }
  }
}

extension SocketServiceFilter {
  fileprivate func admits(_ name: ServicePortName, _ served: TopServices.Served) -> Bool {
    guard service == name.service else { return false }
    return port.map { $0 == name.port || $0 == served.number?.description } ?? true
  }
}
