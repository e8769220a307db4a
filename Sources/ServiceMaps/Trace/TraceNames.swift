/// Names of the service ports in decisions, and which ids a filter means.
public struct TraceNames: Sendable {
  private struct Entry: Sendable {
    var service: UInt32
    var name: ServicePortName
  }

  private var frontends: [FrontendKey: Entry] = [:]
  private var addresses: [IPAddress: NamespacedName] = [:]

  public init() {}

  /// What the maps say now. Frontends that are gone keep their names: decisions from before may
  /// still come.
  public mutating func update(_ states: [FamilyState]) {
    for state in states {
      for record in state.frontends.values {
        guard let service = state.services[record.service] else { continue }
        frontends[record.key] = Entry(service: record.service, name: service.name)
        if record.kind == .clusterIP { addresses[record.key.address] = service.name.service }
      }
    }
  }

  /// nil: not known.
  public func name(of decision: TraceDecision) -> ServicePortName? {
    guard let port = Port(decision.vipPort),
      let transport = TransportProtocol(rawValue: decision.transport),
      let entry = frontends[
        FrontendKey(address: decision.vip, port: port, transport: transport)]
    else { return nil }
    // Its id means another one since then, or did before.
    return entry.service == decision.service ? entry.name : nil
  }

  /// The Service that has this clusterIP, whatever the port.
  public func owner(of address: IPAddress) -> NamespacedName? { addresses[address] }

  /// What a reader's filters come to in the kernel.
  public struct Wanted: Hashable, Sendable {
    /// Ids of service ports; sorted.
    public var services: [IPFamily: [UInt32]] = [:]
    /// clusterIPs of whole Services, for ports that are none of theirs; sorted.
    public var addresses: [IPAddress] = []

    public init() {}

    public var count: Int { services.values.reduce(0) { $0 + $1.count } }
  }

  public static func wanted(_ filters: [SocketServiceFilter], _ states: [FamilyState]) -> Wanted {
    var wanted = Wanted()
    var addresses: Set<IPAddress> = []
    for state in states {
      var ids: Set<UInt32> = []
      for record in state.frontends.values {
        guard let name = state.services[record.service]?.name else { continue }
        for filter in filters where filter.service == name.service {
          if let port = filter.port, port != name.port, port != record.key.port.description {
            continue
          }
          ids.insert(record.service)
          if filter.port == nil, record.kind == .clusterIP { addresses.insert(record.key.address) }
        }
      }
      if !ids.isEmpty { wanted.services[state.family] = ids.sorted() }
    }
    wanted.addresses = addresses.sorted()
    return wanted
  }
}

/// `1/64`: one of so many.
public struct TraceSample: Hashable, Sendable {
  public var of: UInt32

  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0] == "1", let of = UInt32(parts[1]), of > 0, of <= 1 << 24
    else { return nil }
    self.of = of
  }
}
