import ServiceMaps

extension FamilyImage {
  /// The maps as they are when nothing is wrong with them.
  init(_ state: FamilyState) {
    self.init(family: state.family, capacities: state.capacities)
    for (index, record) in state.frontends {
      records[index] = Record(
        key: record.key, flags: record.flags, service: record.service, list: record.list)
      lists[record.list] = state.lists[record.list]
      slots[record.list] = state.slotsOfList(record.list).map { $0 }
      ranges += record.sourceRanges.map { .init(frontend: index, range: $0) }
    }
    ranges += state.staleRanges
    endpoints = state.endpoints
    while endpoints.last == EndpointRecord() { endpoints.removeLast() }
    kept = state.kept
    services = state.services
    for (id, record) in services { policies[id] = Policy(record.policy) }
    guards = state.guards
    keyTable = state.keys
    findKeys()
  }

  /// As the kernel does it: fixes behind a plan.
  mutating func apply(_ fixes: FamilyFixes) {
    for position in fixes.deleteKeys { keyTable.store(0, at: position) }
    if let mask = fixes.keyMask { keyMask = mask }
    for fix in fixes.flags { records[fix.index]?.flags = fix.flags }
    for fix in fixes.policies { policies[fix.service] = Policy(fix.record.policy) }
    for id in fixes.deleteServices { services[id] = nil }
    for record in fixes.deleteKept { kept[record] = nil }
    if fixes.hasJunk { junk = [] }
    forgetUnused()
  }

  /// Element by element, as `FamilyTables` does it: what a plan does not write stays as it is.
  mutating func apply(_ plan: FamilyPlan, slotsOfMap memory: inout [UInt32: Slot]) {
    for write in plan.staleRanges { ranges.removeAll { $0 == write } }
    for record in plan.staleKept { kept[record] = nil }
    for write in plan.services {
      services[write.id] = write.record
      policies[write.id] = Policy(write.record.policy)
    }
    for write in plan.newEndpointWrites + plan.releasedEndpoints {
      while endpoints.count <= Int(write.id) { endpoints.append(EndpointRecord()) }
      endpoints[Int(write.id)] = write.record
    }
    for write in plan.slots {
      for (i, slot) in write.slots.enumerated() { memory[write.base + UInt32(i)] = slot }
    }
    for (index, record) in plan.newFrontends.map({ ($0.index, $0.record) })
      + plan.retargets.map({ ($0.index, $0.record) })
    {
      records[index] = Record(
        key: record.key, flags: record.flags, service: record.service, list: record.list)
      if lists[record.list] == nil { lists[record.list] = SlotRange(base: 0, count: 0) }
    }
    ranges += plan.insertRanges
    for write in plan.insertKept { kept[write.record] = write.endpoint }
    for write in plan.newLists + plan.publishLists { lists[write.list] = write.range }
    for write in plan.insertKeys { keyTable.store(write.word, at: write.position) }
    for write in plan.deleteKeys { keyTable.store(0, at: write.position) }
    for write in plan.deleteRanges { ranges.removeAll { $0 == write } }
    guards.formUnion(plan.insertGuards)
    guards.subtract(plan.deleteGuards)
    for record in plan.deleteKept { kept[record] = nil }
    for id in plan.deletedServices { services[id] = nil }
    forgetUnused()
    slots = [:]
    for (list, range) in lists {
      slots[list] = (range.base..<range.base + range.count).map { memory[$0] }
    }
  }

  /// What lies in the slots that lists lead to.
  var slotsOfMap: [UInt32: Slot] {
    var result: [UInt32: Slot] = [:]
    for (list, range) in lists {
      for (i, slot) in (slots[list] ?? []).enumerated() { result[range.base + UInt32(i)] = slot }
    }
    return result
  }
}

/// All maps, with the filter that these families need.
func maps(_ family: FamilyImage, for table: ServiceTable) -> MapsImage {
  var image = MapsImage(families: [family], filter: [], generation: 2, isGracePending: false)
  image.filter = AddressFilter(of: image, for: table).words
  return image
}
