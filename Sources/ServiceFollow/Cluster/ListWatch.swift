public import ServiceMaps

/// Follows one kind of object at an API server: which request comes next, whatever became of the one
/// before (kubernetes.io/docs/reference/using-api/api-concepts; the order is client-go's reflector's).
///
/// First everything there is: as a streaming list (KEP-3157, `sendInitialEvents`) where the server has
/// it, else in pages. Then what changes, from the resource version of that on. A watch that ends is
/// begun anew where it ended. Only when the server does not know that place any more (410) is
/// everything listed again.
public struct ListWatch: Sendable {
  public enum Request: Hashable, Sendable {
    /// Everything, one event each, and then what changes.
    case streamingList(target: String)
    /// A page of everything.
    case list(target: String)
    /// Whether the server knows the place at which the watch is to go on: a list of nothing.
    case probe(target: String)
    /// What changes.
    case watch(target: String)

    public var target: String {
      switch self {
      case .streamingList(let target), .list(let target), .probe(let target), .watch(let target):
        target
      }
    }
  }

  /// Why a request came to nothing.
  public enum Failure: Hashable, Sendable {
    /// The server has answered with this.
    case status(ClusterStatus)
    /// It did not answer, or its answer broke off.
    case connection
    /// Nobody can read its answer.
    case answer
  }

  private enum Place: Hashable {
    /// Everything is to be listed, at this version: "" the newest, "0" any, else none that is older.
    case list(version: String)
    /// The next page of a list, which was asked for at this version.
    case page(continueToken: String, version: String)
    /// The server is asked whether it has come to this version: one that was restored from a backup would
    /// say nothing to a watch until it has, and then leave out what came before.
    case probe(version: String)
    /// What comes after this version is to be watched.
    case watch(version: String)
  }

  public let resource: WatchedResource
  private var place = Place.list(version: "0")
  private var canStream: Bool
  private var canPage = true
  /// How many streaming lists in a row have come to nothing: pages can be had from every server.
  private var lostStreams = 0
  /// The newest version that is known; nil: none, or it is not to be trusted.
  private var version: String?
  private var delay = RetryDelay()
  /// Something has come since everything was listed last.
  private var hasMoved = false
  /// How often in a row the server has refused a watch for a reason that says nothing about the place.
  private var refusals = 0

  /// So many objects in a page (client-go's default).
  public static let pageSize = 500

  /// - Parameter canStream: false: lists come in pages, whatever the server can do.
  public init(_ resource: WatchedResource, canStream: Bool = true) {
    self.resource = resource
    self.canStream = canStream
  }

  /// What is known of it now is not everything that there is.
  public var isListing: Bool {
    switch place {
    case .list, .page: true
    case .probe, .watch: false
    }
  }

  /// - Parameter seconds: for how long the server may keep a watch open.
  public func request(seconds: Int) -> Request {
    switch place {
    case .list where canStream:
      // At least as new as what is known; without a version the newest there is.
      return .streamingList(
        target: resource.target([
          ("watch", "true"), ("sendInitialEvents", "true"), ("allowWatchBookmarks", "true"),
          ("resourceVersionMatch", "NotOlderThan"), ("resourceVersion", version ?? ""),
          ("timeoutSeconds", "\(seconds)"),
        ]))
    case .list(let version):
      var parameters: [(String, String)] = canPage ? [("limit", "\(Self.pageSize)")] : []
      if !version.isEmpty {
        parameters.append(("resourceVersion", version))
        parameters.append(("resourceVersionMatch", "NotOlderThan"))
      }
      return .list(target: resource.target(parameters))
    case .page(let token, _):
      return .list(
        target: resource.target([("limit", "\(Self.pageSize)"), ("continue", token)]))
    case .probe(let version):
      return .probe(
        target: resource.nothing([
          ("limit", "1"), ("resourceVersion", version), ("resourceVersionMatch", "NotOlderThan"),
        ]))
    case .watch(let version):
      return .watch(
        target: resource.target([
          ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
          ("timeoutSeconds", "\(seconds)"),
        ]))
    }
  }

  // MARK: What became of it

  /// A page was read.
  ///
  /// - Returns: whether it was the last one.
  public mutating func took(_ page: ClusterListHead) -> Bool {
    guard page.continueToken.isEmpty else {
      var asked = version ?? ""
      if case .list(let version) = place { asked = version }
      if case .page(_, let version) = place { asked = version }
      place = .page(continueToken: page.continueToken, version: asked)
      return false
    }
    canPage = true
    listed(at: page.resourceVersion)
    return true
  }

  /// A streaming list is complete.
  public mutating func completed(at version: String) {
    lostStreams = 0
    listed(at: version)
  }

  private mutating func listed(at version: String) {
    self.version = version
    place = .watch(version: version)
    (hasMoved, refusals) = (false, 0)
  }

  /// An event of a watch, or a bookmark, was taken in.
  public mutating func reached(_ version: String) {
    guard case .watch = place, !version.isEmpty else { return }
    delay.reset()
    self.version = version
    place = .watch(version: version)
    (hasMoved, refusals) = (true, 0)
  }

  /// The server has come to the place at which the watch is to go on.
  public mutating func probed() {
    if case .probe(let version) = place { place = .watch(version: version) }
  }

  /// An answer has lasted for a while: whatever was wrong before is over.
  public mutating func lasted() { delay.reset() }

  /// The server has ended an answer in good order.
  ///
  /// - Parameter wasShort: nothing had come within a second.
  /// - Returns: how long to wait, in nanoseconds.
  public mutating func ended(wasShort: Bool, random: UInt64) -> UInt64 {
    // A list that was to be streamed and is not complete begins anew.
    loseStream()
    return wasShort || isListing ? delay.next(random) : 0
  }

  /// Nothing has come from a watch for longer than usual.
  public mutating func wasSilent() { probe() }

  private mutating func probe() {
    if case .watch(let version) = place { place = .probe(version: version) }
  }

  private mutating func loseStream() {
    guard isListing, canStream else { return }
    lostStreams += 1
    if lostStreams > 1 { canStream = false }
  }

  /// - Parameter retryAfter: what the server asks for, in seconds.
  /// - Returns: how long to wait, in nanoseconds.
  public mutating func failed(
    _ failure: Failure, retryAfter: Int? = nil, random: UInt64
  ) -> UInt64 {
    var wasPage = false
    if case .page(_, let version) = place {
      wasPage = true
      place = .list(version: version)
    }
    switch failure {
    case .connection:
      loseStream()
      // It may be another server, or another state of it, that answers next.
      probe()
      return delay.next(random)
    case .answer:
      loseStream()
      if !isListing { place = .list(version: version ?? "") }
      return delay.next(random)
    case .status(let status):
      let isAtOnce = take(status, wasPage)
      if let asked = retryAfter ?? status.retryAfterSeconds {
        return delay.atLeast(UInt64(clamping: asked) &* 1_000_000_000, random)
      }
      return isAtOnce ? 0 : delay.next(random)
    }
  }

  /// - Returns: whether there is no use in waiting.
  private mutating func take(_ status: ClusterStatus, _ wasPage: Bool) -> Bool {
    switch status.code {
    case 410:
      // At once, unless that has led nowhere: then lists are older than what can be watched.
      let isAtOnce = hasMoved || wasPage
      hasMoved = false
      listAnew()
      // The pages that were left cannot be had: everything in one then.
      if wasPage { canPage = false }
      return isAtOnce
    case 504 where status.causes.contains("ResourceVersionTooLarge"):
      // The server is behind, or it was restored from a backup: what it has is the truth.
      listAnew()
    case 400, 422:
      // It does not know `sendInitialEvents`, or not for this.
      if isListing, canStream {
        canStream = false
        return true
      }
      listAnew()
    case 401, 429: break
    default:
      loseStream()
      // A server that goes on refusing to say what changes may say what there is.
      refusals += isListing ? 0 : 1
      if refusals > 2 {
        refusals = 0
        place = .list(version: version ?? "")
      }
    }
    return false
  }

  private mutating func listAnew() {
    version = nil
    place = .list(version: "")
  }
}

/// How long to wait before the next try: twice as long each time, and never the same for two nodes.
public struct RetryDelay: Sendable {
  /// 100 ms at first; 15 s at most.
  public static let first: UInt64 = 100_000_000
  public static let longest: UInt64 = 15_000_000_000

  private var last: UInt64 = 0

  public init() {}

  /// It worked.
  public mutating func reset() { last = 0 }

  /// Between the half and the whole of it.
  public mutating func next(_ random: UInt64) -> UInt64 {
    last = last == 0 ? Self.first : min(last * 2, Self.longest)
    return last / 2 + random % (last / 2 + 1)
  }

  /// What the server asks for, and up to a tenth more; never more than five minutes.
  public mutating func atLeast(_ asked: UInt64, _ random: UInt64) -> UInt64 {
    let time = max(min(asked, 300_000_000_000), next(random))
    return time + random % (time / 10 + 1)
  }
}
