/// Why a request to a cluster's API has no complete response. Nothing in it is secret.
public enum ClusterError: Error, Sendable, CustomStringConvertible {
  /// No connection to any server: what was tried, in this order.
  case unreachable([ClusterAttempt])
  /// Nothing came for so long.
  case timeout(ClusterServer, ClusterPhase, Duration)
  /// The connection broke.
  case connectionLost(ClusterServer, ClusterPhase, String)
  /// The body ended before it was complete.
  case truncated(ClusterServer, String)
  /// What came is not HTTP/1.1, or beyond what is read of it.
  case protocolViolation(ClusterServer, String)
  /// The server wants the request somewhere else; that is not followed.
  case redirected(ClusterServer, status: Int, location: String)
  /// There are no credentials to send; or certificates or keys that cannot be used.
  case credentials(String)
  /// `collect(upTo:)` found more.
  case tooLarge(ClusterServer, limit: Int)
  /// The credentials that the connection was made with were replaced; ask again.
  case superseded(ClusterServer)
  /// The request cannot be sent as it is.
  case invalidRequest(String)
  /// The task was cancelled.
  case cancelled
  /// The client was shut down.
  case shutDown

  /// Whether the same request may go well later without anybody doing something.
  public var mayPass: Bool {
    switch self {
    case .unreachable, .timeout, .connectionLost, .truncated, .protocolViolation, .credentials,
      .superseded, .redirected:
      true
    case .tooLarge, .invalidRequest, .cancelled, .shutDown: false
    }
  }

  public var description: String {
    switch self {
    case .unreachable(let attempts):
      attempts.count == 1
        ? "cannot reach the API server: \(attempts[0])"
        : "cannot reach any of the \(attempts.count) API servers: "
          + attempts.map(\.description).joined(separator: "; ")
    case .timeout(let server, .head, let limit):
      "\(server): no response within \(limit.text)"
    case .timeout(let server, .body, let limit):
      "\(server): nothing came of the response for \(limit.text)"
    case .connectionLost(let server, .head, let why):
      "\(server): the connection was lost before the response: \(why)"
    case .connectionLost(let server, .body, let why):
      "\(server): the connection was lost in the middle of the response: \(why)"
    case .truncated(let server, let why): "\(server): the response is cut off: \(why)"
    case .protocolViolation(let server, let what): "\(server): \(what)"
    case .redirected(let server, let status, let location):
      "\(server): answered \(status), a redirect to \(location), which is not followed; "
        + "configure that server instead if it is the right one"
    case .credentials(let what): what
    case .tooLarge(let server, let limit): "\(server): the response has more than \(limit) bytes"
    case .superseded(let server):
      "\(server): the connection was given up because its client certificate was replaced"
    case .invalidRequest(let what): what
    case .cancelled: "cancelled"
    case .shutDown: "the client was shut down"
    }
  }
}

/// What was being waited for.
public enum ClusterPhase: Sendable {
  case head, body
}

/// A connection to one server that did not come about.
public struct ClusterAttempt: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    case name, refused, unreachable, timeout, tls, proxy, other
  }

  public var server: ClusterServer
  public var kind: Kind
  public var reason: String

  /// `https://10.0.0.1:6443: connection refused`
  public var description: String { "\(server): \(reason)" }
}

extension Duration {
  /// `10 s`, `250 ms`
  var text: String {
    let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
  }
}
