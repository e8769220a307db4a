/// What clients may take.
public struct HTTPLimits: Sendable {
  /// Connections for each purpose; one more ends the one that has been there longest.
  public var connections = 64
  /// Bytes of all headers of a request.
  public var headerBytes = 16 * 1024
  /// Bytes of what comes with a request, which nobody reads.
  public var bodyBytes = 64 * 1024
  /// Seconds for a request to come: the first one, and the next one on the same connection.
  public var requestSeconds: Int64 = 10
  public var idleSeconds: Int64 = 90
  /// Seconds for an answer to be taken.
  public var answerSeconds: Int64 = 30
  /// Seconds until a listener that failed is tried again.
  public var retrySeconds: Int64 = 5

  public init() {}
}
