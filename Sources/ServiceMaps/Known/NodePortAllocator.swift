/// Gives out node ports: never one that another Service has, and the same ones for the same input.
///
/// A number belongs to one Service, whatever the protocol, as the API server has it; within that
/// Service TCP and UDP may share it.
struct NodePortAllocator {
  private struct Owner {
    var name: NamespacedName
    var transports: [TransportProtocol]
  }

  let range: NodePortRange
  private var owners: [Port: Owner] = [:]

  init(range: NodePortRange) { self.range = range }

  /// Takes `port` for `name`; returns the owner when it is taken, which may be `name` itself when
  /// it has the number for the same protocol already.
  mutating func claim(
    _ port: Port, _ transport: TransportProtocol, for name: NamespacedName
  ) -> NamespacedName? {
    guard let owner = owners[port] else {
      owners[port] = Owner(name: name, transports: [transport])
      return nil
    }
    if owner.name != name || owner.transports.contains(transport) { return owner.name }
    owners[port]?.transports.append(transport)
    return nil
  }

  /// `name` has it no more.
  mutating func release(_ port: Port, of name: NamespacedName) {
    if owners[port]?.name == name { owners[port] = nil }
  }

  /// A free number, or nil when the range is exhausted: the hash of the names, or the next one.
  mutating func allocate(
    _ transport: TransportProtocol, for name: NamespacedName, port: String
  ) -> Port? {
    var hash = StableHash()
    hash.combine("\(name):\(port)".utf8)
    for band in range.bands {
      let size = UInt64(band.count)
      for step in 0..<size {
        let number = UInt64(band.lowerBound) + (hash.value % size + step) % size
        guard let candidate = Port(number), owners[candidate] == nil else { continue }
        owners[candidate] = Owner(name: name, transports: [transport])
        return candidate
      }
    }
    return nil
  }
}
