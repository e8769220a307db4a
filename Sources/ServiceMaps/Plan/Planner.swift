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
  private var serviceIDs: [ServicePortName: UInt32] = [:]
  /// Ids of the service ports that there are afterwards.
  private(set) var usedServices: Set<UInt32> = []
  private(set) var room: FreeRoom
  /// The old state is a part of one: some service ports, with all that is theirs.
  let isPart: Bool
  private var indexByKey: [FrontendKey: UInt32]
  private var keys: KeyTable
  /// A key whose ways were all taken.
  private var isCrowded = false
  /// The lists of the new state, by list index.
  private(set) var wanted: [UInt32: WantedList] = [:]
  private(set) var listsOfService: [UInt32: FewIndexes] = [:]
  private(set) var oldListsOfService: [UInt32: FewIndexes] = [:]
  /// Endpoints of the old state that no list has to hold, by service port.
  private var oldKeptOfService: [UInt32: [Slot]] = [:]

  /// Lists that some frontend has before and after, and all the time.
  private(set) var stableLists: Set<UInt32> = []

  struct WantedList {
    var service: UInt32
    var backends: [Backend]
    var isNew: Bool
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
        let guards = Set(table.guardedAddresses.lazy.filter { $0.family == state.family })
        plan.staleRanges = state.staleRanges
        plan.staleKeys += state.staleKeys
        // An address whose keys come with a later plan gets its guard then.
        let addresses = isComplete ? [] : Set(frontends.lazy.map(\.key.address))
        plan.insertGuards = guards.subtracting(state.guards)
          .filter { isComplete || addresses.contains($0) }.sorted()
        plan.deleteGuards = state.guards.subtracting(guards).sorted()
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
    for (id, record) in old.services { serviceIDs[record.name] = id }
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
    serviceIDs.reserveCapacity(frontends.count)
    usedServices.reserveCapacity(frontends.count)
    wanted.reserveCapacity(frontends.count)
    listsOfService.reserveCapacity(frontends.count)
    let services = assignServices(frontends)
    // Not copied, one by one, with all that they refer to.
    let all = frontends.span
    // Frontends that stay claim their lists first; the others join them where they can.
    var fresh: [(position: Int, service: UInt32)] = []
    fresh.reserveCapacity(max(0, frontends.count - indexByKey.count))
    for (position, service) in services.enumerated() {
      guard let service else { continue }
      guard let index = indexByKey[all[position].key], let record = old.frontends[index],
        record.service == service
      else {
        fresh.append((position, service))
        continue
      }
      let list = claim(record.list, service: service, backends: all[position].backends)
      keep(index, record, as: all[position], service: service, list: list)
    }
    plan.newFrontends.reserveCapacity(fresh.count)
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
    deleteServices()
    return plan
  }

  // MARK: Service ports

  /// The id of each frontend's service port; nil when none is free before a grace period.
  private mutating func assignServices(_ frontends: [Frontend]) -> [UInt32?] {
    var written = Set<UInt32>()
    // One that waits may have no frontend meanwhile, but what it will list has ids of it.
    for name in serving.awaited.keys {
      if let id = serviceIDs[name] { usedServices.insert(id) }
    }
    if serviceIDs.isEmpty { plan.services.reserveCapacity(frontends.count) }
    let all = frontends.span
    var ids: [UInt32?] = []
    ids.reserveCapacity(all.count)
    for position in all.indices {
      let record = ServiceRecord(
        name: all[position].service, affinityTimeout: all[position].affinityTimeout,
        algorithm: all[position].algorithm, termination: all[position].termination)
      if let id = serviceIDs[record.name] {
        usedServices.insert(id)
        if let known = old.services[id], known != record, written.insert(id).inserted {
          plan.services.append(.init(id: id, record: record, isNew: false))
        }
        ids.append(id)
      } else if let id = room.services.allocate() {
        serviceIDs[record.name] = id
        usedServices.insert(id)
        plan.services.append(.init(id: id, record: record, isNew: true))
        ids.append(id)
      } else {
        deferred.insert(record.name)
        ids.append(nil)
      }
    }
    return ids
  }

  private mutating func deleteServices() {
    plan.deletedServices = old.services.keys.filter { !usedServices.contains($0) }.sorted()
  }

  // MARK: Frontends

  private mutating func keep(
    _ index: UInt32, _ record: FrontendRecord, as frontend: Frontend, service: UInt32,
    list: UInt32?
  ) {
    guard let list else {
      deferred.insert(frontend.service)
      return
    }
    let new = self.record(of: frontend, service: service, list: list)
    if list == record.list && service == record.service { stableLists.insert(list) }
    guard new != record else { return }
    plan.retargets.append(.init(index: index, record: new))
    let before = Set(record.sourceRanges)
    let after = Set(new.sourceRanges)
    plan.insertRanges += new.sourceRanges.filter { !before.contains($0) }
      .map { .init(frontend: index, range: $0) }
    plan.deleteRanges += record.sourceRanges.filter { !after.contains($0) }
      .map { .init(frontend: index, range: $0) }
  }

  private mutating func insert(_ frontend: Frontend, service: UInt32, list: UInt32) {
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
    plan.newFrontends.append(.init(index: index, record: record))
    plan.insertKeys.append(
      .init(index: index, record: record, position: position, word: keys.words[position]))
  }

  private func record(of frontend: Frontend, service: UInt32, list: UInt32) -> FrontendRecord {
    FrontendRecord(
      key: frontend.key, kind: frontend.kind, whenEmpty: frontend.whenEmpty,
      hasPolicy: frontend.affinityTimeout != nil || frontend.algorithm != .random,
      udpChoice: frontend.udpChoice,
      isTerminated: frontend.termination.includes(frontend.key.transport),
      sourceRanges: frontend.sourceRanges, service: service, list: list)
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
  private mutating func claim(_ list: UInt32, service: UInt32, backends: [Backend]) -> UInt32? {
    if let claimed = wanted[list] {
      return claimed.backends == backends ? list : share(service: service, backends: backends)
    }
    wanted[list] = WantedList(service: service, backends: backends, isNew: false)
    listsOfService.append(list, at: service)
    return list
  }

  /// A list of the service with these backends: one that is there already, or a new one.
  private mutating func share(service: UInt32, backends: [Backend]) -> UInt32? {
    if let lists = listsOfService[service],
      let list = lists.first(where: { wanted[$0]?.backends == backends })
    {
      return list
    }
    guard let list = room.lists.allocate() else { return nil }
    wanted[list] = WantedList(service: service, backends: backends, isNew: true)
    listsOfService.append(list, at: service)
    return list
  }

  private mutating func writeLists() {
    var waiting: Set<UInt32> = []
    let new = wanted.values.lazy.filter(\.isNew)
    let slots = new.reduce(0) { $0 + $1.backends.count }
    plan.newLists.reserveCapacity(new.count)
    plan.newEndpoints.reserveCapacity(slots)
    for (service, lists) in listsOfService.sorted(by: { $0.key < $1.key }) {
      var known: [Backend: Slot]?
      for index in lists {
        guard let list = wanted[index] else { continue }
        let before = list.isNew ? [] : old.slots(of: index)
        if !list.isNew && before.lazy.map(\.backend).elementsEqual(list.backends) { continue }
        // In one list each backend is once.
        if known == nil && (!before.isEmpty || !isNewWithOneList(service)) {
          known = slotsByBackend(ofService: service)
        }
        guard let range = room.slots.allocate(list.backends.count),
          writeSlots(list.backends, at: range.base, service, known: &known, expected: slots)
        else {
          waiting.insert(service)
          continue
        }
        let write = FamilyPlan.ListWrite(list: index, range: range)
        if list.isNew { plan.newLists.append(write) } else { plan.publishLists.append(write) }
      }
    }
    if waiting.isEmpty { return }
    for (name, id) in serviceIDs where waiting.contains(id) { deferred.insert(name) }
  }

  private func isNewWithOneList(_ service: UInt32) -> Bool {
    listsOfService[service]?.count == 1 && oldListsOfService[service] == nil
      && oldKeptOfService[service] == nil
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

  /// - Parameter expected: so many slots are written altogether, at most.
  /// - Returns: false when there are not enough ids.
  private mutating func writeSlots(
    _ backends: [Backend], at base: UInt32, _ service: UInt32, known: inout [Backend: Slot]?,
    expected: Int
  ) -> Bool {
    if backends.isEmpty { return true }
    // What comes to lie behind the slots of another list is one write with them.
    var write = FamilyPlan.SlotWrite(base: base, slots: [])
    if let last = plan.slots.last, Int(last.base) + last.slots.count == Int(base) {
      write = plan.slots.removeLast()
    } else if plan.slots.isEmpty {
      write.slots.reserveCapacity(expected)
    }
    let before = write.slots.count
    defer { if !write.slots.isEmpty { plan.slots.append(write) } }
    for backend in backends {
      if let slot = known?[backend] {
        write.slots.append(slot)
        continue
      }
      guard let id = room.endpoints.allocate() else {
        write.slots.removeLast(write.slots.count - before)
        return false
      }
      let record = Int(id) < old.endpoints.count ? old.endpoints[Int(id)] : EndpointRecord()
      let slot = Slot(backend: backend, endpoint: id, generation: record.generation &+ 1)
      known?[backend] = slot
      plan.newEndpoints.append(
        .init(id: id, record: EndpointRecord(generation: slot.generation, service: service)))
      write.slots.append(slot)
    }
    return true
  }
}
