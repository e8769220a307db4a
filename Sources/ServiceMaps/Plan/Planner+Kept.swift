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
  mutating func keepServing(_ left: [Int]) -> Set<UInt32> {
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
      guard usedServices.contains(service), let name = nameOfService(service) else { continue }
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
  mutating func holdMoving() {
    var changed = Set<UInt32>()
    for write in plan.publishLists {
      if let list = wanted[write.list] { changed.insert(list.service) }
    }
    for index in plan.retargets.map(\.index) + plan.deleteKeys.map(\.index) {
      if let record = old.frontends[index] { changed.insert(record.service) }
    }
    for service in changed.sorted() where usedServices.contains(service) {
      let before = oldListsOfService[service] ?? FewIndexes()
      let after = listsOfService[service] ?? FewIndexes()
      if before.count == 1 && before == after && stableLists.contains(before[0]) { continue }
      var listed = Set<Backend>()
      for list in after { listed.formUnion(wanted[list]?.backends ?? []) }
      // What some list holds all the time is safe.
      for list in before where stableLists.contains(list) && wanted[list]?.service == service {
        let old = Set(old.slots(of: list).lazy.map(\.backend))
        listed.subtract(old.intersection(wanted[list]?.backends ?? []))
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
    if old.endpoints.isEmpty { return holdMoving() }
    var rewritten = Set<UInt32>()
    for write in plan.publishLists { rewritten.insert(write.list) }
    let unchanged = wanted.lazy.filter { !$1.isNew && !rewritten.contains($0) }
    let lists =
      unchanged.map { self.old.slots(of: $0.key) } + plan.slots.map { ArraySlice($0.slots) }
    let left = isPart ? unlistedOfPart(by: lists) : unlisted(by: lists)
    let kept = keepServing(left)
    holdMoving()
    for id in left where !kept.contains(UInt32(id)) {
      let record = EndpointRecord(generation: old.endpoints[id].generation &+ 1, service: nil)
      plan.releasedEndpoints.append(.init(id: UInt32(id), record: record))
    }
  }

  /// The ids in use that are in none of these lists.
  private func unlisted(by lists: [ArraySlice<Slot>]) -> [Int] {
    var isListed = [Bool](repeating: false, count: old.endpoints.count)
    for list in lists {
      for slot in list where Int(slot.endpoint) < isListed.count {
        isListed[Int(slot.endpoint)] = true
      }
    }
    return old.endpoints.indices.filter { old.endpoints[$0].service != nil && !isListed[$0] }
  }

  /// The same, without a look at the ids of all others.
  private func unlistedOfPart(by lists: [ArraySlice<Slot>]) -> [Int] {
    var ids = Set<UInt32>()
    for list in old.lists.keys { for slot in old.slots(of: list) { ids.insert(slot.endpoint) } }
    ids.formUnion(old.kept.values)
    for list in lists { for slot in list { ids.remove(slot.endpoint) } }
    return ids.map { Int($0) }.sorted()
  }
}
