/// What goes wrong, and when. May be set at any time.
extension APIServer {
  /// The next requests that match get this instead of, or with, their answer.
  public func fail(_ match: RequestMatch = .all, with fault: Fault, times: Int = 1) {
    core.faults.add(match, fault, times)
  }

  /// No fault that was set for requests, events and watches is left.
  public func clearFaults() {
    core.faults.clear()
    core.disturbance.withLockedValue { $0 = nil }
  }

  /// Every so often something happens to one of the watches that run, by chance.
  public func disturbWatchesRandomly(
    seed: UInt64, everyMilliseconds period: Int, with faults: [StreamFault]
  ) {
    core.disturbance.withLockedValue {
      $0 = Disturbance(generator: SeededGenerator(seed: seed), period: period, faults: faults)
    }
    core.disturb()
  }

  /// Requests fail by chance.
  /// - Parameter rate: of how many, 0 to 1.
  public func failRandomly(seed: UInt64, rate: Double, with faults: [Fault]) {
    core.faults.setChance(seed: seed, rate: rate, faults)
  }

  /// Events come twice or late by chance.
  public func disturbEvents(_ faults: EventFaults) { core.faults.setEvents(faults) }

  /// Forgets the history.
  /// - Parameter watches: whether also watches of before are refused. A real server's cache knows
  ///   more than its storage, so that only lists and pages are.
  public func compact(watches: Bool = true) { core.store.compact(watches: watches) }

  /// Whether what comes from the cache (lists with resourceVersion 0, watches) stands still, as
  /// that of a server behind the others. Lists without a version know all.
  public func lag(_ isLagging: Bool) { core.store.freeze(isLagging) }

  /// Lets the resourceVersion go on as if other objects had been written.
  public func advance(by count: UInt64) { core.store.advance(by: count) }

  public func backup() -> Backup { core.store.backup() }

  /// A restart with an old backup: objects and resourceVersion go back.
  ///
  /// - Parameter bumpsRevision: as with `etcdutl snapshot restore --bump-revision … --mark-compacted`: the
  ///   resourceVersion goes on instead, so that none comes to mean something else than it did.
  public func restore(
    _ backup: Backup, bumpsRevision: Bool = false, byReset: Bool = false
  ) throws {
    goAway(byReset: byReset)
    core.store.restore(backup, bumpsRevision: bumpsRevision)
    try comeBack()
  }

  /// Whether streaming lists are offered.
  public var watchList: Bool {
    get { core.watchList.withLockedValue { $0 } }
    set { core.watchList.withLockedValue { $0 = newValue } }
  }

  /// Seconds between bookmarks, of the watches that begin now; nil for none but at the end.
  public var bookmarkInterval: Double? {
    get { core.bookmarkInterval.withLockedValue { $0 } }
    set { core.bookmarkInterval.withLockedValue { $0 = newValue } }
  }

  /// Whether an old version of a watch is refused by HTTP status instead of by an event.
  public var expiresByStatus: Bool {
    get { core.expiresByStatus.withLockedValue { $0 } }
    set { core.expiresByStatus.withLockedValue { $0 = newValue } }
  }

  /// What /readyz says.
  public var isReady: Bool {
    get { core.isReady.withLockedValue { $0 } }
    set { core.isReady.withLockedValue { $0 = newValue } }
  }

  /// Who may come in from now on. Connections that there are stay; each request is checked.
  public var access: Access {
    get { core.access.withLockedValue { $0 } }
    set { core.access.withLockedValue { $0 = newValue } }
  }

  // MARK: Records

  /// The last requests, in the order they came.
  public var requests: [Request] { core.requests }

  public func requests(_ verb: String, _ resource: String? = nil) -> [Request] {
    core.requests.filter { RequestMatch(verb, resource).matches($0) }
  }

  public func clearRequests() { core.clearRequests() }

  /// How many requests came since the start, also those no longer recorded.
  public var requestCount: Int { core.requestCount }

  /// How many events were sent to all watches, without bookmarks.
  public var eventCount: Int { core.eventCount }
}
