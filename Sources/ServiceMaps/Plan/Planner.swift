/// Makes the plan that turns the maps of one family into what a table wants.
///
/// Pure and deterministic. Whatever is the same stays untouched: an endpoint keeps its id as long
/// as it serves, a list its index, a service port its id and counters.
public struct Planner {
  let old: FamilyState
  var plan: FamilyPlan
  let serving: ServingEndpoints
  /// Service ports for which no free index was left.
  private var deferred: Set<ServicePortName> = []
  /// Service ports of the old state and of the new one: where they are in `services`.
  private var places: [ServicePortName: Int] = [:]
  private(set) var services: [WantedService] = []
  private(set) var room: FreeRoom
  /// The old state is a part of one: some service ports, with all that is theirs.
  let isPart: Bool
  private var indexByKey: [FrontendKey: UInt32]
  private var keys: KeyTable
  /// A key whose ways were all taken.
  private var isCrowded = false
  /// The lists of the new state, in the order in which they came up.
  private(set) var lists: [WantedList] = []
  /// Where in `lists` those are that go on.
  private var placesOfLists: [UInt32: Int] = [:]
  private(set) var oldListsOfService: [UInt32: FewIndexes] = [:]
  /// Endpoints of the old state that no list has to hold, by service port.
  private var oldKeptOfService: [UInt32: [Slot]] = [:]

  /// Lists that some frontend has before and after, and all the time.
  private(set) var stableLists: Set<UInt32> = []

  struct WantedService {
    let id: UInt32
    /// It is in the new state.
    var isUsed: Bool
    /// Places in `Planner.lists`.
    var lists = FewIndexes()
  }

  struct WantedList {
    let index: UInt32
    let backends: [Backend]
    let isNew: Bool
  }

  /// - Parameters:
  ///   - state: what the maps hold.
  ///   - table: what they shall hold; frontends of other families are passed over.
  /// - Throws: when the table does not fit even into empty maps, or the table of keys has to be
  ///   made anew.
  public static func plan(
    from state: FamilyState, to table: ServiceTable
  ) throws(CapacityError) -> FamilyPlan {
    var frontends = table.frontends(of: state.family)
    let shortages = FamilyState.shortages(
      of: frontends, family: state.family, capacities: state.capacities)
    guard shortages.isEmpty else { throw CapacityError(shortages: shortages) }
    var serving = ServingEndpoints(table, frontends, state)
    var isComplete = true
    let room = FreeRoom(of: state)
    while true {
      var planner = Planner(old: state, room: room, serving: serving)
      var plan = planner.make(frontends)
      if planner.isCrowded {
        throw CapacityError(shortages: [
          .init(
            family: state.family, what: "frontends (their keys crowd together)",
            needed: frontends.count, room: state.capacities.frontends, option: "--max-frontends")
        ])
      }
      if planner.deferred.isEmpty {
        plan.staleRanges = state.staleRanges
        plan.staleKeys += state.staleKeys
        plan.setGuards(from: state.guards, to: table.guardedAddresses)
        if !isComplete {
          // An address whose keys come with a later plan gets its guard then.
          let addresses = Set(frontends.lazy.map(\.key.address))
          plan.insertGuards.removeAll { !addresses.contains($0) }
        }
        plan.isComplete = isComplete
        return plan
      }
      // Free indexes ran out, though the whole fits: these service ports wait for what this
      // plan frees, and until then stay as they are.
      isComplete = false
      serving.addListed(frontends.filter { planner.deferred.contains($0.service) })
      frontends = planner.postponed(frontends)
    }
  }

  /// `frontends` without the deferred service ports, and with what serves their keys now.
  private func postponed(_ frontends: [Frontend]) -> [Frontend] {
    frontends.compactMap { frontend in
      guard deferred.contains(frontend.service) else { return frontend }
      guard let index = indexByKey[frontend.key], let record = old.frontends[index],
        let service = old.services[record.service]
      else { return nil }
      return Frontend(
        key: frontend.key, kind: record.kind, service: service.name,
        affinityTimeout: service.affinityTimeout, algorithm: service.algorithm,
        udpChoice: record.udpChoice, termination: service.termination, whenEmpty: record.whenEmpty,
        sourceRanges: record.sourceRanges, backends: old.slots(of: record.list).map(\.backend))
    }
  }

  /// Plans for some service ports.
  ///
  /// - Parameters:
  ///   - part: what there is of them; slots, endpoints and keys may be those of all.
  ///   - frontends: all that they shall have, of the family of `part`; no key of these belongs to
  ///     another service port.
  ///   - room: what the whole state leaves free.
  /// - Returns: the plan, and what it leaves free of the room; nil when that does not suffice.
  static func plan(
    part: FamilyState, to frontends: [Frontend], room: FreeRoom, serving: ServingEndpoints
  ) -> (plan: FamilyPlan, room: FreeRoom)? {
    var planner = Planner(old: part, room: room, serving: serving, isPart: true)
    let plan = planner.make(frontends)
    return planner.isCrowded || !planner.deferred.isEmpty ? nil : (plan, planner.room)
  }

  private init(
    old: FamilyState, room: FreeRoom, serving: ServingEndpoints, isPart: Bool = false
  ) {
    self.old = old
    self.room = room
    self.serving = serving
    self.isPart = isPart
    plan = FamilyPlan(family: old.family)
    keys = old.keys
    for (id, record) in old.services {
      places[record.name] = services.count
      services.append(WantedService(id: id, isUsed: false))
    }
    indexByKey = [:]
    indexByKey.reserveCapacity(old.frontends.count)
    for (index, record) in old.frontends {
      if let other = indexByKey.updateValue(index, forKey: record.key) {
        // Damage: programs find one of the two.
        let (found, hidden) = old.keys.finds(index, before: other, for: record.key)
        indexByKey[record.key] = found
        if let position = old.keys.position(of: record.key, index: hidden) {
          plan.staleKeys.append(position)
        }
      }
      if oldListsOfService[record.service]?.contains(record.list) != true {
        oldListsOfService.append(record.list, at: record.service)
      }
    }
    for (record, id) in old.kept {
      guard old.stands(id, for: record) else {
        plan.staleKept.append(record)
        continue
      }
      let generation = old.endpoints[Int(id)].generation
      oldKeptOfService[record.service, default: []].append(
        Slot(backend: record.backend, endpoint: id, generation: generation))
    }
    plan.staleKept.sort()
  }

  private mutating func make(_ frontends: [Frontend]) -> FamilyPlan {
    places.reserveCapacity(frontends.count)
    services.reserveCapacity(frontends.count)
    lists.reserveCapacity(frontends.count)
    // Not copied, one by one, with all that they refer to.
    let all = frontends.span
    // Indexes are handed out in one order, so where all are new, a frontend's list and service port
    // have its own index if each has one frontend: that is so of ClusterIPs. Programs fetch early what
    // has the same index (ARCHITECTURE.md, "What is fetched early").
    let order =
      all.indices.filter { all[$0].kind == .clusterIP }
      + all.indices.filter { all[$0].kind != .clusterIP }
    let placesInServices = assignServices(frontends, order)
    // Frontends that stay claim their lists first; the others join them where they can.
    var fresh: [(position: Int, service: Int)] = []
    fresh.reserveCapacity(max(0, frontends.count - indexByKey.count))
    for position in order {
      guard let service = placesInServices[position] else { continue }
      guard let index = indexByKey[all[position].key], let record = old.frontends[index],
        record.service == services[service].id
      else {
        fresh.append((position, service))
        continue
      }
      let list = claim(record.list, service: service, backends: all[position].backends)
      keep(index, record, as: all[position], service: service, list: list)
    }
    plan.insertKeys.reserveCapacity(fresh.count)
    for (position, service) in fresh {
      guard let list = share(service: service, backends: all[position].backends) else {
        deferred.insert(all[position].service)
        continue
      }
      if let index = indexByKey[all[position].key], let record = old.frontends[index] {
        keep(index, record, as: all[position], service: service, list: list)
      } else {
        insert(all[position], service: service, list: list)
      }
    }
    deleteVanished(frontends)
    writeLists()
    releaseEndpoints()
    plan.deletedServices = services.lazy.filter { !$0.isUsed }.map(\.id).sorted()
    return plan
  }

  // MARK: Service ports

  /// Where in `services` each frontend's service port is; nil when no id is free before a grace
  /// period.
  private mutating func assignServices(_ frontends: [Frontend], _ order: [Int]) -> [Int?] {
    var written = Set<UInt32>()
    // One that waits may have no frontend meanwhile, but what it will list has ids of it.
    for name in serving.awaited.keys {
      if let place = places[name] { services[place].isUsed = true }
    }
    if services.isEmpty { plan.services.reserveCapacity(frontends.count) }
    let all = frontends.span
    var result = [Int?](repeating: nil, count: all.count)
    for position in order {
      let record = ServiceRecord(
        name: all[position].service, affinityTimeout: all[position].affinityTimeout,
        algorithm: all[position].algorithm, termination: all[position].termination)
      let place = place(of: record.name)
      if place == services.count {
        guard let id = room.services.allocate() else {
          places[record.name] = nil
          deferred.insert(record.name)
          continue
        }
        services.append(WantedService(id: id, isUsed: true))
        plan.services.append(.init(id: id, record: record, isNew: true))
      } else if let known = old.services[services[place].id] {
        services[place].isUsed = true
        if known != record, written.insert(services[place].id).inserted {
          plan.services.append(.init(id: services[place].id, record: record, isNew: false))
        }
      }
      result[position] = place
    }
    return result
  }

  /// That of one which is not known yet is behind the end. A name is hashed once.
  private mutating func place(of name: ServicePortName) -> Int {
    func settle(_ place: inout Int, _ end: Int) -> Int {
      if place < 0 { place = end }
      return place
    }
    return settle(&places[name, default: -1], services.count)
  }

  // MARK: Frontends

  private mutating func keep(
    _ index: UInt32, _ record: FrontendRecord, as frontend: Frontend, service: Int, list: UInt32?
  ) {
    guard let list else {
      deferred.insert(frontend.service)
      return
    }
    let new = self.record(of: frontend, service: service, list: list)
    if list == record.list && new.service == record.service { stableLists.insert(list) }
    guard new != record else { return }
    plan.retargets.append(.init(index: index, record: new))
    let before = Set(record.sourceRanges)
    let after = Set(new.sourceRanges)
    plan.insertRanges += new.sourceRanges.filter { !before.contains($0) }
      .map { .init(frontend: index, range: $0) }
    plan.deleteRanges += record.sourceRanges.filter { !after.contains($0) }
      .map { .init(frontend: index, range: $0) }
  }

  private mutating func insert(_ frontend: Frontend, service: Int, list: UInt32) {
    guard let index = room.frontends.allocate() else {
      deferred.insert(frontend.service)
      return
    }
    guard let position = keys.insert(frontend.key, index: index) else {
      isCrowded = true
      return
    }
    let record = record(of: frontend, service: service, list: list)
    plan.insertRanges += frontend.sourceRanges.map { .init(frontend: index, range: $0) }
    plan.insertKeys.append(
      .init(index: index, record: record, position: position, word: keys.words[position]))
  }

  private func record(of frontend: Frontend, service: Int, list: UInt32) -> FrontendRecord {
    FrontendRecord(
      key: frontend.key, kind: frontend.kind, whenEmpty: frontend.whenEmpty,
      hasPolicy: frontend.affinityTimeout != nil || frontend.algorithm != .random,
      udpChoice: frontend.udpChoice,
      isTerminated: frontend.termination.includes(frontend.key.transport),
      sourceRanges: frontend.sourceRanges, service: services[service].id, list: list)
  }

  private mutating func deleteVanished(_ frontends: [Frontend]) {
    if old.frontends.isEmpty { return }
    let wantedKeys = Set(frontends.lazy.map(\.key))
    for (index, record) in old.frontends where !wantedKeys.contains(record.key) {
      if let position = old.keys.position(of: record.key, index: index) {
        plan.deleteKeys.append(
          .init(index: index, record: record, position: position, word: old.keys.words[position]))
      }
      plan.deleteRanges += record.sourceRanges.map { .init(frontend: index, range: $0) }
    }
    plan.deleteKeys.sort { $0.index < $1.index }
  }

  // MARK: Lists

  /// The list that a frontend had goes on, with new contents, unless another frontend that
  /// shared it wants something else.
  private mutating func claim(_ list: UInt32, service: Int, backends: [Backend]) -> UInt32? {
    if let claimed = wanted(list) {
      return claimed.backends == backends ? list : share(service: service, backends: backends)
    }
    placesOfLists[list] = lists.count
    add(WantedList(index: list, backends: backends, isNew: false), to: service)
    return list
  }

  /// A list of the service with these backends: one that is there already, or a new one.
  private mutating func share(service: Int, backends: [Backend]) -> UInt32? {
    for place in services[service].lists where lists[Int(place)].backends == backends {
      return lists[Int(place)].index
    }
    guard let list = room.lists.allocate() else { return nil }
    add(WantedList(index: list, backends: backends, isNew: true), to: service)
    return list
  }

  private mutating func add(_ list: WantedList, to service: Int) {
    services[service].lists.append(UInt32(lists.count))
    lists.append(list)
  }

  /// What shall be in a list that goes on.
  func wanted(_ list: UInt32) -> WantedList? { placesOfLists[list].map { lists[$0] } }

  private mutating func writeLists() {
    var waiting: Set<Int> = []
    let new = lists.count { $0.isNew }
    plan.newLists.reserveCapacity(new)
    plan.newEndpoints.reserveCapacity(new)
    plan.slots.reserveCapacity(new)
    for service in services.indices.sorted(by: { services[$0].id < services[$1].id }) {
      let id = services[service].id
      var known: [Backend: Slot]?
      for place in services[service].lists {
        let list = lists[Int(place)]
        let before = list.isNew ? [] : old.slots(of: list.index)
        if !list.isNew && before.lazy.map(\.backend).elementsEqual(list.backends) { continue }
        // In one list each backend is once.
        if known == nil && (!before.isEmpty || !isNewWithOneList(service)) {
          known = slotsByBackend(ofService: id)
        }
        guard let range = room.slots.allocate(list.backends.count),
          writeSlots(list.backends, at: range.base, id, known: &known)
        else {
          waiting.insert(service)
          continue
        }
        let write = FamilyPlan.ListWrite(list: list.index, range: range)
        if list.isNew { plan.newLists.append(write) } else { plan.publishLists.append(write) }
      }
    }
    if waiting.isEmpty { return }
    for (name, place) in places where waiting.contains(place) { deferred.insert(name) }
  }

  private func isNewWithOneList(_ service: Int) -> Bool {
    let id = services[service].id
    return services[service].lists.count == 1 && oldListsOfService[id] == nil
      && oldKeptOfService[id] == nil
  }

  /// What has an id of the service port, listed or kept.
  func slotsByBackend(ofService service: UInt32) -> [Backend: Slot] {
    var result: [Backend: Slot] = [:]
    for slot in oldKeptOfService[service] ?? [] { result[slot.backend] = slot }
    for list in oldListsOfService[service] ?? FewIndexes() {
      for slot in old.slots(of: list) { result[slot.backend] = slot }
    }
    return result
  }

  /// - Returns: false when there are not enough ids.
  private mutating func writeSlots(
    _ backends: [Backend], at base: UInt32, _ service: UInt32, known: inout [Backend: Slot]?
  ) -> Bool {
    if backends.isEmpty { return true }
    // Ids that have never been in use. Those that have are handed out first, so that there is never
    // a long run of untouched ones between others: readers take it for the end.
    if known == nil,
      let ids = room.endpoints.allocate(backends.count, notBelow: old.endpoints.count)
    {
      let record = EndpointRecord(generation: 1, service: service)
      plan.newEndpoints.append(.init(ids: ids, record: record))
      plan.slots.append(.init(base: base, slots: SlotRun(backends, ids: ids, generation: 1)))
      return true
    }
    var slots: [Slot] = []
    slots.reserveCapacity(backends.count)
    for backend in backends {
      if let slot = known?[backend] {
        slots.append(slot)
        continue
      }
      guard let id = room.endpoints.allocate() else { return false }
      let record = Int(id) < old.endpoints.count ? old.endpoints[Int(id)] : EndpointRecord()
      let slot = Slot(backend: backend, endpoint: id, generation: record.generation &+ 1)
      known?[backend] = slot
      plan.newEndpoints.append(
        .init(
          ids: id..<id + 1, record: EndpointRecord(generation: slot.generation, service: service)))
      slots.append(slot)
    }
    plan.slots.append(.init(base: base, slots: SlotRun(slots)))
    return true
  }
}
