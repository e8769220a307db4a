/// Where an API server listens.
public struct ClusterServer: Hashable, Sendable, CustomStringConvertible {
  public enum Scheme: String, Sendable {
    case http, https
  }

  public var scheme: Scheme
  /// A name or an address; an IPv6 address without brackets.
  public var host: String
  public var port: Int
  /// What paths of the API are appended to: empty, or like `/k8s/clusters/c-x7`.
  public var basePath: String

  public init(scheme: Scheme, host: String, port: Int, basePath: String = "") {
    self.scheme = scheme
    self.host = host
    self.port = port
    self.basePath = basePath
  }

  /// Reads `https://10.0.0.1:6443/base`. Without a scheme it is https.
  ///
  /// - Returns: or what is wrong with it.
  static func parse(_ text: String) -> Result<ClusterServer, URLProblem> {
    PlainURL.parse(text).flatMap { url in
      guard url.user == nil else {
        return .failure("has a user name in it; credentials belong into the user's entry")
      }
      guard !url.hasQuery else { return .failure("has a query or a fragment") }
      guard let scheme = Scheme(rawValue: url.scheme ?? "https") else {
        return .failure("is neither http:// nor https://")
      }
      var path = Substring(url.path)
      while path.last == "/" { path.removeLast() }
      return .success(
        ClusterServer(
          scheme: scheme, host: url.host, port: url.port ?? (scheme == .https ? 443 : 80),
          basePath: String(path)))
    }
  }

  /// `https://10.0.0.1:6443/base`
  public var description: String { "\(scheme.rawValue)://\(authority)\(basePath)" }

  /// `10.0.0.1:6443`, `[::1]:6443`
  var authority: String { "\(bracketed(host)):\(port)" }

  /// As the `Host` header has it: without the scheme's own port.
  var hostHeader: String {
    port == (scheme == .https ? 443 : 80) ? bracketed(host) : authority
  }
}

func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }
