extension APIServer {
  public struct Options: Sendable {
    /// Where it listens. Port 0 lets the kernel choose one, which is then kept.
    public var address = "127.0.0.1"
    public var port = 0
    /// Without it, plain HTTP.
    public var tls: TLSFiles?
    public var access = Access()
    /// Whether streaming lists (`sendInitialEvents`) are offered.
    public var watchList = true
    /// Seconds between bookmarks; nil for none but at the end. A real server's is a minute.
    public var bookmarkInterval: Double? = 60
    /// How many changes of each kind of object can be watched afterwards.
    public var historyLength = 20_000
    /// The first revision; nil for a large one by chance.
    public var revision: UInt64?
    /// Says 410 as HTTP status of a watch instead of by an event in a stream.
    public var expiresByStatus = false
    /// How long a request for a version that is yet to come waits for it.
    public var secondsForLargeVersions = 3.0
    /// Answers 406 to those that do not accept JSON.
    public var isStrictAboutAccept = true
    var acceptsCertificates: Bool { tls?.clientCA != nil }

    public init() {}
  }

  /// The files of a server with TLS, PEM.
  public struct TLSFiles: Sendable {
    public var certificate: String
    public var key: String
    /// Who signs the certificates of clients; nil to ask for none.
    public var clientCA: String?

    public init(certificate: String, key: String, clientCA: String? = nil) {
      (self.certificate, self.key, self.clientCA) = (certificate, key, clientCA)
    }
  }
}

/// What keeps a test server from doing its work.
public struct APIServerProblem: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
