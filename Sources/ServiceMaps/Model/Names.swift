/// The transport of a service port. The raw value is the IP protocol number.
public enum TransportProtocol: UInt8, Hashable, Comparable, Sendable, CaseIterable,
  CustomStringConvertible
{
  case tcp = 6
  case udp = 17
  case sctp = 132

  public static func < (a: TransportProtocol, b: TransportProtocol) -> Bool {
    a.description < b.description
  }

  /// Upper case, as Kubernetes spells it.
  public var description: String {
    switch self {
    case .tcp: "TCP"
    case .udp: "UDP"
    case .sctp: "SCTP"
    }
  }

  public init?(name: some StringProtocol) {
    switch name {
    case "TCP": self = .tcp
    case "UDP": self = .udp
    case "SCTP": self = .sctp
    default: return nil
    }
  }
}

/// A port number, 1…65535, in host byte order.
public struct Port: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let number: UInt16

  public init?(_ number: some BinaryInteger) {
    guard let value = UInt16(exactly: number), value != 0 else { return nil }
    self.number = value
  }

  private init(valid number: UInt16) { self.number = number }

  static let lowest = Port(valid: 1)

  public static func < (a: Port, b: Port) -> Bool { a.number < b.number }
  public var description: String { String(number) }
}

/// A namespace and a name.
public struct NamespacedName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var namespace: String
  public var name: String

  public init(namespace: String, name: String) {
    self.namespace = namespace
    self.name = name
  }

  public static func < (a: NamespacedName, b: NamespacedName) -> Bool {
    a.namespace != b.namespace ? a.namespace < b.namespace : a.name < b.name
  }

  public var description: String { "\(namespace)/\(name)" }
}

/// What kube-proxy calls a ServicePortName: the identity of one port of a Service.
/// Endpoints, session affinity and counters belong to it (pkg/proxy/types.go).
public struct ServicePortName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var service: NamespacedName
  /// Empty for the only, unnamed port of a Service.
  public var port: String
  public var transport: TransportProtocol

  public init(service: NamespacedName, port: String, transport: TransportProtocol) {
    self.service = service
    self.port = port
    self.transport = transport
  }

  public static func < (a: ServicePortName, b: ServicePortName) -> Bool {
    if a.service != b.service { return a.service < b.service }
    return a.port != b.port ? a.port < b.port : a.transport < b.transport
  }

  /// `namespace/name:port`, or `namespace/name` for an unnamed port.
  public var description: String { port.isEmpty ? "\(service)" : "\(service):\(port)" }
}
