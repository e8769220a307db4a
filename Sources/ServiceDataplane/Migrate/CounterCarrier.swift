import BPFLoader

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

  /// Writes old counters and old totals together into the new totals. Once no program counts into
  /// the old counters any more; doing it again makes no difference.
  static func sumUp(
    _ counters: MapChange, _ totals: MapChange, to new: BPFMap
  ) throws(DataplaneError) {
    guard let sums = WordSums(totals.newTypes.value) else {
      throw .notCarried(totals.name, "it has counters that are not 64-bit words")
    }
    var result: [[UInt8]: [UInt8]] = [:]
    func add(_ key: [UInt8], _ value: [UInt8]) {
      var sum = result[key] ?? [UInt8](repeating: 0, count: value.count)
      sums.add(value, at: 0, to: &sum, at: 0)
      result[key] = sum
    }
    let perCPU = RawMap(counters.old, isPerCPU: true)
    for (key, values) in try bpf({ () throws(BPFError) in try perCPU.all() })
    where values.contains(where: { $0 != 0 }) {
      for cpu in 0..<perCPU.valuesPerElement {
        let at = cpu * perCPU.valueStride
        let value = Array(values[at..<at + counters.old.valueSize])
        do { add(key, try counters.value.converted(value)) } catch {
          throw counters.failure(error.member)
        }
      }
    }
    for (key, value) in try bpf({ () throws(BPFError) in try RawMap(totals.old).all() }) {
      do { add(key, try totals.value.converted(value)) } catch {
        throw totals.failure(error.member)
      }
    }
    let target = RawMap(new)
    try bpf { () throws(BPFError) in
      try target.update(
        result.flatMap(\.key), result.flatMap(\.value), count: result.count)
    }
  }
}
