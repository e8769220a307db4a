/// What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say, read as Go's programs do.
public struct ProxyEnvironment: Hashable, Sendable {
  private var http: ProxyServer?
  private var https: ProxyServer?
  private var isOff = false
  private var exceptions: [Exception] = []

  private enum Exception: Hashable {
    case network([UInt8], bits: Int)
    case address([UInt8], port: Int?)
    /// - Parameter isItself: not only names below it.
    case domain(String, isItself: Bool, port: Int?)
  }

  /// - Parameter environment: names in capitals go before those in small letters.
  public init(_ environment: [String: String]) throws(ClusterConfigurationError) {
    func value(_ name: String) -> String? {
      for name in [name, name.lowercased()] {
        if let value = environment[name], !value.isEmpty { return value }
      }
      return nil
    }
    var problems: [ClusterConfigurationError.Problem] = []
    func server(_ name: String) -> ProxyServer? {
      guard let text = value(name) else { return nil }
      switch ProxyServer.parse(text.contains("://") ? text : "http://" + text) {
      case .success(let server): return server
      case .failure(let problem):
        problems.append(.init("the environment variable \(name) \(problem.message)"))
        return nil
      }
    }
    https = server("HTTPS_PROXY")
    // A CGI program's HTTP_PROXY is the client's header `Proxy`.
    http = environment["REQUEST_METHOD"] == nil ? server("HTTP_PROXY") : nil
    if !problems.isEmpty { throw ClusterConfigurationError(problems) }
    for entry in (value("NO_PROXY") ?? "").split(separator: ",") {
      let text = entry.trimmed.lowercased()
      if text == "*" { isOff = true }
      if !text.isEmpty, let exception = Self.exception(text) { exceptions.append(exception) }
    }
  }

  private static func exception(_ text: String) -> Exception? {
    if let slash = text.firstIndex(of: "/") {
      guard let bytes = IPText.bytes(String(text[..<slash])),
        let bits = Int(text[text.index(after: slash)...]), (0...bytes.count * 8).contains(bits)
      else { return nil }
      return .network(bytes, bits: bits)
    }
    if let bytes = IPText.bytes(text) { return .address(IPText.unmapped(bytes), port: nil) }
    var host = text[...]
    var port: Int?
    if let colon = text.lastIndex(of: ":"), let number = Int(text[text.index(after: colon)...]) {
      host = text[..<colon]
      port = number
    }
    if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
    if let bytes = IPText.bytes(String(host)) {
      return .address(IPText.unmapped(bytes), port: port)
    }
    if host.hasPrefix("*.") { host = host.dropFirst() }
    guard !host.isEmpty else { return nil }
    let isItself = host.first != "."
    return .domain(isItself ? "." + host : String(host), isItself: isItself, port: port)
  }

  /// The proxy for a server; nil: none.
  public func proxy(for server: ClusterServer) -> ProxyServer? {
    guard let proxy = server.scheme == .https ? https : http, !isOff else { return nil }
    let host = server.host.lowercased()
    if host == "localhost" { return nil }
    let bytes = IPText.bytes(host).map(IPText.unmapped)
    if let bytes, Self.isLoopback(bytes) { return nil }
    for exception in exceptions {
      switch exception {
      case .network(let network, let bits):
        if let bytes, Self.isWithin(bytes, network, bits: bits) { return nil }
      case .address(let address, let port):
        if bytes == address, port == nil || port == server.port { return nil }
      case .domain(let domain, let isItself, let port):
        guard port == nil || port == server.port else { continue }
        if host.hasSuffix(domain) || isItself && host == domain.dropFirst() { return nil }
      }
    }
    return proxy
  }

  private static func isLoopback(_ bytes: [UInt8]) -> Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
  }

  private static func isWithin(_ address: [UInt8], _ network: [UInt8], bits: Int) -> Bool {
    guard address.count == network.count else { return false }
    return (0..<bits).allSatisfy { bit in
      (address[bit / 8] ^ network[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0
    }
  }
}

extension StringProtocol {
  /// Without blanks and line ends around it.
  var trimmed: SubSequence {
    let start = firstIndex { !$0.isWhitespace } ?? endIndex
    let rest = self[start...]
    return rest[..<(rest.lastIndex { !$0.isWhitespace }.map { index(after: $0) } ?? start)]
  }
}
