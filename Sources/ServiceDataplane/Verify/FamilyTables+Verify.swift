import BPFLoader
import CServiceABI
import ServiceMaps

extension FamilyTables where Wire: WireImage {
  /// Everything that is in use, as it is.
  func readImage() throws(BPFError) -> FamilyImage {
    var image = FamilyImage(family: Wire.family, capacities: capacities)
    image.keyTable = readKeys()
    image.keyMask = keys.acquire(at: 0, offset: Self.maskOffset)
    for word in image.keyTable.words where word != 0 {
      let index = KeyTable.index(in: word)
      if Int(index) < frontends.count { image.records[index] = Wire.image(frontends[index]) }
    }
    image.findKeys()
    for record in image.records.values {
      guard Int(record.list) < lists.count else { continue }
      let range = SlotRange(word: lists.acquire(at: record.list))
      image.lists[record.list] = range
      // What has no slots may begin anywhere.
      let end = Int(range.base) + Int(range.count)
      if range.count > 0 && end > slots.count { continue }
      image.slots[record.list] = (0..<range.count).map { slot(at: range.base + $0) }
    }
    readAllEndpoints(into: &image)
    for (wire, id) in try kept.all() {
      guard let record = Wire.kept(wire), WireBytes.areEqual(Wire.kept(record), wire) else {
        image.note("kept", wire)
        continue
      }
      image.kept[record] = id
    }
    try readServices(into: &image)
    for id in Set(image.records.values.lazy.map(\.service)).union(image.services.keys)
    where Int(id) < policies.count {
      image.policies[id] = FamilyImage.Policy(policies[id])
    }
    let (guarded, stray) = try guards.read()
    image.guards = guarded
    if !guards.isMaskRight || !stray.isEmpty {
      image.junk.append(.init(map: "guards", element: "addresses where nobody looks for them"))
    }
    for (wire, _) in try ranges.all() {
      let write = Wire.range(wire)
      guard WireBytes.areEqual(Wire.range(write), wire) else {
        image.note("ranges", wire)
        continue
      }
      image.ranges.append(write)
    }
    image.junk.sort { ($0.map, $0.element) < ($1.map, $1.element) }
    return image
  }

  private func slot(at index: UInt32) -> Slot? {
    let wire = slots[index]
    guard let slot = Wire.slot(wire), WireBytes.areEqual(Wire.slot(slot), wire) else { return nil }
    return slot
  }

  private func readAllEndpoints(into image: inout FamilyImage) {
    var end = 0
    image.endpoints.reserveCapacity(endpoints.count)
    for id in 0..<endpoints.count {
      let record = EndpointRecord(wire: endpoints[UInt32(id)])
      image.endpoints.append(record)
      if record != EndpointRecord() { end = id + 1 }
    }
    image.endpoints.removeLast(image.endpoints.count - end)
  }

  private func readServices(into image: inout FamilyImage) throws(BPFError) {
    services.refresh()
    var names = try readNames()
    for id in 0..<UInt32(services.count) {
      let (wire, long) = (services[id], names.removeValue(forKey: id))
      guard !WireBytes.areEqual(wire, svc_service()) else {
        if let long { image.note("names", long) }
        continue
      }
      guard let record = ServiceRecord(wire: wire, names: long),
        Self.isComplete(record, wire, long)
      else {
        image.note("services", wire)
        continue
      }
      image.services[id] = record
    }
    for name in names.values { image.note("names", name) }
    try services.checkReads()
  }

  /// Whether the maps hold this record as socklb writes it.
  private static func isComplete(
    _ record: ServiceRecord, _ wire: svc_service, _ names: svc_names?
  ) -> Bool {
    switch (record.wireNames, names) {
    case (nil, nil): WireBytes.areEqual(record.wire, wire)
    case (let wanted?, let names?):
      WireBytes.areEqual(record.wire, wire) && WireBytes.areEqual(wanted, names)
    default: false
    }
  }

  // MARK: Repair

  /// Writes what a plan does not; whoever calls waits for a grace period afterwards.
  func apply(_ fixes: FamilyFixes) throws(BPFError) {
    for fix in fixes.flags {
      frontends.store(fix.flags, at: fix.index, offset: Wire.flagsOffset)
    }
    for fix in fixes.policies {
      var policy = fix.record.policy
      policy.next = policies[fix.service].next
      policies.store(policy, at: fix.service)
    }
    for position in fixes.deleteKeys { publish(0, at: position) }
    if let mask = fixes.keyMask { keys.publish(mask, at: 0, offset: Self.maskOffset) }
    try delete(services: fixes.deleteServices)
    try kept.delete(fixes.deleteKept.map(Wire.kept))
    if fixes.hasJunk { try deleteJunk() }
  }

  private func deleteJunk() throws(BPFError) {
    try kept.delete(
      kept.all().map(\.key).filter { wire in
        Wire.kept(wire).map { !WireBytes.areEqual(Wire.kept($0), wire) } ?? true
      })
    try ranges.delete(
      ranges.all().map(\.key).filter { wire in
        !WireBytes.areEqual(Wire.range(Wire.range(wire)), wire)
      })
    guards.mendMask()
    for place in try guards.read().stray { guards.clear(place) }
    // One that a frontend uses was written anew before.
    let names = try readNames()
    let junk = (0..<UInt32(services.count)).filter { id in
      let (wire, long) = (services[id], names[id])
      if WireBytes.areEqual(wire, svc_service()) { return long != nil }
      return ServiceRecord(wire: wire, names: long).map { !Self.isComplete($0, wire, long) } ?? true
    }
    try delete(services: junk + names.keys.filter { Int($0) >= services.count })
  }
}

extension FamilyImage {
  fileprivate mutating func note<T: BitwiseCopyable>(_ map: String, _ wire: T) {
    junk.append(Junk(map: map, element: "an entry that is none: \(WireBytes.text(wire))"))
  }
}
