import BPFLoader
import CServiceABI

/// Carries over what programs count while they are replaced.
struct CounterCarrier {
  private let change: MapChange
  private let new: RawMap
  private let sums: WordSums
  /// What was there when it was copied for the first time.
  private var copied: [[UInt8]: [UInt8]] = [:]

  /// - Parameter change: of a PERCPU_ARRAY.
  init(_ change: MapChange, to new: BPFMap) throws(DataplaneError) {
    self.change = change
    self.new = RawMap(new, isPerCPU: true)
    guard let sums = WordSums(change.newTypes.value) else {
      throw .notCarried(change.name, "it has counters that are not 64-bit words")
    }
    self.sums = sums
  }

  /// Before any program counts into the new map.
  mutating func copy() throws(DataplaneError) {
    for (key, values) in try read() { copied[key] = values }
    try change.copy(to: new.map)
  }

  /// Once none counts into the old map any more: what was counted there since `copy`. A command
  /// that was killed in between has no `copy`, and what was counted in that moment is lost.
  func addRest() throws(DataplaneError) {
    let rest = try read().filter { copied[$0.key] != nil && copied[$0.key] != $0.values }
    guard !rest.isEmpty else { return }
    let now = try bpf { () throws(BPFError) in try new.all() }
    for (key, values) in rest {
      guard let before = copied[key], var sum = now.first(where: { $0.key == key })?.value else {
        continue
      }
      for cpu in 0..<new.valuesPerElement {
        let at = cpu * new.valueStride
        sums.add(values, at: at, to: &sum, at: at)
        sums.add(before, at: at, to: &sum, at: at, negated: true)
      }
      try bpf { () throws(BPFError) in try new.update(key, sum, count: 1) }
    }
  }

  /// Old values in the new layout.
  private func read() throws(DataplaneError) -> [(key: [UInt8], values: [UInt8])] {
    let old = RawMap(change.old, isPerCPU: true)
    var result: [(key: [UInt8], values: [UInt8])] = []
    for (key, values) in try bpf({ () throws(BPFError) in try old.all() }) {
      var converted = [UInt8](repeating: 0, count: new.valueStride * new.valuesPerElement)
      for cpu in 0..<new.valuesPerElement {
        if let member = change.value.convert(
          values, at: cpu * old.valueStride, into: &converted, at: cpu * new.valueStride)
        {
          throw change.failure(member)
        }
      }
      result.append((key, converted))
    }
    return result
  }

  /// Writes what was counted in old counters, old totals and old past together into the new past.
  /// Once no program counts there any more; doing it again makes no difference.
  ///
  /// Whether a layout counts refusals per CPU (up to 3) or in the totals, and whether the totals
  /// hold what is past (up to 4), is all one: whatever has that name is added.
  ///
  /// - Parameter past: nil: the old layout has no such map.
  static func sumUp(
    _ counters: MapChange, _ totals: MapChange, _ past: MapChange?, to new: BPFMap
  ) throws(DataplaneError) {
    var sums: [UInt32: [UInt64]] = [:]
    func add(_ values: [UInt8], of type: DataType, at start: Int, to id: UInt32) {
      for (index, name) in ["translated", "refused", "denied"].enumerated() {
        for member in [name, name + "_before"].compactMap({ type.member($0) })
        where member.type.size == 8 {
          let word = WordSums.word(values, start + member.offset)
          if word != 0 { sums[id, default: [0, 0, 0]][index] &+= word }
        }
      }
    }
    let perCPU = RawMap(counters.old, isPerCPU: true)
    for (key, values) in try bpf({ () throws(BPFError) in try perCPU.all() }) {
      for cpu in 0..<perCPU.valuesPerElement {
        add(values, of: counters.oldTypes.value, at: cpu * perCPU.valueStride, to: id(key, at: 0))
      }
    }
    for (key, value) in try bpf({ () throws(BPFError) in try RawMap(totals.old).all() }) {
      add(value, of: totals.oldTypes.value, at: 0, to: id(key, at: 0))
    }
    if let past {
      let (kind, number) = (try past.keyOffset("kind"), try past.keyOffset("id"))
      for (key, value) in try bpf({ () throws(BPFError) in try RawMap(past.old).all() })
      where id(key, at: kind) == SVC_PAST_SERVICE.rawValue {
        add(value, of: past.oldTypes.value, at: 0, to: id(key, at: number))
      }
    }
    try bpf { () throws(BPFError) in
      try HashMap<svc_past_key, svc_past>(new).update(
        sums.keys.map { svc_past_key($0, SVC_PAST_SERVICE) },
        sums.values.map { svc_past(translated: $0[0], refused: $0[1], denied: $0[2]) })
    }
  }

  /// A `__u32` of a key.
  private static func id(_ key: [UInt8], at offset: Int) -> UInt32 {
    (0..<4).reduce(0) { id, byte in
      id | UInt32(key[offset + byte]) << ((WordSums.isLittleEndian ? byte : 3 - byte) * 8)
    }
  }
}
