import BPFLoader
import CServiceABI
import ServiceMaps

/// The maps of one family, opened for writing.
struct FamilyTables<Wire: WireFamily>: Sendable
where
  Wire.WireFrontend: BitwiseCopyable, Wire.WireSlot: BitwiseCopyable,
  Wire.WireGuard: BitwiseCopyable, Wire.WireRange: BitwiseCopyable, Wire.WireKept: BitwiseCopyable
{
  let keys: MappedArray<svc_key_bucket>
  let frontends: MappedArray<Wire.WireFrontend>
  let lists: MappedArray<UInt64>
  let slots: MappedArray<Wire.WireSlot>
  let endpoints: MappedArray<svc_endpoint>
  let kept: HashMap<Wire.WireKept, UInt32>
  let services: HashMap<UInt32, svc_service>
  let policies: MappedArray<svc_policy>
  let guards: HashMap<Wire.WireGuard, UInt32>
  let ranges: HashMap<Wire.WireRange, UInt32>
  let counters: PerCPUArray<svc_counters>
  /// What was counted in maps that larger ones have replaced.
  let totals: HashMap<UInt32, svc_counters>
  let capacities: Capacities

  /// The names of the maps, without the family.
  static var mapNames: [String] {
    [
      "keys", "frontends", "lists", "slots", "endpoints", "kept", "services", "counters", "totals",
      "policies", "guards", "ranges",
    ]
  }

  /// - Parameter open: opens a map by the name it has in the BPF object.
  init(capacities: Capacities, open: (String) throws(BPFError) -> BPFMap) throws(BPFError) {
    let family = "\(Wire.family.rawValue)"
    keys = try MappedArray(open("keys" + family))
    frontends = try MappedArray(open("frontends" + family))
    lists = try MappedArray(open("lists" + family))
    slots = try MappedArray(open("slots" + family))
    endpoints = try MappedArray(open("endpoints" + family))
    kept = try HashMap(open("kept" + family))
    services = try HashMap(open("services" + family))
    policies = try MappedArray(open("policies" + family))
    guards = try HashMap(open("guards" + family))
    ranges = try HashMap(open("ranges" + family))
    counters = try PerCPUArray(open("counters" + family))
    totals = try HashMap(open("totals" + family))
    self.capacities = capacities
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
    for (id, wire) in try services.all() {
      if let record = ServiceRecord(wire: wire) { state.services[id] = record }
    }
    for (wire, _) in try guards.all() { state.guards.insert(Wire.address(wire)) }
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
    let words = (0..<(keys.count - 1) * Int(SVC_KEY_WAYS)).map { position in
      let (bucket, offset) = KeyTable.place(of: position)
      return keys.acquire(at: bucket, offset: offset)
    }
    return KeyTable(seed: keys.acquire(at: 0, offset: Self.seedOffset), words: words)
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

  /// Counters summed over all CPUs, by service port id.
  func readCounters() throws(BPFError) -> [UInt32: ServiceCounters] {
    var result: [UInt32: ServiceCounters] = [:]
    try counters.forEach { id, perCPU in
      var sum = ServiceCounters()
      for value in perCPU {
        sum.translated &+= value.translated
        sum.refused &+= value.refused
        sum.denied &+= value.denied
      }
      if sum != ServiceCounters() { result[id] = sum }
    }
    for (id, total) in try totals.all() {
      result[id, default: ServiceCounters()].translated &+= total.translated
      result[id, default: ServiceCounters()].refused &+= total.refused
      result[id, default: ServiceCounters()].denied &+= total.denied
    }
    return result
  }

  // MARK: Writing

  /// Carries out a plan, in its order.
  func apply(_ plan: FamilyPlan) throws(BPFError) {
    // Out of sight.
    try ranges.delete(plan.staleRanges.map(Wire.range))
    for position in plan.staleKeys { publish(0, at: position) }
    try kept.delete(plan.staleKept.map(Wire.kept))
    try services.update(plan.services.map(\.id), plan.services.map(\.record.wire))
    let fresh = plan.services.filter(\.isNew).map(\.id)
    if !fresh.isEmpty, try !totals.isEmpty { try totals.delete(fresh) }
    try counters.clear(fresh)
    for write in plan.services { store(write) }
    for write in plan.newEndpoints { endpoints.store(write.record.wire, at: write.id) }
    for write in plan.slots {
      for (offset, slot) in write.slots.enumerated() {
        slots.store(Wire.slot(slot), at: write.base + UInt32(offset))
      }
    }
    for write in plan.newLists { lists.publish(write.range.word, at: write.list) }
    for write in plan.newFrontends {
      frontends.store(Wire.frontend(write.record), at: write.index)
    }
    try ranges.update(plan.insertRanges.map(Wire.range), plan.insertRanges.map { _ in 1 })
    try kept.update(plan.insertKept.map { Wire.kept($0.record) }, plan.insertKept.map(\.endpoint))
    // In sight.
    for write in plan.retargets {
      frontends.store(write.record.flags, at: write.index, offset: Wire.flagsOffset)
      frontends.publish(write.record.target, at: write.index, offset: Wire.targetOffset)
    }
    for write in plan.publishLists { lists.publish(write.range.word, at: write.list) }
    for write in plan.insertKeys { publish(write.word, at: write.position) }
    try guards.update(plan.insertGuards.map(Wire.guarding), plan.insertGuards.map { _ in 1 })
    try guards.delete(plan.deleteGuards.map(Wire.guarding))
    for write in plan.deleteKeys { publish(0, at: write.position) }
    try ranges.delete(plan.deleteRanges.map(Wire.range))
    try kept.delete(plan.deleteKept.map(Wire.kept))
    for write in plan.releasedEndpoints {
      let wire = write.record.wire
      // One word, so that no program sees the new generation with the old service.
      endpoints.publish(
        (UInt64(wire.service) << 32 | UInt64(wire.generation)).littleEndian, at: write.id)
    }
    try services.delete(plan.deletedServices)
  }

  func publish(_ word: UInt64, at position: Int) {
    let (bucket, offset) = KeyTable.place(of: position)
    keys.publish(word, at: bucket, offset: offset)
  }

  /// Round robin goes on where it was when a service port stays.
  private func store(_ write: FamilyPlan.ServiceWrite) {
    var policy = write.record.policy
    if !write.isNew { policy.next = policies[write.id].next }
    policies.store(policy, at: write.id)
  }
}
