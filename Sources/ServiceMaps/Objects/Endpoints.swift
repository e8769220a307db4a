/// An EndpointSlice (discovery.k8s.io/v1), reduced to what the rules need.
public struct EndpointSlice: Hashable, Sendable {
  public enum AddressType: String, Hashable, Sendable, CaseIterable {
    case v4 = "IPv4"
    case v6 = "IPv6"
    case fqdn = "FQDN"
  }

  public struct SlicePort: Hashable, Sendable {
    public var name: String
    public var transport: TransportProtocol
    public var port: Port

    public init(name: String, transport: TransportProtocol, port: Port) {
      self.name = name
      self.transport = transport
      self.port = port
    }
  }

  public struct Endpoint: Hashable, Sendable {
    /// `addresses[0]`: the only one kube-proxy uses.
    public var address: IPAddress
    /// nil → true
    public var isReady = true
    /// nil → true (kube-proxy; not "the same as ready")
    public var isServing = true
    /// nil → false
    public var isTerminating = false
    public var nodeName: String?
    public var zone: String?
    public var hintedZones: [String] = []
    public var hintedNodes: [String] = []

    public init(address: IPAddress) { self.address = address }
  }

  public var meta: ObjectMeta
  public var addressType: AddressType
  /// Ports without a name (null) or without a number are left out, as kube-proxy does.
  public var ports: [SlicePort] = []
  public var endpoints: [Endpoint] = []

  public init(meta: ObjectMeta, addressType: AddressType) {
    self.meta = meta
    self.addressType = addressType
  }

  /// The Service this slice belongs to: label `kubernetes.io/service-name`, same namespace.
  public var serviceName: NamespacedName? {
    guard let name = meta.labels["kubernetes.io/service-name"], !name.isEmpty else { return nil }
    return NamespacedName(namespace: meta.name.namespace, name: name)
  }

  /// kube-proxy does not see slices with this label, whatever its value.
  public var isHeadless: Bool { meta.labels["service.kubernetes.io/headless"] != nil }
}

/// An Endpoints object (core/v1). Used only for a Service that has no EndpointSlice.
public struct Endpoints: Hashable, Sendable {
  public struct EndpointPort: Hashable, Sendable {
    /// Empty when the port has no name.
    public var name: String
    public var transport: TransportProtocol
    public var port: Port

    public init(name: String, transport: TransportProtocol, port: Port) {
      self.name = name
      self.transport = transport
      self.port = port
    }
  }

  public struct Subset: Hashable, Sendable {
    public var addresses: [IPAddress]
    public var notReadyAddresses: [IPAddress]
    public var ports: [EndpointPort]
    /// `nodeName` of those addresses that have one.
    public var nodeNames: [IPAddress: String] = [:]

    public init(addresses: [IPAddress], notReadyAddresses: [IPAddress], ports: [EndpointPort]) {
      self.addresses = addresses
      self.notReadyAddresses = notReadyAddresses
      self.ports = ports
    }
  }

  public var meta: ObjectMeta
  public var subsets: [Subset] = []

  public init(meta: ObjectMeta) { self.meta = meta }
}
