/// `NAMESPACE/NAME[:PORT]`; the port by its name, or the number of the VIP.
public struct SocketServiceFilter: Hashable, Sendable {
  public var service: NamespacedName
  public var port: String?

  public init(service: NamespacedName, port: String? = nil) {
    self.service = service
    self.port = port
  }

  /// A name without a namespace is one in `default`.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, !parts.contains("") else { return nil }
    let names = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard names.count <= 2, !names.contains("") else { return nil }
    self.init(
      service: NamespacedName(
        namespace: names.count == 2 ? names[0] : "default", name: names[names.count - 1]),
      port: parts.count == 2 ? parts[1] : nil)
  }

  func admits(_ row: SocketDump.Row) -> Bool {
    guard let name = row.service, name.service == service else { return false }
    return port.map { $0 == name.port || $0 == row.flow.vip.port.description } ?? true
  }
}

/// `ADDR[:PORT]`; an IPv6 address with a port stands in brackets.
public struct SocketBackendFilter: Hashable, Sendable {
  public var address: IPAddress
  public var port: Port?

  public init(address: IPAddress, port: Port? = nil) {
    self.address = address
    self.port = port
  }

  public init?(_ text: String) {
    if let address = IPAddress(text) {
      self.init(address: address)
      return
    }
    var host = text[...]
    var port: Port?
    // The colons of an IPv6 address are inside of the brackets.
    if let colon = text.lastIndex(of: ":"), text.last != "]" {
      guard let number = UInt16(text[text.index(after: colon)...]) else { return nil }
      port = Port(number)
      if port == nil { return nil }
      host = text[..<colon]
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    guard let address = IPAddress(host) else { return nil }
    self.init(address: address, port: port)
  }

  func admits(_ backend: Backend) -> Bool {
    backend.address == address && (port == nil || backend.port == port)
  }
}
