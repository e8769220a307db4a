public import CServiceABI

// The records that are the same for both families.

extension EndpointRecord {
  public var wire: svc_endpoint {
    svc_endpoint(generation: generation, service: service.map { $0 + 1 } ?? 0)
  }

  public init(wire: svc_endpoint) {
    self.init(generation: wire.generation, service: wire.service == 0 ? nil : wire.service - 1)
  }
}

extension ServiceRecord {
  public var wire: svc_service {
    var record = svc_service()
    WireText.fill(&record.namespace_name, name.service.namespace)
    WireText.fill(&record.name, name.service.name)
    WireText.fill(&record.port_name, name.port)
    record.protocol = UInt32(name.transport.rawValue)
    record.algorithm = algorithm.wire.rawValue
    if termination.contains(.udp) { record.terminate |= SVC_TERMINATE_UDP.rawValue }
    if termination.contains(.tcp) { record.terminate |= SVC_TERMINATE_TCP.rawValue }
    if let affinityTimeout {
      record.affinity = SVC_AFFINITY_CLIENT_IP.rawValue
      record.affinity_timeout = affinityTimeout
    }
    return record
  }

  /// nil when the record is not one that socklb wrote.
  public init?(wire: svc_service) {
    guard let number = UInt8(exactly: wire.protocol),
      let transport = TransportProtocol(rawValue: number)
    else { return nil }
    var termination: Termination = []
    if wire.terminate & SVC_TERMINATE_UDP.rawValue != 0 { termination.insert(.udp) }
    if wire.terminate & SVC_TERMINATE_TCP.rawValue != 0 { termination.insert(.tcp) }
    self.init(
      name: ServicePortName(
        service: NamespacedName(
          namespace: WireText.read(wire.namespace_name), name: WireText.read(wire.name)),
        port: WireText.read(wire.port_name), transport: transport),
      affinityTimeout: wire.affinity == SVC_AFFINITY_CLIENT_IP.rawValue
        ? wire.affinity_timeout : nil,
      algorithm: wire.algorithm == SVC_ALGORITHM_ROUND_ROBIN.rawValue ? .roundRobin : .random,
      termination: termination)
  }
}

extension ServiceRecord {
  /// What programs read where a frontend says so.
  public var policy: svc_policy {
    svc_policy(
      affinity_timeout: affinityTimeout ?? 0, algorithm: algorithm.wire.rawValue, next: 0)
  }
}

extension Algorithm {
  var wire: svc_algorithm {
    switch self {
    case .random: SVC_ALGORITHM_RANDOM
    case .roundRobin: SVC_ALGORITHM_ROUND_ROBIN
    }
  }
}

/// The bits by which a program knows, without a lookup, that an address is no service's.
public struct AddressFilter: Sendable, Equatable {
  /// The words of the map `address_filter`.
  public private(set) var words = [UInt64](repeating: 0, count: Int(SVC_FILTER_WORDS))

  public init() {}

  public mutating func insert(frontend address: IPAddress) {
    set(SVC_FILTER_FRONTEND, address)
  }

  public mutating func insert(guarded address: IPAddress) {
    set(SVC_FILTER_GUARDED, address)
  }

  public mutating func insert(backend address: IPAddress) {
    set(SVC_FILTER_BACKEND, address)
  }

  /// The bits of a word that say where there were backends. They are never cleared: sockets
  /// may remember a backend for as long as they live.
  public static let backendBits = (0..<UInt64(SVC_FILTER_PLACES)).reduce(0) {
    $0 | UInt64(SVC_FILTER_BACKEND.rawValue) << ($1 * UInt64(SVC_FILTER_BITS))
  }

  /// All bits of either.
  public func union(_ other: AddressFilter) -> AddressFilter {
    var result = self
    for (index, word) in other.words.enumerated() { result.words[index] |= word }
    return result
  }

  private mutating func set(_ bit: svc_filter, _ address: IPAddress) {
    let hash = Self.hash(of: address)
    let places = Int(SVC_FILTER_PLACES)
    words[hash / places] |= UInt64(bit.rawValue) << UInt64(hash % places * Int(SVC_FILTER_BITS))
  }

  /// The place of an address; several addresses share one.
  public static func hash(of address: IPAddress) -> Int {
    func word(_ half: UInt64, _ shift: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: half >> shift).bigEndian
    }
    let mapped: UInt32 = UInt32(0x0000_ffff).bigEndian
    let hash =
      address.family == .v4
      ? svc_filter_hash(0, 0, mapped, word(address.low, 0))
      : svc_filter_hash(
        word(address.high, 32), word(address.high, 0), word(address.low, 32), word(address.low, 0))
    return Int(hash)
  }
}

extension FamilyState {
  /// Marks every address that a program has to look up.
  ///
  /// - Parameter plan: what is about to be written, as if it were done.
  public func mark(_ filter: inout AddressFilter, after plan: FamilyPlan? = nil) {
    let deleted = Set(plan?.deleteKeys.lazy.map(\.index) ?? [])
    for (index, record) in frontends where !deleted.contains(index) {
      filter.insert(frontend: record.key.address)
    }
    for write in plan?.insertKeys ?? [] { filter.insert(frontend: write.record.key.address) }
    let gone = Set(plan?.deleteGuards ?? [])
    for address in guards where !gone.contains(address) { filter.insert(guarded: address) }
    for address in plan?.insertGuards ?? [] { filter.insert(guarded: address) }
  }
}

extension svc_source {
  /// nil: the namespace has no address of that family to send from.
  public init(v4: IPAddress?, v6: IPAddress?) {
    self.init()
    if let v4 { addr4_be = UInt32(truncatingIfNeeded: v4.low).bigEndian }
    if let v6 {
      addr6_be = (
        UInt32(truncatingIfNeeded: v6.high >> 32).bigEndian,
        UInt32(truncatingIfNeeded: v6.high).bigEndian,
        UInt32(truncatingIfNeeded: v6.low >> 32).bigEndian,
        UInt32(truncatingIfNeeded: v6.low).bigEndian
      )
    }
  }
}
