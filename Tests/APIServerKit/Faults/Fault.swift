/// What goes wrong with one answer.
public enum Fault: Sendable {
  /// A Status instead of what was asked for.
  case answer(APIStatus)
  /// Text that is no Status, as proxies answer.
  case page(Int, String, type: String = "text/html; charset=utf-8", retryAfter: Int? = nil)
  /// The connection is reset, or ended, before anything is answered.
  case reset, close
  /// Nothing is answered; the connection stays open.
  case silence
  /// So many seconds pass first.
  case delay(Double)
  /// The connection ends after so many bytes, in the middle of a chunk; with TLS without a goodbye.
  case cut(after: Int, byReset: Bool)
  /// No more than so many bytes a second are sent.
  case slow(bytesPerSecond: Int)
  /// The answer is no JSON.
  case garbage
  /// Of a watch: the events end after so many of those it begins with, as on time.
  case endOfInitialEvents(after: Int)
  /// Of a watch: the bookmark at the end of what it begins with never comes.
  case noInitialEventsEnd

  /// As the API server's flow control answers: no Status.
  public static func tooManyRequests(retryAfter: Int) -> Fault {
    .page(
      429, "Too many requests, please try again later.\n", type: "text/plain; charset=utf-8",
      retryAfter: retryAfter)
  }

  /// As a server answers whose cache of the resource is not ready: a Status.
  public static func cacheNotReady(retryAfter: Int) -> Fault {
    .answer(
      APIStatus(
        429, "TooManyRequests", "storage is (re)initializing", retryAfter: retryAfter))
  }

  public static let internalError = Fault.answer(
    APIStatus(
      500, "InternalError", "Internal error occurred: etcdserver: leader changed",
      details: ["causes": [["message": "etcdserver: leader changed"]]]))

  public static let unavailable = Fault.answer(
    APIStatus(503, "ServiceUnavailable", "apiserver is shutting down", details: [:]))

  public static let gatewayTimeout = Fault.answer(
    APIStatus(
      504, "Timeout", "Timeout: request did not complete within requested timeout", details: [:]))

  /// As HTTP status.
  public static let expired = Fault.answer(
    APIStatus(410, "Expired", "The resourceVersion for the provided watch is too old."))

  public static let unauthorized = Fault.answer(APIStatus(401, "Unauthorized", "Unauthorized"))
}

/// Which requests a fault is for. What is nil does not matter.
public struct RequestMatch: Sendable {
  public var verb: String?
  public var resource: String?
  public var also: @Sendable (Request) -> Bool

  public init(
    _ verb: String? = nil, _ resource: String? = nil,
    also: @escaping @Sendable (Request) -> Bool = { _ in true }
  ) {
    (self.verb, self.resource, self.also) = (verb, resource, also)
  }

  public static let all = RequestMatch()
  public static func list(_ resource: String? = nil) -> RequestMatch { .init("list", resource) }
  public static func watch(_ resource: String? = nil) -> RequestMatch { .init("watch", resource) }
  /// Lists that do not begin in the middle.
  public static func continuedList(_ resource: String? = nil) -> RequestMatch {
    .init("list", resource) { $0.query["continue"] != nil }
  }

  public func matches(_ request: Request) -> Bool {
    (verb == nil || verb == request.verb) && (resource == nil || resource == request.resource)
      && also(request)
  }
}

/// What happens to a watch that is running.
public enum StreamFault: Sendable {
  /// The connection is reset; it is ended without the end of the answer.
  case reset, close
  /// The answer ends as it should, and the connection stays.
  case end
  /// Nothing is sent from now on; the connection stays open.
  case silence
  /// An event breaks off in the middle of its chunk, and the connection ends.
  case cutChunk(byReset: Bool)
  /// An event breaks off; the answer ends as if that was all.
  case cutEvent
  /// An event ERROR with this Status, and the end of the answer.
  case error(APIStatus)
  /// The object of an event is no JSON; then it goes on.
  case badJSON
  /// An event of a type that nobody knows; then it goes on.
  case unknownType
  /// These bytes as one chunk.
  case raw([UInt8])
  /// A bookmark at once.
  case bookmark

  public static let expired = StreamFault.error(
    APIStatus(410, "Expired", "The resourceVersion for the provided watch is too old."))
}

/// What happens to events by chance, each a probability.
public struct EventFaults: Sendable {
  public var duplicates = 0.0
  /// An event comes after the next one of another object.
  public var swaps = 0.0
  public init(duplicates: Double = 0, swaps: Double = 0) {
    (self.duplicates, self.swaps) = (duplicates, swaps)
  }
}
