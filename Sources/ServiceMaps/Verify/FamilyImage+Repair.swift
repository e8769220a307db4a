extension FamilyImage {
  /// A state from which the planner mends what is damaged: what makes no sense is left out or
  /// stands as something that no table asks for, so that it is replaced, in the usual order and
  /// beside what is in use.
  ///
  /// An endpoint keeps its id where the maps agree about it; else it gets a new one, and sockets
  /// that have the old one choose anew.
  ///
  /// - Parameter blockingSlots: false: a plan may write to slots that a damaged list leads to. Only
  ///   when there is no room elsewhere.
  public func stateForRepair(_ table: ServiceTable, blockingSlots: Bool = true) -> FamilyState {
    var repair = RepairState(self, table)
    repair.addFrontends()
    repair.addEndpoints()
    repair.findOwners()
    repair.nameServices()
    repair.addLists(blocking: blockingSlots)
    repair.addKept()
    return repair.state
  }
}

private struct RepairState {
  let image: FamilyImage
  let wanted: [FrontendKey: Frontend]
  var state: FamilyState
  /// The service ports that use a list, by list index.
  private var servicesOfList: [UInt32: Set<UInt32>] = [:]
  /// The one of them whose list it is.
  private var owners: [UInt32: UInt32] = [:]
  /// What lists say an endpoint id stands for.
  private var holders: [UInt32: Set<KeptRecord>] = [:]

  init(_ image: FamilyImage, _ table: ServiceTable) {
    self.image = image
    wanted = Dictionary(
      uniqueKeysWithValues: table.frontends.lazy
        .filter { $0.key.address.family == image.family }.map { ($0.key, $0) })
    state = FamilyState(family: image.family, capacities: image.capacities)
    state.keys = image.keyTable
    state.guards = image.guards
  }

  // MARK: Frontends

  mutating func addFrontends() {
    var ranges: [UInt32: [IPPrefix]] = [:]
    for write in image.ranges { ranges[write.frontend, default: []].append(write.range) }
    for (key, index) in image.keys {
      guard let record = image.records[index] else { continue }
      var frontend = FrontendRecord(
        record, key: key, sourceRanges: (ranges.removeValue(forKey: index) ?? []).sorted(),
        insteadOf: wanted[key]?.kind)
      if image.lists[record.list] == nil {
        // Nobody's: it gets a list, and leaves this one alone.
        frontend.service = .max
      } else {
        servicesOfList[record.list, default: []].insert(record.service)
      }
      state.frontends[index] = frontend
    }
    for (index, ranges) in ranges {
      state.staleRanges += ranges.map { .init(frontend: index, range: $0) }
    }
    state.staleRanges.sort { ($0.frontend, $0.range) < ($1.frontend, $1.range) }
  }

  // MARK: Service ports

  /// A service port whose name is damaged keeps its id, and with it endpoints and counters, when
  /// its frontends agree who it is.
  mutating func nameServices() {
    var claims: [UInt32: Set<ServicePortName>] = [:]
    for record in state.frontends.values {
      if let frontend = wanted[record.key] {
        claims[record.service, default: []].insert(frontend.service)
      }
    }
    var ids: [ServicePortName: [UInt32]] = [:]
    for (id, record) in image.services { ids[record.name, default: []].append(id) }
    state.services = image.services
    for (name, several) in ids where several.count > 1 {
      // Of several records with one name only one is a service port's.
      let own = several.sorted().first { claims[$0]?.contains(name) == true } ?? several.min()
      for id in several where id != own { state.services[id] = nil }
    }
    var named = Set(state.services.values.lazy.map(\.name))
    for (id, names) in claims.sorted(by: { $0.key < $1.key }) {
      guard Int(id) < image.capacities.physicalServices, names.count == 1, let name = names.first,
        state.services[id]?.name != name, named.insert(name).inserted
      else { continue }
      // No table asks for this time-out, so the record is written.
      state.services[id] = ServiceRecord(name: name, affinityTimeout: .max)
    }
  }

  // MARK: Endpoints

  /// Generations never go back: a socket may remember any that a slot ever had.
  mutating func addEndpoints() {
    state.endpoints = image.endpoints
    for (list, slots) in image.slots {
      for case .some(let slot) in slots {
        for service in servicesOfList[list] ?? []
        where image.endpoint(slot.endpoint)?.service == service {
          holders[slot.endpoint, default: []].insert(
            KeptRecord(service: service, backend: slot.backend))
        }
        guard let found = image.endpoint(slot.endpoint) else { continue }
        // More than this is no older generation, but nonsense.
        let ahead = slot.generation &- found.generation
        if ahead == 0 || ahead > 1 << 20 { continue }
        while state.endpoints.count <= Int(slot.endpoint) {
          state.endpoints.append(EndpointRecord())
        }
        let id = Int(slot.endpoint)
        state.endpoints[id].generation = max(state.endpoints[id].generation, slot.generation)
      }
    }
  }

  /// The slot as it should be; nil when its endpoint needs a new id.
  private func mended(_ slot: Slot, of service: UInt32) -> Slot? {
    guard let endpoint = image.endpoint(slot.endpoint), endpoint.service == service,
      holders[slot.endpoint]?.count == 1,
      state.endpoints[Int(slot.endpoint)].generation == endpoint.generation
    else { return nil }
    return Slot(
      backend: slot.backend, endpoint: slot.endpoint, generation: endpoint.generation)
  }

  // MARK: Lists

  /// A list is that of the service port whose endpoints it has. Another one's frontends leave it,
  /// and get one of their own: it must never change hands while programs read it.
  mutating func findOwners() {
    for (list, services) in servicesOfList {
      owners[list] = services.sorted().max { a, b in
        count(list, goodFor: a) < count(list, goodFor: b)
      }
    }
    for (index, record) in state.frontends where record.service != .max {
      if owners[record.list] != record.service { state.frontends[index]?.service = .max }
    }
  }

  private func count(_ list: UInt32, goodFor service: UInt32) -> Int {
    if servicesOfList[list]?.count == 1 { return 0 }
    return image.slots[list]?.count { $0.flatMap { mended($0, of: service) } != nil } ?? 0
  }

  mutating func addLists(blocking: Bool) {
    let room = image.capacities.physicalBackends
    // Behind the end of the map lie lists that are to be replaced, with what is right in them.
    var behind: [Slot] = []
    var ids: [KeptRecord: UInt32] = [:]
    let filler = Slot(backend: RepairState.nobody(image.family), endpoint: .max, generation: 0)
    for (list, service) in owners.sorted(by: { $0.key < $1.key }) {
      guard let range = image.lists[list] else { continue }
      let slots = image.slots[list]
      var good: [Slot] = []
      for slot in slots ?? [] {
        guard let slot, let mended = mended(slot, of: service) else { continue }
        // One backend of a service port has one id, in whatever list.
        let holder = KeptRecord(service: service, backend: slot.backend)
        if ids[holder, default: slot.endpoint] != slot.endpoint { continue }
        ids[holder] = slot.endpoint
        good.append(mended)
      }
      if let slots, slots.elementsEqual(good, by: { $0 == $1 }) {
        state.lists[list] = range
        let end = range.indices.upperBound
        if state.slots.count < end && !good.isEmpty {
          state.slots += repeatElement(filler, count: end - state.slots.count)
        }
        if !good.isEmpty { state.slots.replaceSubrange(range.indices, with: good) }
        continue
      }
      if blocking, slots != nil { state.blockedSlots.append(range) }
      state.lists[list] = SlotRange(
        base: UInt32(room + behind.count), count: UInt32(good.count + 1))
      behind += good + [filler]
    }
    if behind.isEmpty { return }
    state.slots += repeatElement(filler, count: room - state.slots.count)
    state.slots += behind
  }

  /// A backend that no table has.
  private static func nobody(_ family: IPFamily) -> Backend {
    let address = family == .v4 ? IPAddress(v4: 0) : IPAddress(v6High: 0, low: 0)
    return Backend(address: address, port: .lowest)
  }

  // MARK: Kept endpoints

  /// Entries that share an id are left out; `FamilyFixes` deletes them.
  mutating func addKept() {
    let shared = image.sharedKept
    state.kept = image.kept.filter { !shared.contains($0.key) }
  }
}

extension FamilyImage {
  /// Entries of `kept` with an id that another entry has too.
  var sharedKept: Set<KeptRecord> {
    var uses: [UInt32: [KeptRecord]] = [:]
    for (record, id) in kept { uses[id, default: []].append(record) }
    return Set(uses.values.lazy.filter { $0.count > 1 }.flatMap { $0 })
  }
}

/// What a planner cannot see, because it makes no difference to a plan: written after one.
public struct FamilyFixes: Sendable, Equatable {
  public struct Flags: Sendable, Equatable {
    public var index: UInt32
    public var flags: UInt32
  }

  public struct PolicyWrite: Sendable, Equatable {
    public var service: UInt32
    public var record: ServiceRecord
  }

  /// Positions of words that lead nowhere, and of keys that no frontend of the table has.
  public var deleteKeys: [Int] = []
  /// What bucket 0 has to say of the number of buckets.
  public var keyMask: UInt64?
  public var flags: [Flags] = []
  public var policies: [PolicyWrite] = []
  public var deleteServices: [UInt32] = []
  public var deleteKept: [KeptRecord] = []
  /// There are elements that socklb does not write.
  public var hasJunk: Bool

  public var isEmpty: Bool {
    deleteKeys.isEmpty && keyMask == nil && flags.isEmpty && policies.isEmpty
      && deleteServices.isEmpty
      && deleteKept.isEmpty && !hasJunk
  }

  /// Only what keeps programs from finding keys. It comes before any plan: what a stray word leads
  /// to must not be written while the word is there, and it takes a way.
  public init(ofKeys image: FamilyImage) {
    hasJunk = false
    deleteKeys = image.strayKeys
    if image.keyMask != image.keyTable.mask { keyMask = image.keyTable.mask }
  }

  /// - Parameter image: the maps after a plan that started from `stateForRepair`.
  public init(_ image: FamilyImage, _ table: ServiceTable) {
    self.init(ofKeys: image)
    hasJunk = !image.junk.isEmpty
    deleteKept = image.sharedKept.sorted()
    let frontends = table.frontends.filter { $0.key.address.family == image.family }
    let wanted = Set(frontends.lazy.map(\.key))
    deleteKeys += image.keys.keys.filter { !wanted.contains($0) }
      .compactMap { image.position(of: $0) }.sorted()
    var used = Set<UInt32>()
    for frontend in frontends {
      guard let index = image.keys[frontend.key], let record = image.records[index] else {
        continue
      }
      let flags = frontend.record(service: 0, list: 0).flags
      if record.flags != flags { self.flags.append(Flags(index: index, flags: flags)) }
      guard used.insert(record.service).inserted else { continue }
      let policy = FamilyImage.Policy(frontend.serviceRecord.policy)
      if let found = image.policies[record.service], found != policy {
        policies.append(PolicyWrite(service: record.service, record: frontend.serviceRecord))
      }
    }
    deleteServices = image.services.keys.filter { !used.contains($0) }.sorted()
  }
}
