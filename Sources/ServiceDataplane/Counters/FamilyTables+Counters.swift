import BPFLoader
import CServiceABI
import ServiceMaps

/// What programs have counted. ARCHITECTURE.md, "Counters".
extension FamilyTables {
  // MARK: Reading

  /// By service port id. Backends first: they are never more than their service port has.
  func readCounters(
    _ state: FamilyState, ofBackends: Bool
  ) throws(BPFError) -> (backends: [UInt32: [Backend: UInt64]], services: [UInt32: ServiceCounters])
  {
    (ofBackends ? try readBackendCounters(state) : [:], try readCounters())
  }

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
    for (id, sum) in try readPast(SVC_PAST_SERVICE) {
      result[id, default: ServiceCounters()].add(ServiceCounters(sum))
    }
    return result
  }

  /// By endpoint id; ids that are free may have counted for what they stood for before.
  func readTallies() throws(BPFError) -> [UInt64] {
    var sums = [UInt64](repeating: 0, count: endpoints.count)
    try tallies.add(to: &sums)
    for (id, sum) in try readPast(SVC_PAST_ENDPOINT) where Int(id) < sums.count {
      sums[Int(id)] &+= sum.translated
    }
    return sums
  }

  /// Each id once: who walks over a trie while others delete from it may be sent back to its begin.
  private func readPast(_ kind: svc_past_kind) throws(BPFError) -> [UInt32: svc_past] {
    Dictionary(
      try past.all().filter { $0.key.kind == kind.rawValue }.map { ($0.key.id, $0.value) }
    ) { $1 }
  }

  /// What each backend of `state`, which was read of these maps, was given.
  private func readBackendCounters(
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
    try past.delete(fewOf: ids.map { svc_past_key($0, SVC_PAST_SERVICE) }) { $0.packed }
  }

  /// Endpoint ids that stand for nothing any more, and for which no program counts: they may stand
  /// for other endpoints soon, which begin with nothing. Doing it again makes no difference.
  ///
  /// - Parameter released: nil: it is not known which (a writer was killed, or left it to others);
  ///   all that are free are looked at.
  func clearTallies(_ released: [UInt32]?) throws(BPFError) {
    let ids: [UInt32]
    if let released { ids = released } else { ids = try freeTallies() }
    guard !ids.isEmpty else { return }
    try tallies.clear(ids)
    try past.delete(fewOf: ids.map { svc_past_key($0, SVC_PAST_ENDPOINT) }) { $0.packed }
  }

  /// Ids that are free, and have counted for what they stood for before.
  func freeTallies() throws(BPFError) -> [UInt32] {
    let sums = try readTallies()
    return sums.indices.filter { sums[$0] != 0 && endpoints[UInt32($0)].service == 0 }
      .map { UInt32($0) }
  }

  /// Once no program counts in the maps of `other` any more: what was counted there goes on to be
  /// counted. Doing it again makes no difference.
  func takeOverCounters(from other: FamilyTables) throws(BPFError) {
    let services = try other.readCounters().filter { Int($0.key) < totals.count }
    try past.update(
      services.keys.map { svc_past_key($0, SVC_PAST_SERVICE) },
      services.values.map {
        svc_past(translated: $0.translated, refused: $0.refused, denied: $0.denied)
      })
    let sums = try other.readTallies()
    let ids = sums.indices.filter { sums[$0] != 0 && $0 < endpoints.count }
    // Without memory for all of them some backends begin anew, which is no reason not to serve.
    try? past.update(
      ids.map { svc_past_key(UInt32($0), SVC_PAST_ENDPOINT) },
      ids.map { svc_past(translated: sums[$0], refused: 0, denied: 0) })
  }
}

extension HashMap {
  /// Deletes elements of a map that has few: a system call for each that is not there would take
  /// long.
  ///
  /// - Parameter id: tells keys apart.
  func delete<ID: Hashable>(
    fewOf keys: [Key], _ id: (Key) -> ID
  ) throws(BPFError) {
    if keys.isEmpty { return }
    if try isEmpty { return }
    guard keys.count > 256 else { return try delete(keys) }
    var present = Set<ID>()
    for (key, _) in try all() { present.insert(id(key)) }
    try delete(keys.filter { present.contains(id($0)) })
  }
}

extension svc_past_key {
  fileprivate var packed: UInt64 { UInt64(kind) << 32 | UInt64(id) }

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
