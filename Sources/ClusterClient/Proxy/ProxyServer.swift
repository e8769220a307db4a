/// A proxy that connections to a server are made through.
public struct ProxyServer: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
  public enum Scheme: String, Sendable {
    case http, https, socks5
  }

  public var scheme: Scheme
  public var host: String
  public var port: Int
  public var user: String?
  public var password: Secret?

  /// Reads `http://user:password@proxy.example:3128`.
  ///
  /// - Returns: or what is wrong with it, without the text itself.
  static func parse(_ text: String) -> Result<ProxyServer, URLProblem> {
    PlainURL.parse(text).flatMap { url in
      let name = url.scheme == "socks5h" ? "socks5" : url.scheme
      guard let name, let scheme = Scheme(rawValue: name) else {
        return .failure("must begin with http://, https:// or socks5://")
      }
      let standard = scheme == .http ? 80 : scheme == .https ? 443 : 1080
      return .success(
        ProxyServer(
          scheme: scheme, host: url.host, port: url.port ?? standard, user: url.user,
          password: url.password))
    }
  }

  /// Without user and password.
  public var description: String { "\(scheme.rawValue)://\(bracketed(host)):\(port)" }
  public var customMirror: Mirror { Mirror(self, children: ["server": description]) }

  /// The value of `Proxy-Authorization`.
  var authorization: Secret? {
    guard let user else { return nil }
    return Secret("Basic " + Base64.encode(Array("\(user):\(password?.value ?? "")".utf8)))
  }
}

/// Through which proxy servers are reached.
public enum ClusterProxy: Hashable, Sendable {
  case none
  /// This one, whatever the server and the environment are (`proxy-url` of a kubeconfig).
  case server(ProxyServer)
  /// As HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.
  case environment(ProxyEnvironment)

  func proxy(for server: ClusterServer) -> ProxyServer? {
    switch self {
    case .none: nil
    case .server(let proxy): proxy
    case .environment(let environment): environment.proxy(for: server)
    }
  }
}
