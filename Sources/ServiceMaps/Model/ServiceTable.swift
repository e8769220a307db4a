/// An address and port that traffic is sent on to.
public struct Backend: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var address: IPAddress
  public var port: Port

  public init(address: IPAddress, port: Port) {
    self.address = address
    self.port = port
  }

  public static func < (a: Backend, b: Backend) -> Bool {
    a.address != b.address ? a.address < b.address : a.port < b.port
  }

  /// `10.0.0.1:80` or `[fd00::1]:80`.
  public var description: String {
    address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}

/// What kind of address a frontend stands for. The raw value is the contract of `dump -o json`.
public enum FrontendKind: String, Hashable, Sendable, CaseIterable {
  case clusterIP = "ClusterIP"
  case nodePort = "NodePort"
  case externalIP = "ExternalIP"
  case loadBalancer = "LoadBalancer"
  case hostPort = "HostPort"
}

/// What an application connects to: the key of the data plane.
public struct FrontendKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var address: IPAddress
  public var port: Port
  public var transport: TransportProtocol

  public init(address: IPAddress, port: Port, transport: TransportProtocol) {
    self.address = address
    self.port = port
    self.transport = transport
  }

  /// By address bytes (IPv4 first), then port number, then protocol name.
  public static func < (a: FrontendKey, b: FrontendKey) -> Bool {
    if a.address != b.address { return a.address < b.address }
    return a.port != b.port ? a.port < b.port : a.transport < b.transport
  }

  /// `10.96.0.1:80/TCP`
  public var description: String {
    "\(Backend(address: address, port: port))/\(transport)"
  }
}

/// How a backend is chosen. Belongs to the service port.
public enum Algorithm: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  /// Uniform, independent of earlier choices; what kube-proxy does.
  case random
  /// One after the other, over all clients of the node.
  case roundRobin = "round-robin"

  public var description: String { rawValue }
}

/// For what a backend of a UDP frontend is chosen. The raw value is the value of the annotation.
public enum UDPChoice: String, Hashable, Sendable, CaseIterable {
  /// A socket keeps its backend as long as that one serves.
  case socket
  /// Each datagram of an unconnected socket gets a backend of its own.
  case datagram
}

/// What a client of a frontend without backends gets.
public enum EmptyVerdict: String, Hashable, Sendable, CaseIterable {
  /// ECONNREFUSED, where kube-proxy rejects: there is no endpoint at all.
  case refuse
  /// EHOSTUNREACH at once, where kube-proxy drops: there are endpoints, but a policy keeps them
  /// from this node.
  case drop
}

/// One frontend with everything the data plane needs to know of it.
public struct Frontend: Hashable, Sendable {
  public var key: FrontendKey
  public var kind: FrontendKind
  public var service: ServicePortName
  /// Seconds; nil when the Service has no session affinity.
  public var affinityTimeout: UInt32?
  public var algorithm: Algorithm
  /// `.socket` unless the transport is UDP.
  public var udpChoice: UDPChoice
  /// Belongs to the service port.
  public var termination: Termination
  /// What clients get when `backends` is empty.
  public var whenEmpty: EmptyVerdict
  /// Only clients with a source address in one of these get through; empty: everybody.
  /// Sorted, of the family of the key.
  public var sourceRanges: [IPPrefix]
  /// Sorted, without duplicates.
  public var backends: [Backend]

  public init(
    key: FrontendKey, kind: FrontendKind, service: ServicePortName,
    affinityTimeout: UInt32? = nil, algorithm: Algorithm = .random,
    udpChoice: UDPChoice = .socket, termination: Termination = .standard,
    whenEmpty: EmptyVerdict = .refuse, sourceRanges: [IPPrefix] = [], backends: [Backend] = []
  ) {
    self.key = key
    self.kind = kind
    self.service = service
    self.affinityTimeout = affinityTimeout
    self.algorithm = algorithm
    self.udpChoice = udpChoice
    self.termination = termination
    self.whenEmpty = whenEmpty
    self.sourceRanges = sourceRanges
    self.backends = backends
  }
}

/// A backend that still serves for a service port and is in none of its lists: it gets no new
/// sockets, and those that have it stay with it.
public struct KeptEndpoint: Hashable, Comparable, Sendable {
  public var service: ServicePortName
  public var backend: Backend

  public init(service: ServicePortName, backend: Backend) {
    self.service = service
    self.backend = backend
  }

  public static func < (a: KeptEndpoint, b: KeptEndpoint) -> Bool {
    a.service != b.service ? a.service < b.service : a.backend < b.backend
  }
}

/// The whole of what the data plane does: frontends sorted by key, each key once.
///
/// It is computed from manifests, and read back from the kernel maps; the two are
/// compared and printed as the same value.
public struct ServiceTable: Hashable, Sendable {
  public private(set) var frontends: [Frontend]
  /// Addresses of which every port and protocol that is no frontend is refused: ClusterIPs
  /// (kube-proxy nftables, chain service-endpoints-check). Sorted.
  public private(set) var guardedAddresses: [IPAddress]
  /// Computed: every endpoint that serves and is not listed. Read from the maps: those of them
  /// that have been listed before, because only these have an id that a socket may remember.
  /// Sorted.
  public private(set) var keptEndpoints: [KeptEndpoint]

  public init() {
    frontends = []
    guardedAddresses = []
    keptEndpoints = []
  }

  /// - Precondition: no two frontends share a key; the compiler settles conflicts.
  public init(
    frontends: [Frontend], guardedAddresses: [IPAddress] = [], keptEndpoints: [KeptEndpoint] = []
  ) {
    self.frontends = frontends.sorted { $0.key < $1.key }
    self.guardedAddresses = guardedAddresses.sorted()
    // Each once.
    if zip(self.guardedAddresses, self.guardedAddresses.dropFirst()).contains(where: ==) {
      self.guardedAddresses = Set(guardedAddresses).sorted()
    }
    self.keptEndpoints = keptEndpoints.sorted()
  }
}
