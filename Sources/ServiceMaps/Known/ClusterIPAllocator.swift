/// Gives out clusterIPs: never one that is taken, and the same ones for the same input.
///
/// The address of a Service is the hash of its name, or the next free one after it. So a Service
/// that is deleted and applied again mostly gets its old address, and which Services came
/// before matters only when their hashes meet.
struct ClusterIPAllocator {
  /// Every address in use, and by whom.
  private(set) var owners: [IPAddress: NamespacedName] = [:]
  let cidrs: ServiceCIDRs
  /// Ranges found full, so that each further Service does not search them again.
  private var full: Set<IPPrefix> = []

  init(cidrs: ServiceCIDRs) { self.cidrs = cidrs }

  /// Takes `address` for `name`; returns the owner when somebody else has it already.
  mutating func claim(_ address: IPAddress, for name: NamespacedName) -> NamespacedName? {
    if let owner = owners[address] { return owner == name ? nil : owner }
    owners[address] = name
    return nil
  }

  /// `name` has it no more.
  mutating func release(_ address: IPAddress, of name: NamespacedName) {
    guard owners[address] == name else { return }
    owners[address] = nil
    full.removeAll()
  }

  /// A free address of the family, or nil when all its ranges are exhausted.
  mutating func allocate(_ family: IPFamily, for name: NamespacedName) -> IPAddress? {
    var hash = StableHash()
    hash.combine(name.namespace.utf8)
    hash.combine(CollectionOfOne(UInt8(ascii: "/")))
    hash.combine(name.name.utf8)
    for prefix in cidrs.prefixes where prefix.family == family && !full.contains(prefix) {
      let offsets = prefix.allocatableOffsets
      let size = offsets.upperBound - offsets.lowerBound
      var tried: UInt64 = 0
      while tried < size {
        let address = prefix.address(at: offsets.lowerBound + (hash.value % size + tried) % size)
        if owners[address] == nil {
          owners[address] = name
          return address
        }
        tried += 1
      }
      full.insert(prefix)
    }
    return nil
  }
}
