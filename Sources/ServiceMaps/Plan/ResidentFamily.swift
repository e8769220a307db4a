/// What the maps of one family hold, for a process that changes it again and again: what a plan has
/// to find is indexed, and kept up to date, so that a plan takes as long as its change is large.
///
/// ARCHITECTURE.md, "One change in a large table".
public struct ResidentFamily: Sendable {
  public private(set) var state: FamilyState
  private var serviceIDs: [ServicePortName: UInt32] = [:]
  /// Indexes of frontends, by service port id.
  private var frontends: [UInt32: [UInt32]] = [:]
  private var kept: [UInt32: Set<KeptRecord>] = [:]
  /// How many frontends have a list.
  private var users: [UInt32: Int] = [:]
  /// How many slots the lists have together.
  private var listed = 0
  private var room: FreeRoom
  private var freed = Freed()

  /// What is in use no more, but programs may still see it.
  private struct Freed: Sendable {
    var services: [UInt32] = []
    var frontends: [UInt32] = []
    var lists: [UInt32] = []
    var endpoints: [UInt32] = []
    var slots: [SlotRange] = []
  }

  /// Some service ports' part of a change, and what it leaves free.
  public struct Part: Sendable {
    public let plan: FamilyPlan
    fileprivate let room: FreeRoom
  }

  /// - Parameter state: as a plan left it that was carried out whole; nil for another one, which
  ///   has something that only a plan for the whole table takes away.
  public init?(_ state: FamilyState) {
    guard state.staleKeys.isEmpty, state.staleRanges.isEmpty, state.blockedSlots.isEmpty else {
      return nil
    }
    self.state = state
    room = FreeRoom(of: state)
    for (id, record) in state.services { serviceIDs[record.name] = id }
    guard serviceIDs.count == state.services.count else { return nil }
    frontends.reserveCapacity(state.services.count)
    users.reserveCapacity(state.lists.count)
    for (index, record) in state.frontends {
      guard state.services[record.service] != nil, owner(of: record.key) == index else {
        return nil
      }
      frontends[record.service, default: []].append(index)
      users[record.list, default: 0] += 1
    }
    for (record, id) in state.kept {
      guard state.stands(id, for: record) else { return nil }
      kept[record.service, default: []].insert(record)
    }
    listed = state.lists.values.reduce(0) { $0 + Int($1.count) }
    guard users.count == state.lists.count, isAccountedFor else { return nil }
  }

  /// Every endpoint id in use is in a list or kept.
  private var isAccountedFor: Bool {
    var isKnown = [Bool](repeating: false, count: state.endpoints.count)
    func note(_ id: UInt32) { if Int(id) < isKnown.count { isKnown[Int(id)] = true } }
    for id in state.kept.values { note(id) }
    for list in state.lists.keys { for slot in state.slotsOfList(list) { note(slot.endpoint) } }
    return state.endpoints.indices.allSatisfy { state.endpoints[$0].service == nil || isKnown[$0] }
  }

  /// The index of the frontend with this key, as programs find it.
  private func owner(of key: FrontendKey) -> UInt32? {
    for position in state.keys.candidates(for: key) {
      let index = KeyTable.index(in: state.keys.words[position])
      if state.frontends[index]?.key == key { return index }
    }
    return nil
  }

  /// Plans a change.
  ///
  /// - Returns: nil when it takes a plan for the whole table: there is too little room (perhaps only
  ///   until `settle`), or a key goes over from a service port that the change does not name.
  public func plan(_ change: TableChange) -> Part? {
    let family = state.family
    let frontends = change.frontends.filter { $0.key.address.family == family }
    var part = FamilyState(family: family, capacities: state.capacities, keys: state.keys)
    part.slots = state.slots
    part.endpoints = state.endpoints
    for id in change.services.lazy.compactMap({ serviceIDs[$0] }) { add(id, to: &part) }
    for frontend in frontends {
      if let index = owner(of: frontend.key), part.frontends[index] == nil { return nil }
    }
    guard let listed = listed(after: frontends, insteadOf: part) else { return nil }
    let room = min(state.capacities.physicalKept, state.capacities.backends - listed)
    let serving = ServingEndpoints(
      change.keptEndpoints.filter { $0.backend.address.family == family },
      room: max(0, room - state.kept.count + part.kept.count))
    guard
      var (plan, left) = Planner.plan(
        part: part, to: frontends, room: self.room, serving: serving)
    else { return nil }
    plan.insertGuards = change.addedGuards.filter {
      $0.family == family && !state.guards.contains($0)
    }
    plan.deleteGuards = change.removedGuards.filter {
      $0.family == family && state.guards.contains($0)
    }
    return Part(plan: plan, room: left)
  }

  private func add(_ id: UInt32, to part: inout FamilyState) {
    part.services[id] = state.services[id]
    for index in frontends[id] ?? [] {
      guard let record = state.frontends[index] else { continue }
      part.frontends[index] = record
      part.lists[record.list] = state.lists[record.list]
    }
    for record in kept[id] ?? [] { part.kept[record] = state.kept[record] }
  }

  /// How many slots all lists have then; nil when the table does not fit.
  private func listed(after new: [Frontend], insteadOf part: FamilyState) -> Int? {
    let room = state.capacities
    let needed = FamilyState.needed(by: new)
    let listed =
      listed - part.lists.values.reduce(0) { $0 + Int($1.count) } + needed.backends
    let services = state.services.count - part.services.count + needed.services
    let frontends = state.frontends.count - part.frontends.count + new.count
    return services <= room.services && frontends <= room.frontends && listed <= room.backends
      ? listed : nil
  }

  // MARK: Carried out

  /// The plan was carried out.
  ///
  /// - Precondition: it is the last one that was made.
  public mutating func commit(_ part: Part) {
    let plan = part.plan
    room = part.room
    for write in plan.services { serviceIDs[write.record.name] = write.id }
    var lists = Set<UInt32>()
    for write in plan.retargets {
      if let before = state.frontends[write.index] { remove(write.index, before, &lists) }
      add(write.index, write.record)
    }
    for write in plan.insertKeys { add(write.index, write.record) }
    for write in plan.deleteKeys {
      remove(write.index, write.record, &lists)
      freed.frontends.append(write.index)
    }
    for write in plan.publishLists { release(list: write.list) }
    for write in plan.newLists + plan.publishLists { listed += Int(write.range.count) }
    for write in plan.insertKept { kept[write.record.service, default: []].insert(write.record) }
    for record in plan.deleteKept { kept[record.service]?.remove(record) }
    for write in plan.releasedEndpoints { freed.endpoints.append(write.id) }
    for id in plan.deletedServices {
      if let name = state.services[id]?.name, serviceIDs[name] == id { serviceIDs[name] = nil }
      frontends[id] = nil
      kept[id] = nil
      freed.services.append(id)
    }
    state.write(plan)
    for list in lists where users[list] == 0 {
      release(list: list)
      users[list] = nil
      state.lists[list] = nil
      freed.lists.append(list)
    }
    room.kept = state.capacities.physicalKept - state.kept.count
  }

  private mutating func add(_ index: UInt32, _ record: FrontendRecord) {
    frontends[record.service, default: []].append(index)
    users[record.list, default: 0] += 1
  }

  private mutating func remove(
    _ index: UInt32, _ record: FrontendRecord, _ lists: inout Set<UInt32>
  ) {
    frontends[record.service]?.removeAll { $0 == index }
    users[record.list, default: 1] -= 1
    lists.insert(record.list)
  }

  /// The slots of a list as `state` has it.
  private mutating func release(list: UInt32) {
    guard let range = state.lists[list] else { return }
    freed.slots.append(range)
    listed -= Int(range.count)
  }

  /// How many entries are in use.
  public var used: Capacities {
    Capacities(
      services: state.services.count, frontends: state.frontends.count,
      backends: listed + state.kept.count)
  }

  /// How much waits for a grace period.
  public var unsettled: Int { freed.slots.count + freed.endpoints.count + freed.frontends.count }

  /// A grace period has passed since the last `commit`: no program can see what was taken out of use.
  public mutating func settle() {
    for id in freed.services { room.services.release(id) }
    for index in freed.frontends { room.frontends.release(index) }
    for list in freed.lists { room.lists.release(list) }
    for id in freed.endpoints { room.endpoints.release(id) }
    for range in freed.slots { room.slots.release(range) }
    freed = Freed()
  }
}
