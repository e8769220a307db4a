import ServiceMaps

/// The maps of one family as the kernel has them, written element by element in the order of
/// `FamilyTables.apply`, so that a writer can be killed between any two.
struct InterruptedMaps {
  private let capacities: Capacities
  private var keys: [FrontendKey: UInt32] = [:]
  private var keyTable: KeyTable
  private var frontends: [UInt32: FrontendRecord] = [:]
  private var lists: [UInt32: SlotRange] = [:]
  private var slots: [UInt32: Slot] = [:]
  private var endpoints: [EndpointRecord] = []
  private var services: [UInt32: ServiceRecord] = [:]
  private var kept: [KeptRecord: UInt32] = [:]
  /// The most entries of `kept` at any time.
  private(set) var mostKept = 0

  init(_ capacities: Capacities) {
    self.capacities = capacities
    keyTable = FamilyState(family: .v4, capacities: capacities).keys
  }

  // MARK: Reading

  func read() -> FamilyState {
    var state = FamilyState(family: .v4, capacities: capacities)
    state.keys = keyTable
    var end: UInt32 = 0
    for (key, index) in keys {
      guard let record = frontends[index], record.key == key else { continue }
      state.frontends[index] = record
      let range = lists[record.list] ?? SlotRange(base: 0, count: 0)
      state.lists[record.list] = range
      end = max(end, range.base + range.count)
    }
    if let filler = slots.values.first {
      state.slots = (0..<end).map { slots[$0] ?? filler }
    }
    state.endpoints = endpoints
    state.services = services
    state.kept = kept
    return state
  }

  /// What sockets may remember of the backends: where they are listed, else kept.
  func identities() -> [KeptEndpoint: Identity] {
    var result: [KeptEndpoint: Identity] = [:]
    for (record, id) in kept {
      guard let service = services[record.service] else { continue }
      result[KeptEndpoint(service: service.name, backend: record.backend)] = Identity(
        id: id, generation: endpoints[Int(id)].generation)
    }
    for (key, index) in keys {
      guard let record = frontends[index], record.key == key, let range = lists[record.list],
        let service = services[record.service]
      else { continue }
      for slot in (range.base..<range.base + range.count).compactMap({ slots[$0] }) {
        result[KeptEndpoint(service: service.name, backend: slot.backend)] = Identity(
          id: slot.endpoint, generation: slot.generation)
      }
    }
    return result
  }

  struct Identity: Hashable {
    var id: UInt32
    var generation: UInt32
  }

  /// Whether a socket that remembers this stays where it is.
  func isValid(_ identity: Identity) -> Bool {
    endpoints[Int(identity.id)].generation == identity.generation
  }

  // MARK: Writing

  private typealias Write = (inout InterruptedMaps) -> Void

  static func count(_ plan: FamilyPlan) -> Int { writes(plan).count }

  /// - Parameter count: how many writes happen before the kill; nil: all.
  mutating func apply(_ plan: FamilyPlan, count: Int? = nil) {
    for write in InterruptedMaps.writes(plan).prefix(count ?? .max) {
      write(&self)
      mostKept = max(mostKept, kept.count)
    }
  }

  private mutating func set(_ write: FamilyPlan.EndpointWrite) {
    while endpoints.count <= Int(write.id) { endpoints.append(EndpointRecord()) }
    endpoints[Int(write.id)] = write.record
  }

  private static func writes(_ plan: FamilyPlan) -> [Write] {
    var writes: [Write] = []
    func add<Element>(
      _ elements: [Element], _ body: @escaping (inout InterruptedMaps, Element) -> Void
    ) {
      for element in elements { writes.append { body(&$0, element) } }
    }
    add(plan.staleKept) { $0.kept[$1] = nil }
    add(plan.services) { $0.services[$1.id] = $1.record }
    add(plan.newEndpointWrites) { $0.set($1) }
    for write in plan.slots {
      add(Array(write.slots.enumerated())) { $0.slots[write.base + UInt32($1.offset)] = $1.element }
    }
    add(plan.newLists) { $0.lists[$1.list] = $1.range }
    add(plan.newFrontends) { $0.frontends[$1.index] = $1.record }
    add(plan.insertKept) { $0.kept[$1.record] = $1.endpoint }
    add(plan.retargets) { $0.frontends[$1.index] = $1.record }
    add(plan.publishLists) { $0.lists[$1.list] = $1.range }
    add(plan.insertKeys) {
      $0.keys[$1.record.key] = $1.index
      $0.keyTable.store($1.word, at: $1.position)
    }
    add(plan.deleteKeys) {
      $0.keys[$1.record.key] = nil
      $0.keyTable.store(0, at: $1.position)
    }
    add(plan.deleteKept) { $0.kept[$1] = nil }
    add(plan.releasedEndpoints) { $0.set($1) }
    add(plan.deletedServices) { $0.services[$1] = nil }
    return writes
  }
}
