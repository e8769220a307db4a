/// Which addresses and node ports the known Services have, for a process that changes some of them
/// again and again and does not want to look at all of them each time.
public struct ResidentAllocations: Sendable {
  let cidrs: ServiceCIDRs
  let range: NodePortRange
  var addresses: ClusterIPAllocator
  var ports: NodePortAllocator
  /// False: they have to be collected anew.
  private var isComplete = false

  public init(cidrs: ServiceCIDRs = .standard, nodePorts range: NodePortRange = .standard) {
    self.cidrs = cidrs
    self.range = range
    addresses = ClusterIPAllocator(cidrs: cidrs)
    ports = NodePortAllocator(range: range)
  }

  /// Of these objects, at once and not when they are needed.
  public init(
    _ known: KnownObjects, cidrs: ServiceCIDRs = .standard, nodePorts: NodePortRange = .standard
  ) {
    self.init(cidrs: cidrs, nodePorts: nodePorts)
    complete(from: known)
  }

  mutating func complete(from known: KnownObjects) {
    if isComplete { return }
    self = ResidentAllocations(cidrs: cidrs, nodePorts: range)
    for object in known.objects.values { object.claim(&addresses, &ports) }
    isComplete = true
  }

  mutating func forget() { isComplete = false }

  /// What an object has is free; nothing when it is no Service.
  mutating func release(_ known: KnownObject?) {
    guard isComplete, let known, let service = known.service else { return }
    let name = service.meta.name
    for address in known.clusterIPs { addresses.release(address, of: name) }
    for (_, port, _) in service.explicitNodePorts { ports.release(port, of: name) }
  }
}

extension KnownObject {
  /// Claims what a Service has.
  func claim(_ addresses: inout ClusterIPAllocator, _ ports: inout NodePortAllocator) {
    guard case .service(let object) = self.object else { return }
    for address in clusterIPs { _ = addresses.claim(address, for: object.meta.name) }
    guard object.kind.hasNodePorts, let service else { return }
    for (_, port, transport) in service.explicitNodePorts {
      _ = ports.claim(port, transport, for: service.meta.name)
    }
  }
}

extension KnownObjects {
  /// Takes objects away that no file has any more; those that are not known are passed over.
  ///
  /// - Returns: what was taken away, sorted; `restore` brings it back.
  public mutating func remove(
    _ ids: [ObjectID], _ allocations: inout ResidentAllocations
  ) -> [KnownObject] {
    ids.sorted().compactMap { id in
      guard let known = objects.removeValue(forKey: id) else { return nil }
      allocations.release(known)
      return known
    }
  }

  /// Follows another value that was changed.
  ///
  /// - Parameter changes: what objects are there; nil: none.
  public mutating func follow(_ changes: [ObjectID: KnownObject?]) {
    for (id, object) in changes { objects[id] = object }
  }

  /// Takes back a `remove`, when what was to be merged after it was refused.
  public mutating func restore(
    _ removed: [KnownObject], _ allocations: inout ResidentAllocations
  ) {
    for known in removed { objects[known.object.id] = known }
    if !removed.isEmpty { allocations.forget() }
  }
}
