/// One request to the API.
public struct ClusterRequest: Sendable {
  public var method = "GET"
  /// With the query, percent-encoded where needed: `/api/v1/services?limit=500`.
  public var path: String
  /// In this order; none of them is secret. `Host`, `User-Agent`, `Content-Length` and those of the
  /// credentials are added.
  public var headers: [(name: String, value: String)] = []
  public var body: [UInt8] = []
  public var limits = ClusterLimits()

  public init(_ path: String, accept: String = "application/json") {
    self.path = path
    headers = [("Accept", accept)]
  }
}

/// How long things may take.
public struct ClusterLimits: Hashable, Sendable {
  /// Connecting to one server, with the lookup of its name, the proxy and TLS.
  public var connect: Duration = .seconds(10)
  /// From the request to the head of the response.
  public var head: Duration = .seconds(30)
  /// The longest silence within the body while somebody waits for it; nil: any.
  public var idle: Duration?

  public init() {}
}
