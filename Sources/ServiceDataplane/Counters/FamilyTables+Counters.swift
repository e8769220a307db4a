import BPFLoader
import CServiceABI
import ServiceMaps

/// What programs have counted. ARCHITECTURE.md, "Counters".
extension FamilyTables {
  // MARK: Reading

  /// By service port id, without backends.
  func readCounters() throws(BPFError) -> [UInt32: ServiceCounters] {
    var result: [UInt32: ServiceCounters] = [:]
    try counters.forEach { id, perCPU in
      let sum = perCPU.reduce(0) { $0 &+ $1.translated }
      if sum != 0 { result[id] = ServiceCounters(translated: sum) }
    }
    totals.refresh()
    for id in 0..<UInt32(totals.count) {
      let total = totals[id]
      if total.refused == 0 && total.denied == 0 { continue }
      result[id, default: ServiceCounters()]
        .add(ServiceCounters(refused: total.refused, denied: total.denied))
    }
    try totals.checkReads()
    for (key, sum) in try past.all() where key.kind == SVC_PAST_SERVICE.rawValue {
      result[key.id, default: ServiceCounters()].add(ServiceCounters(sum))
    }
    return result
  }

  /// By endpoint id; ids that are free may have counted for what they stood for before.
  func readTallies() throws(BPFError) -> [UInt64] {
    var sums = [UInt64](repeating: 0, count: endpoints.count)
    try tallies.add(to: &sums)
    for (key, sum) in try past.all()
    where key.kind == SVC_PAST_ENDPOINT.rawValue && Int(key.id) < sums.count {
      sums[Int(key.id)] &+= sum.translated
    }
    return sums
  }

  /// What each backend of `state`, which was read of these maps, was given.
  func readBackendCounters(
    _ state: FamilyState
  ) throws(BPFError) -> [UInt32: [Backend: UInt64]] {
    let sums = try readTallies()
    var result: [UInt32: [Backend: UInt64]] = [:]
    func note(_ id: UInt32, _ generation: UInt32?, _ backend: Backend) {
      guard Int(id) < min(sums.count, state.endpoints.count), sums[Int(id)] != 0 else { return }
      let record = state.endpoints[Int(id)]
      // A slot that is in no list any more may name an id that stands for another one.
      guard let service = record.service, generation == nil || generation == record.generation
      else { return }
      result[service, default: [:]][backend] = sums[Int(id)]
    }
    for slot in state.slots { note(slot.endpoint, slot.generation, slot.backend) }
    for (record, id) in state.kept { note(id, nil, record.backend) }
    return result
  }

  // MARK: Writing

  /// These ids stand for other service ports from now on.
  func clearCounters(_ ids: [UInt32]) throws(BPFError) {
    guard !ids.isEmpty else { return }
    try counters.clear(ids)
    for id in ids { totals.store(svc_totals(), at: id) }
    if try !past.isEmpty { try past.delete(ids.map { svc_past_key($0, SVC_PAST_SERVICE) }) }
  }

  /// Endpoint ids that stand for nothing any more, and for which no program counts: they may stand
  /// for other endpoints soon, which begin with nothing. Doing it again makes no difference.
  ///
  /// - Parameter released: nil: it is not known which (a writer was killed, or left it to others);
  ///   all that are free are looked at.
  func clearTallies(_ released: [UInt32]?) throws(BPFError) {
    var ids = released ?? []
    if released == nil {
      let sums = try readTallies()
      ids = sums.indices.filter { sums[$0] != 0 && endpoints[UInt32($0)].service == 0 }
        .map { UInt32($0) }
    }
    guard !ids.isEmpty else { return }
    try tallies.clear(ids)
    if try !past.isEmpty { try past.delete(ids.map { svc_past_key($0, SVC_PAST_ENDPOINT) }) }
  }

  /// Once no program counts in the maps of `other` any more: what was counted there goes on to be
  /// counted. Doing it again makes no difference.
  func takeOverCounters(from other: FamilyTables) throws(BPFError) {
    var (keys, values): ([svc_past_key], [svc_past]) = ([], [])
    for (id, sum) in try other.readCounters() where Int(id) < totals.count {
      keys.append(svc_past_key(id, SVC_PAST_SERVICE))
      values.append(
        svc_past(translated: sum.translated, refused: sum.refused, denied: sum.denied))
    }
    for (id, sum) in try other.readTallies().enumerated() where sum != 0 && id < endpoints.count {
      keys.append(svc_past_key(UInt32(id), SVC_PAST_ENDPOINT))
      values.append(svc_past(translated: sum, refused: 0, denied: 0))
    }
    try past.update(keys, values)
  }
}

extension svc_past_key {
  init(_ id: UInt32, _ kind: svc_past_kind) {
    self.init(prefix_length: 64, kind: kind.rawValue, id: id)
  }
}

extension ServiceCounters {
  init(_ wire: svc_past) {
    self.init(translated: wire.translated, refused: wire.refused, denied: wire.denied)
  }

  /// All but what single backends were given.
  mutating func add(_ other: ServiceCounters) {
    translated &+= other.translated
    refused &+= other.refused
    denied &+= other.denied
  }
}
