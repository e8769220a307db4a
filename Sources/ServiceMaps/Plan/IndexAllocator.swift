/// Hands out indexes that the old state does not use. Nothing is ever given back: what a plan
/// frees is found free by the next one, after a grace period.
struct IndexAllocator {
  private var used: [Bool]
  private var next = 0
  private let limit: Int

  init(limit: Int, used indexes: some Sequence<UInt32>) {
    self.limit = limit
    used = []
    for index in indexes {
      let index = Int(index)
      if index >= used.count {
        used.append(
          contentsOf: repeatElement(false, count: max(index + 1, used.count) - used.count + 64))
      }
      used[index] = true
    }
  }

  mutating func allocate() -> UInt32? {
    while next < used.count && used[next] { next += 1 }
    guard next < limit else { return nil }
    defer { next += 1 }
    return UInt32(next)
  }
}

/// Hands out ranges of slots: the first gap that is large enough.
struct RangeAllocator {
  private var gaps: [Range<Int>] = []
  private var first = 0

  init(limit: Int, used ranges: some Sequence<SlotRange>) {
    var end = 0
    for range in ranges.map(\.indices).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.isEmpty { continue }
      if range.lowerBound > end { gaps.append(end..<range.lowerBound) }
      end = max(end, range.upperBound)
    }
    if end < limit { gaps.append(end..<limit) }
  }

  mutating func allocate(_ count: Int) -> SlotRange? {
    if count == 0 { return SlotRange(base: 0, count: 0) }
    for i in first..<gaps.count where gaps[i].count >= count {
      let base = gaps[i].lowerBound
      gaps[i] = base + count..<gaps[i].upperBound
      while first < gaps.count && gaps[first].isEmpty { first += 1 }
      return SlotRange(base: UInt32(base), count: UInt32(count))
    }
    return nil
  }
}
