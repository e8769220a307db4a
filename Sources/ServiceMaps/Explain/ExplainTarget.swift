/// What is to be explained: an address, or a Service by its name.
public enum ExplainTarget: Hashable, Sendable {
  /// Without a port: all that are served there. Without a protocol: those that are, else TCP.
  case address(IPAddress, Port?, TransportProtocol?)
  /// All frontends of the Service, or of one of its ports.
  case service(SocketServiceFilter, TransportProtocol?)

  /// `10.96.0.10:53/udp`, `[fd00::10]:53`, `10.96.0.10`, `shop/web:http`, `shop/web`, `web`.
  public init?(_ text: String) {
    if let target = ExplainTarget(text, nil) {
      self = target
      return
    }
    guard let slash = text.lastIndex(of: "/"),
      let transport = TransportProtocol(name: text[text.index(after: slash)...].uppercased()),
      let target = ExplainTarget(String(text[..<slash]), transport)
    else { return nil }
    self = target
  }

  private init?(_ text: String, _ transport: TransportProtocol?) {
    if let place = SocketBackendFilter(text) {
      self = .address(place.address, place.port, transport)
      return
    }
    guard let filter = SocketServiceFilter(text), filter.service.name.utf8.allSatisfy(Self.isName),
      filter.service.namespace.utf8.allSatisfy(Self.isName),
      (filter.port ?? "").utf8.allSatisfy(Self.isName)
    else { return nil }
    self = .service(filter, transport)
  }

  /// Of a DNS label. What has other characters was meant to be something else: an address.
  private static func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// What there is to ask for, sorted: of a name the frontends that it has; an address with a port
  /// is always asked for, whether it is a frontend or not.
  public func keys(in states: [FamilyState]) -> [FrontendKey] {
    switch self {
    case .address(let address, let port, let transport):
      let served = states.lazy.filter { $0.family == address.family }.flatMap {
        $0.frontends.values.lazy.map(\.key)
      }
      .filter { key in
        key.address == address && (port == nil || key.port == port)
          && (transport == nil || key.transport == transport)
      }
      .sorted()
      guard let port, served.isEmpty else { return served }
      return [FrontendKey(address: address, port: port, transport: transport ?? .tcp)]
    case .service(let filter, let transport):
      return states.flatMap { state in
        state.frontends.values.compactMap { record in
          guard let name = state.services[record.service]?.name, name.service == filter.service,
            transport == nil || record.key.transport == transport,
            filter.port == nil || filter.port == name.port
              || filter.port == record.key.port.description
          else { return nil }
          return record.key
        }
      }
      .sorted()
    }
  }
}
