/// Which endpoints keep their ids although no list holds them.
struct ServingEndpoints {
  /// In no list of the table, but serving; sorted.
  private(set) var kept: [ServicePortName: [Backend]] = [:]
  /// How many of these may be kept.
  private(set) var room: Int
  /// Those of service ports that wait: the table lists them, and the list that holds them now may
  /// go before.
  private(set) var awaited: [ServicePortName: Set<Backend>] = [:]

  /// - Parameter frontends: those of the table that are of the family of `state`.
  ///
  /// Ids are for listed endpoints first. What is listed and kept together never exceeds
  /// `Capacities.backends`, so a table that fits without kept endpoints fits with them, and a plan
  /// that runs out of ids finds as many to come free as it would without. What is too much is
  /// released: the sockets that have it choose anew.
  init(_ table: ServiceTable, _ frontends: [Frontend], _ state: FamilyState) {
    room = state.capacities.physicalKept
    for endpoint in table.keptEndpoints where endpoint.backend.address.family == state.family {
      kept[endpoint.service, default: []].append(endpoint.backend)
    }
    if kept.isEmpty { return }
    room = min(room, state.capacities.backends - FamilyState.needed(by: frontends).backends)
  }

  /// Of some service ports.
  ///
  /// - Parameter room: what all others leave.
  init(_ endpoints: [KeptEndpoint], room: Int) {
    self.room = room
    for endpoint in endpoints.sorted() {
      kept[endpoint.service, default: []].append(endpoint.backend)
    }
  }

  mutating func addListed(_ frontends: [Frontend]) {
    for frontend in frontends {
      awaited[frontend.service, default: []].formUnion(frontend.backends)
    }
  }
}

extension Planner {
  /// Of the ids that no new list holds those that are kept: their endpoints still serve. Writes
  /// what they stand for, which so far a list said.
  ///
  /// - Parameter used: where in `services` those are that the new state has, by id.
  mutating func keepServing(_ left: [Int], _ used: [UInt32: Int]) -> Set<UInt32> {
    var leftOfService: [UInt32: Set<UInt32>] = [:]
    for id in left {
      if let service = old.endpoints[id].service {
        leftOfService[service, default: []].insert(UInt32(id))
      }
    }
    var result: Set<UInt32> = []
    var places = serving.room
    // Entries that go are deleted only after these are there.
    var free = roomForKept
    for (service, ids) in leftOfService.sorted(by: { $0.key < $1.key }) {
      guard used[service] != nil, let name = nameOfService(service) else { continue }
      let kept = serving.kept[name] ?? []
      let awaited = serving.awaited[name] ?? []
      if kept.isEmpty && awaited.isEmpty { continue }
      let known = slotsByBackend(ofService: service)
      for backend in awaited.sorted() + kept {
        guard let id = known[backend]?.endpoint, ids.contains(id) else { continue }
        let record = KeptRecord(service: service, backend: backend)
        let isNew = old.kept[record] != id
        let isAwaited = awaited.contains(backend)
        if result.contains(id) || (isNew && free == 0) || (!isAwaited && places == 0) { continue }
        result.insert(id)
        if !isAwaited { places -= 1 }
        if isNew {
          free -= 1
          plan.insertKept.append(.init(record: record, endpoint: id))
        }
      }
    }
    for (record, id) in old.kept where old.stands(id, for: record) && !result.contains(id) {
      plan.deleteKept.append(record)
    }
    return result
  }

  private func nameOfService(_ id: UInt32) -> ServicePortName? {
    // A damaged state has endpoints of a service port without a record, whose id is given anew.
    old.services[id]?.name ?? plan.services.first { $0.id == id }?.record.name
  }

  /// Entries that can be written before those that go are deleted.
  private var roomForKept: Int { room.kept - plan.insertKept.count }

  /// Endpoints that go from one list to another are kept on the way: a writer that is killed
  /// between the two lists must not lose them.
  mutating func holdMoving(_ used: [UInt32: Int]) {
    var changed = Set<UInt32>()
    let rewritten = Set(plan.publishLists.lazy.map(\.list))
    if !rewritten.isEmpty {
      for (service, lists) in oldListsOfService
      where lists.contains(where: rewritten.contains) { changed.insert(service) }
    }
    for index in plan.retargets.map(\.index) + plan.deleteKeys.map(\.index) {
      if let record = old.frontends[index] { changed.insert(record.service) }
    }
    for service in changed.sorted() {
      guard let place = used[service] else { continue }
      let before = oldListsOfService[service] ?? FewIndexes()
      let after = services[place].lists.map { lists[Int($0)] }
      if before.count == 1 && before.elementsEqual(after.lazy.map(\.index))
        && stableLists.contains(before[0])
      {
        continue
      }
      var listed = Set<Backend>()
      for list in after { listed.formUnion(list.backends) }
      // What some list holds all the time is safe.
      for list in after where before.contains(list.index) && stableLists.contains(list.index) {
        let old = Set(old.slots(of: list.index).lazy.map(\.backend))
        listed.subtract(old.intersection(list.backends))
      }
      for (backend, slot) in slotsByBackend(ofService: service).sorted(by: { $0.key < $1.key })
      where listed.contains(backend) {
        let record = KeptRecord(service: service, backend: backend)
        guard old.kept[record] != slot.endpoint, roomForKept > 0 else { continue }
        plan.insertKept.append(.init(record: record, endpoint: slot.endpoint))
        plan.deleteKept.append(record)
      }
    }
    plan.deleteKept.sort()
  }

  // MARK: What goes

  /// Endpoints that no list of the new state holds and that do not serve any more. Records of a
  /// plan that was interrupted are found here too: they name a service, and nothing holds them.
  mutating func releaseEndpoints() {
    if old.services.isEmpty && old.endpoints.isEmpty { return }
    var used: [UInt32: Int] = [:]
    for place in services.indices where services[place].isUsed { used[services[place].id] = place }
    let left = isPart ? unlistedOfPart() : unlisted()
    let kept = keepServing(left, used)
    holdMoving(used)
    for id in left where !kept.contains(UInt32(id)) {
      let record = EndpointRecord(generation: old.endpoints[id].generation &+ 1, service: nil)
      plan.releasedEndpoints.append(.init(id: UInt32(id), record: record))
    }
  }

  /// What every list of the new state holds, old endpoints and new ones.
  private func forEachListed(_ body: (UInt32) -> Void) {
    let rewritten = Set(plan.publishLists.lazy.map(\.list))
    for list in lists where !list.isNew && !rewritten.contains(list.index) {
      for slot in old.slots(of: list.index) { body(slot.endpoint) }
    }
    for write in plan.slots { for slot in write.slots { body(slot.endpoint) } }
  }

  /// The ids in use that no list of the new state holds.
  private func unlisted() -> [Int] {
    var isListed = [Bool](repeating: false, count: old.endpoints.count)
    forEachListed { if Int($0) < isListed.count { isListed[Int($0)] = true } }
    return old.endpoints.indices.filter { old.endpoints[$0].service != nil && !isListed[$0] }
  }

  /// The same, without a look at the ids of all others.
  private func unlistedOfPart() -> [Int] {
    var ids = Set<UInt32>()
    for list in old.lists.keys { for slot in old.slots(of: list) { ids.insert(slot.endpoint) } }
    ids.formUnion(old.kept.values)
    forEachListed { ids.remove($0) }
    return ids.map { Int($0) }.sorted()
  }
}
