/// The node whose traffic is balanced: what "local", "same zone" and "node port" mean.
public struct NodeIdentity: Hashable, Sendable {
  /// `spec.nodeName` of the Pods that run here; empty: unknown, and no endpoint of a slice is local.
  public var name: String
  /// The label `topology.kubernetes.io/zone`.
  public var zone: String?
  /// The node's own addresses. The first of each family is its primary one.
  public var addresses: [IPAddress]

  public init(name: String = "", zone: String? = nil, addresses: [IPAddress] = []) {
    self.name = name
    self.zone = zone
    self.addresses = addresses
  }

  /// This node as its Node object describes it, if that is known and as far as it does: the zone
  /// from the label, the addresses from `status.addresses`. What it leaves open stays as given.
  public func resolved(in known: KnownObjects) -> NodeIdentity {
    let id = ObjectID(kind: .node, name: NamespacedName(namespace: "", name: name))
    guard !name.isEmpty, case .node(let node)? = known[id]?.object else { return self }
    return NodeIdentity(
      name: name, zone: node.zone ?? zone,
      addresses: node.addresses.isEmpty ? addresses : node.addresses)
  }

  /// What kube-proxy calls the node IP of a family.
  func primaryAddress(in family: IPFamily) -> IPAddress? {
    addresses.first { $0.family == family && $0.canBeNodeAddress }
  }
}

extension IPAddress {
  static let loopback = IPAddress(v4: 0x7f00_0001)

  /// Whether node ports may be served here. Loopback is a choice of its own.
  var canBeNodeAddress: Bool { !isLoopback && !isUnspecified && !isMulticast }
}
