/// Where a list's slots are.
public struct SlotRange: Hashable, Sendable {
  public var base: UInt32
  public var count: UInt32

  public init(base: UInt32, count: UInt32) {
    self.base = base
    self.count = count
  }

  /// The word the data plane reads: `base << 32 | count`.
  public var word: UInt64 { UInt64(base) << 32 | UInt64(count) }

  public init(word: UInt64) {
    base = UInt32(truncatingIfNeeded: word >> 32)
    count = UInt32(truncatingIfNeeded: word)
  }

  var indices: Range<Int> { Int(base)..<Int(base) + Int(count) }
}

/// One slot of a list: a backend, and the endpoint id it stands for.
public struct Slot: Hashable, Sendable {
  public var backend: Backend
  public var endpoint: UInt32
  public var generation: UInt32

  public init(backend: Backend, endpoint: UInt32, generation: UInt32) {
    self.backend = backend
    self.endpoint = endpoint
    self.generation = generation
  }
}

/// The record of an endpoint id.
public struct EndpointRecord: Hashable, Sendable {
  /// Raised whenever the id changes its meaning; sockets compare it.
  public var generation: UInt32
  /// nil: the id is free.
  public var service: UInt32?

  public init(generation: UInt32 = 0, service: UInt32? = nil) {
    self.generation = generation
    self.service = service
  }
}

/// The record of a service port: what is needed to print a frontend without the manifests.
public struct ServiceRecord: Hashable, Sendable {
  public var name: ServicePortName
  /// Seconds; nil without session affinity.
  public var affinityTimeout: UInt32?
  public var algorithm: Algorithm
  public var termination: Termination

  public init(
    name: ServicePortName, affinityTimeout: UInt32? = nil, algorithm: Algorithm = .random,
    termination: Termination = .standard
  ) {
    self.name = name
    self.affinityTimeout = affinityTimeout
    self.algorithm = algorithm
    self.termination = termination
  }

  /// Programs have to look into the policy of the service port.
  public var hasPolicy: Bool { affinityTimeout != nil || algorithm != .random }
}

/// The record of a frontend.
public struct FrontendRecord: Hashable, Sendable {
  public var key: FrontendKey
  public var kind: FrontendKind
  public var whenEmpty: EmptyVerdict
  /// The service port has a policy (`ServiceRecord.hasPolicy`).
  public var hasPolicy: Bool
  public var udpChoice: UDPChoice
  /// Sockets remember their network namespace, since they may have to be ended.
  public var isTerminated: Bool
  /// Sorted; empty: everybody.
  public var sourceRanges: [IPPrefix]
  public var service: UInt32
  public var list: UInt32

  public init(
    key: FrontendKey, kind: FrontendKind, whenEmpty: EmptyVerdict = .refuse,
    hasPolicy: Bool = false, udpChoice: UDPChoice = .socket, isTerminated: Bool = false,
    sourceRanges: [IPPrefix] = [], service: UInt32, list: UInt32
  ) {
    self.key = key
    self.kind = kind
    self.whenEmpty = whenEmpty
    self.hasPolicy = hasPolicy
    self.udpChoice = udpChoice
    self.isTerminated = isTerminated
    self.sourceRanges = sourceRanges
    self.service = service
    self.list = list
  }
}

/// What an endpoint id stands for that no list holds: the key of the maps `kept4` and `kept6`.
public struct KeptRecord: Hashable, Comparable, Sendable {
  /// The id of the service port.
  public var service: UInt32
  public var backend: Backend

  public init(service: UInt32, backend: Backend) {
    self.service = service
    self.backend = backend
  }

  public static func < (a: KeptRecord, b: KeptRecord) -> Bool {
    a.service != b.service ? a.service < b.service : a.backend < b.backend
  }
}

/// Everything in the maps of one family, as a value: the input and the outcome of a plan.
public struct FamilyState: Sendable {
  public let family: IPFamily
  public let capacities: Capacities
  /// Frontends that have a key, by frontend index.
  public var frontends: [UInt32: FrontendRecord] = [:]
  /// Where their keys are.
  public var keys: KeyTable
  /// The words of the lists that frontends use, by list index.
  public var lists: [UInt32: SlotRange] = [:]
  /// Slots by index; those outside the ranges in `lists` mean nothing.
  public var slots: [Slot] = []
  /// Endpoint records by id; ids behind the end have never been used.
  public var endpoints: [EndpointRecord] = []
  public var services: [UInt32: ServiceRecord] = [:]
  /// Endpoint ids by what they stand for. A writer that was killed leaves entries of endpoints
  /// that are listed as well, which say the same.
  public var kept: [KeptRecord: UInt32] = [:]
  /// Addresses of which every port that is no frontend is refused.
  public var guards: Set<IPAddress> = []
  /// Positions of words in `keys` that lead no program to a frontend.
  public var staleKeys: [Int] = []
  /// Source ranges of indexes that no frontend has: left by a writer that was killed.
  public var staleRanges: [FamilyPlan.RangeWrite] = []
  /// What damaged maps may lead programs to (`verify --repair`): a plan does not write there.
  var blockedSlots: [SlotRange] = []

  public init(family: IPFamily, capacities: Capacities) {
    self.init(
      family: family, capacities: capacities,
      keys: KeyTable(seed: 0, buckets: KeyTable.buckets(for: capacities.frontends)))
  }

  init(family: IPFamily, capacities: Capacities, keys: KeyTable) {
    self.family = family
    self.capacities = capacities
    self.keys = keys
  }

  func slots(of list: UInt32) -> ArraySlice<Slot> { slotsOfList(list) }

  /// The slots of a list; empty when there is no such list.
  public func slotsOfList(_ list: UInt32) -> ArraySlice<Slot> {
    guard let range = lists[list], range.indices.upperBound <= slots.count else { return [] }
    return slots[range.indices]
  }

  /// The frontends of this family as the data plane serves them, in no particular order.
  public func frontendsServed() -> [Frontend] {
    var listed: [UInt32: [Backend]] = [:]
    listed.reserveCapacity(lists.count)
    var result: [Frontend] = []
    result.reserveCapacity(frontends.count)
    for record in frontends.values {
      let backends: [Backend]
      if let known = listed[record.list] {
        backends = known
      } else {
        backends = slots(of: record.list).map(\.backend)
        listed[record.list] = backends
      }
      let service = services[record.service]
      result.append(
        Frontend(
          key: record.key, kind: record.kind,
          service: service?.name ?? .unnamed(id: record.service, transport: record.key.transport),
          affinityTimeout: service?.affinityTimeout, algorithm: service?.algorithm ?? .random,
          udpChoice: record.udpChoice, termination: service?.termination ?? .standard,
          whenEmpty: record.whenEmpty, sourceRanges: record.sourceRanges, backends: backends))
    }
    return result
  }

  /// Endpoints that no list holds and that sockets may stay with, in no particular order.
  public func keptEndpoints() -> [KeptEndpoint] {
    if kept.isEmpty { return [] }
    var listed = Set<UInt32>()
    for list in lists.keys { for slot in slots(of: list) { listed.insert(slot.endpoint) } }
    return kept.compactMap { record, id in
      guard stands(id, for: record), let service = services[record.service],
        !listed.contains(id)
      else { return nil }
      return KeptEndpoint(service: service.name, backend: record.backend)
    }
  }

  /// Whether a kept endpoint has its id still.
  func stands(_ id: UInt32, for record: KeptRecord) -> Bool {
    Int(id) < endpoints.count && endpoints[Int(id)].service == record.service
      && services[record.service] != nil
  }
}

extension ServicePortName {
  /// What is printed for a service port whose record is missing from the kernel.
  public static func unnamed(id: UInt32, transport: TransportProtocol) -> ServicePortName {
    ServicePortName(
      service: NamespacedName(namespace: "?", name: "service-\(id)"), port: "",
      transport: transport)
  }
}

extension ServiceTable {
  /// The table that the maps of all families hold together.
  public init(states: [FamilyState]) {
    self.init(
      frontends: states.flatMap { $0.frontendsServed() },
      guardedAddresses: states.flatMap { $0.guards },
      keptEndpoints: states.flatMap { $0.keptEndpoints() })
  }
}
