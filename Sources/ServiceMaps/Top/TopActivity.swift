/// What connections and sockets did between two samples, by the names of today.
struct TopActivity {
  struct OfBackend {
    var connects = PathCounts()
    var sockets: UInt64 = 0
    var state = SocketDump.BackendState.gone
  }

  private(set) var services: [ServicePortName: [Backend: OfBackend]] = [:]

  init(from before: TopSample, to after: TopSample) {
    let isComparable = before.pathsEpoch == after.pathsEpoch
    for (id, path) in after.paths {
      let old = isComparable ? before.paths[id]?.counts : nil
      let counts = path.counts.since(old ?? PathCounts())
      if counts.isZero { continue }
      change(path.flow, before, after) { $0.connects.add(counts) }
    }
    for sockets in after.sockets.values {
      change(sockets.flow, before, after) { $0.sockets += sockets.count }
    }
  }

  private mutating func change(
    _ flow: SocketFlow, _ before: TopSample, _ after: TopSample, _ body: (inout OfBackend) -> Void
  ) {
    // What was a service's a moment ago may have lost its endpoint since.
    guard let name = after.services.name(of: flow) ?? before.services.name(of: flow) else { return }
    let state = after.services.state(of: flow)
    var activity = services[name, default: [:]][flow.backend] ?? OfBackend()
    body(&activity)
    // An endpoint that went and came back is the one that is there.
    if activity.state == .gone || state == .listed { activity.state = state }
    services[name, default: [:]][flow.backend] = activity
  }
}

extension TopTable.Row {
  /// The rows of its backends, and their shares: those that are listed, and those that are not and
  /// still have sockets or had connections.
  mutating func addBackends(
    _ before: ServiceCounters?, _ after: ServiceCounters?,
    _ activity: [Backend: TopActivity.OfBackend]
  ) {
    let counts = newByBackend(before, after)
    for family in IPFamily.allCases {
      let listed = served.listed[family] ?? []
      let sum = counts.map { counts in listed.reduce(0) { $0 + (counts[$1] ?? 0) } } ?? 0
      let isMixed = served.isMixed.contains(family)
      for backend in listed {
        var row = TopTable.BackendRow(backend: backend, state: .listed)
        row.new = counts.map { $0[backend] ?? 0 }
        if let new = row.new, sum > 0 {
          row.share = TopTable.Share(
            new, of: sum, among: listed.count, isFairKnown: !isMixed)
        }
        row.add(activity[backend])
        if listed.count > 1, let share = row.share, share.isFurther(than: self.share) {
          self.share = share
        }
        backends.append(row)
      }
    }
    let listed = Set(served.listed.values.joined())
    for backend in activity.keys.filter({ !listed.contains($0) }).sorted() {
      var row = TopTable.BackendRow(backend: backend, state: activity[backend]?.state ?? .gone)
      if row.state == .kept { row.new = counts.map { $0[backend] ?? 0 } }
      row.add(activity[backend])
      backends.append(row)
    }
  }

  /// nil: nobody has counted by backend.
  private func newByBackend(
    _ before: ServiceCounters?, _ after: ServiceCounters?
  ) -> [Backend: UInt64]? {
    guard let after, !after.backends.isEmpty else { return new == 0 ? [:] : nil }
    var result: [Backend: UInt64] = [:]
    for (backend, count) in after.backends {
      let old = before?.backends[backend] ?? 0
      // These are read while programs carry from one word to another: for a moment they may be some
      // hundreds too large.
      let isCarry = count < old && old - count < 1024
      result[backend] = isCarry ? 0 : min(count.counted(since: old), new)
    }
    return result
  }
}

extension TopTable.BackendRow {
  fileprivate mutating func add(_ activity: TopActivity.OfBackend?) {
    guard let activity else { return }
    connects.add(activity.connects)
    sockets += activity.sockets
  }
}

extension TopTable.Share {
  /// - Parameter isFairKnown: each of `among` backends is drawn as often as any other.
  init(_ count: UInt64, of sum: UInt64, among: Int, isFairKnown: Bool) {
    part = Double(count) / Double(sum)
    guard isFairKnown else {
      (fair, isUneven) = (nil, false)
      return
    }
    let fair = 1 / Double(among)
    self.fair = fair
    let expected = Double(sum) * fair
    let deviation = (expected * (1 - fair)).squareRoot()
    // Among 10,000 backends one is four deviations off by chance about every other time.
    isUneven = expected >= 5 && abs(Double(count) - expected) > 5 * deviation
  }

  /// Further above the fair share.
  fileprivate func isFurther(than other: TopTable.Share?) -> Bool {
    guard let other else { return true }
    return part - (fair ?? 0) > other.part - (other.fair ?? 0)
  }
}
