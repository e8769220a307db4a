import BPFLoader
import CServiceABI
import ServiceMaps

/// The maps of one family, opened for writing.
struct FamilyTables<Wire: WireFamily>: Sendable
where
  Wire.WireFrontend: BitwiseCopyable, Wire.WireSlot: BitwiseCopyable,
  Wire.WireGuards: BitwiseCopyable, Wire.WireRange: BitwiseCopyable, Wire.WireKept: BitwiseCopyable
{
  let keys: MappedArray<svc_key_bucket>
  let frontends: MappedArray<Wire.WireFrontend>
  let lists: MappedArray<UInt64>
  let slots: MappedArray<Wire.WireSlot>
  let endpoints: MappedArray<svc_endpoint>
  let kept: HashMap<Wire.WireKept, UInt32>
  let services: MappedArray<svc_service>
  /// Of service ports whose names are long.
  let names: HashMap<svc_names_key, svc_names>
  let policies: MappedArray<svc_policy>
  let guards: GuardMap<Wire>
  let ranges: HashMap<Wire.WireRange, UInt32>
  let counters: PerCPUArray<svc_counters>
  let totals: MappedArray<svc_totals>
  let tallies: Tallies
  /// What was counted in maps that these have taken the place of.
  let past: HashMap<svc_past_key, svc_past>
  let capacities: Capacities

  /// The names of the maps, without the family.
  static var mapNames: [String] {
    [
      "keys", "frontends", "lists", "slots", "endpoints", "kept", "services", "names", "counters",
      "totals", "tallies", "full_tallies", "past", "policies", "guards", "ranges",
    ]
  }

  /// - Parameter open: opens a map by the name it has in the BPF object.
  init(open: (String) throws(BPFError) -> BPFMap) throws(BPFError) {
    let family = "\(Wire.family.rawValue)"
    keys = try MappedArray(open("keys" + family))
    frontends = try MappedArray(open("frontends" + family))
    lists = try MappedArray(open("lists" + family))
    slots = try MappedArray(open("slots" + family))
    endpoints = try MappedArray(open("endpoints" + family))
    kept = try HashMap(open("kept" + family))
    services = try MappedArray(open("services" + family))
    names = try HashMap(open("names" + family))
    policies = try MappedArray(open("policies" + family))
    guards = try GuardMap(open("guards" + family))
    ranges = try HashMap(open("ranges" + family))
    counters = try PerCPUArray(open("counters" + family))
    totals = try MappedArray(open("totals" + family))
    tallies = try Tallies(
      words: open("tallies" + family), full: open("full_tallies" + family), ids: endpoints.count)
    past = try HashMap(open("past" + family))
    // The maps themselves say how large they were made.
    capacities = Capacities(
      physicalServices: counters.map.maxEntries, frontends: frontends.count,
      physicalBackends: slots.count)
  }

  // MARK: Reading

  /// Reads everything that is in use.
  func read() throws(BPFError) -> FamilyState {
    keys.refresh()
    frontends.refresh()
    lists.refresh()
    slots.refresh()
    endpoints.refresh()
    var state = FamilyState(family: Wire.family, capacities: capacities)
    state.keys = readKeys()
    var slotsEnd = 0
    for (position, word) in state.keys.words.enumerated() where word != 0 {
      let index = KeyTable.index(in: word)
      guard Int(index) < frontends.count, let record = Wire.record(frontends[index]),
        state.keys.position(of: record.key, index: index) == position,
        Int(record.list) < lists.count
      else {
        state.staleKeys.append(position)
        continue
      }
      state.frontends[index] = record
      let range = SlotRange(word: lists.acquire(at: record.list))
      state.lists[record.list] = range
      slotsEnd = max(slotsEnd, Int(range.base) + Int(range.count))
    }
    state.slots = readSlots(end: min(slotsEnd, slots.count))
    for (wire, id) in try kept.all() where Int(id) < endpoints.count {
      if let record = Wire.kept(wire) { state.kept[record] = id }
    }
    var usedIDs = state.slots.reduce(0) { max($0, Int($1.endpoint) + 1) }
    usedIDs = state.kept.values.reduce(usedIDs) { max($0, Int($1) + 1) }
    state.endpoints = readEndpoints(atLeast: usedIDs)
    state.services = try readServices()
    state.guards = try guards.read().addresses
    try readRanges(into: &state)
    try keys.checkReads()
    try frontends.checkReads()
    try lists.checkReads()
    try slots.checkReads()
    try endpoints.checkReads()
    return state
  }

  /// The words, whatever seed and mask are.
  func readKeys() -> KeyTable {
    // Bucket 0 holds none.
    KeyTable(seed: keys.acquire(at: 0, offset: Self.seedOffset), words: keys.words(from: 1))
  }

  static var seedOffset: Int { Int(SVC_KEY_SEED.rawValue) * MemoryLayout<UInt64>.size }
  static var maskOffset: Int { Int(SVC_KEY_MASK.rawValue) * MemoryLayout<UInt64>.size }

  /// Writes a whole table that no program can reach yet.
  func initialize(_ table: KeyTable) {
    keys.publish(table.seed, at: 0, offset: Self.seedOffset)
    keys.publish(table.mask, at: 0, offset: Self.maskOffset)
    for (position, word) in table.words.enumerated() where word != 0 {
      publish(word, at: position)
    }
  }

  /// Without a key.
  func initializeKeys() {
    initialize(KeyTable(seed: .random(in: 0 ... .max), buckets: keys.count - 1))
    guards.initialize()
  }

  private func readRanges(into state: inout FamilyState) throws(BPFError) {
    for (wire, _) in try ranges.all() {
      let write = Wire.range(wire)
      if state.frontends[write.frontend] == nil {
        state.staleRanges.append(write)
      } else {
        state.frontends[write.frontend]?.sourceRanges.append(write.range)
      }
    }
    for (index, record) in state.frontends where record.sourceRanges.count > 1 {
      state.frontends[index]?.sourceRanges.sort()
    }
  }

  private func readSlots(end: Int) -> [Slot] {
    var result: [Slot] = []
    result.reserveCapacity(end)
    for index in 0..<end {
      if let slot = Wire.slot(slots[UInt32(index)]) {
        result.append(slot)
      } else if let filler = result.last ?? firstSlot(from: index, end: end) {
        // A gap between lists: no list leads here, it only has to be filled.
        result.append(filler)
      }
    }
    return result
  }

  private func firstSlot(from start: Int, end: Int) -> Slot? {
    (start..<end).lazy.compactMap { Wire.slot(slots[UInt32($0)]) }.first
  }

  /// Endpoint ids are handed out from 0, so the first long run of untouched ones is the end.
  private func readEndpoints(atLeast: Int) -> [EndpointRecord] {
    var records: [EndpointRecord] = []
    var untouched = 0
    for id in 0..<endpoints.count {
      let record = EndpointRecord(wire: endpoints[UInt32(id)])
      records.append(record)
      untouched = record == EndpointRecord() ? untouched + 1 : 0
      if untouched > 4096 && id >= atLeast { break }
    }
    records.removeLast(min(untouched, max(0, records.count - atLeast)))
    return records
  }

  /// Records by service port id; those that are not complete are not there.
  func readServices() throws(BPFError) -> [UInt32: ServiceRecord] {
    services.refresh()
    let names = try readNames()
    var result: [UInt32: ServiceRecord] = [:]
    for id in 0..<UInt32(services.count) where services[id].protocol != 0 {
      result[id] = ServiceRecord(wire: services[id], names: names[id])
    }
    try services.checkReads()
    return result
  }

  func readNames() throws(BPFError) -> [UInt32: svc_names] {
    var result: [UInt32: svc_names] = [:]
    for (key, value) in try names.all() { result[key.service] = value }
    return result
  }

  // MARK: Writing

  /// Carries out a plan, in its order.
  func apply(_ plan: FamilyPlan) throws(BPFError) {
    // Out of sight.
    try ranges.delete(plan.staleRanges.map(Wire.range))
    for position in plan.staleKeys { publish(0, at: position) }
    try kept.delete(plan.staleKept.map(Wire.kept))
    try write(plan.services)
    for write in plan.newEndpoints {
      endpoints.store(
        Array(repeating: write.record.wire, count: write.ids.count), from: write.ids.lowerBound)
    }
    // Not copied, one by one, with all that they refer to.
    let newSlots = plan.slots.span
    for position in newSlots.indices {
      slots.store(Wire.slots(newSlots[position].slots), from: newSlots[position].base)
    }
    for write in plan.newLists { lists.publish(write.range.word, at: write.list) }
    let newFrontends = plan.newFrontends.span
    for position in newFrontends.indices {
      frontends.store(
        Wire.frontend(newFrontends[position].record), at: newFrontends[position].index)
    }
    try ranges.update(plan.insertRanges.map(Wire.range), plan.insertRanges.map { _ in 1 })
    try kept.update(plan.insertKept.map { Wire.kept($0.record) }, plan.insertKept.map(\.endpoint))
    // In sight.
    for write in plan.retargets {
      frontends.store(write.record.flags, at: write.index, offset: Wire.flagsOffset)
      frontends.publish(write.record.target, at: write.index, offset: Wire.targetOffset)
    }
    for write in plan.publishLists { lists.publish(write.range.word, at: write.list) }
    let newKeys = plan.insertKeys.span
    for position in newKeys.indices {
      publish(newKeys[position].word, at: newKeys[position].position)
    }
    try guards.insert(plan.insertGuards)
    guards.delete(plan.deleteGuards)
    for write in plan.deleteKeys { publish(0, at: write.position) }
    try ranges.delete(plan.deleteRanges.map(Wire.range))
    try kept.delete(plan.deleteKept.map(Wire.kept))
    for write in plan.releasedEndpoints {
      let wire = write.record.wire
      // One word, so that no program sees the new generation with the old service.
      endpoints.publish(
        (UInt64(wire.service) << 32 | UInt64(wire.generation)).littleEndian, at: write.id)
    }
    try delete(services: plan.deletedServices)
  }

  func publish(_ word: UInt64, at position: Int) {
    let (bucket, offset) = KeyTable.place(of: position)
    keys.publish(word, at: bucket, offset: offset)
  }

  // MARK: Service ports

  private func write(_ writes: [FamilyPlan.ServiceWrite]) throws(BPFError) {
    guard !writes.isEmpty else { return }
    // Not copied, one by one, with all that they refer to.
    let all = writes.span
    try clearCounters(all.indices.filter { all[$0].isNew }.map { all[$0].id })
    for position in all.indices {
      let id = all[position].id
      // Round robin goes on where it was when a service port stays.
      var policy = all[position].record.policy
      if !all[position].isNew { policy.next = policies[id].next }
      policies.store(policy, at: id)
      services.store(all[position].record.wire, at: id)
    }
    // Last, and first when they are deleted: no names are left without a record.
    if try !names.isEmpty {
      try names.delete(
        writes.filter { !$0.record.hasLongNames }.map { svc_names_key(id: $0.id) })
    }
    let long = writes.filter(\.record.hasLongNames)
    try names.update(
      long.map { svc_names_key(id: $0.id) }, long.map { $0.record.wireNames ?? svc_names() })
  }

  /// Removes what a writer that was killed has left half written, and no plan would find.
  func clearHalves() throws(BPFError) {
    for place in try guards.read().stray { guards.clear(place) }
    let whole = try readServices()
    try delete(
      services: (0..<UInt32(services.count)).filter {
        services[$0].protocol != 0 && whole[$0] == nil
      })
  }

  func delete(services ids: [UInt32]) throws(BPFError) {
    guard !ids.isEmpty else { return }
    if try !names.isEmpty { try names.delete(ids.map { svc_names_key(id: $0) }) }
    for id in ids where Int(id) < services.count { services.store(svc_service(), at: id) }
  }
}
