/// Where a server listens.
public struct HTTPAddress: Hashable, Sendable, CustomStringConvertible {
  /// nil: all addresses of both families.
  public var host: String?
  public var port: UInt16

  public init(host: String?, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// As kube-proxy's options have it: `IP:port`, `[IP]:port`, or an IP alone. 0.0.0.0 and `::` stand
  /// for all addresses of both families, as they do there.
  ///
  /// - Returns: nil when it is neither; whether the host is an address shows when it is listened at.
  public init?(_ text: String, defaultPort: UInt16) {
    var host = Substring(text)
    var port: UInt16? = defaultPort
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      let rest = text[text.index(after: end)...]
      if !rest.isEmpty { port = rest.hasPrefix(":") ? UInt16(rest.dropFirst()) : nil }
    } else if let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon {
      host = text[..<colon]
      port = UInt16(text[text.index(after: colon)...])
    }
    guard let port, port != 0 else { return nil }
    self.host = ["", "0.0.0.0", "::"].contains(host) ? nil : String(host)
    self.port = port
  }

  /// `127.0.0.1:10249`, `[::1]:10249`, `*:10249`
  public var description: String {
    guard let host else { return "*:\(port)" }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
