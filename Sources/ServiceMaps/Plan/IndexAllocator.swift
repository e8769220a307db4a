/// Hands out indexes that nothing uses.
struct IndexAllocator: Sendable {
  /// Free ones below `end`; the last one goes first.
  private var holes: [UInt32]
  private var end: Int
  private let limit: Int

  init(limit: Int, used indexes: some Sequence<UInt32>) {
    self.limit = limit
    var isUsed: [Bool] = []
    for index in indexes {
      let index = Int(index)
      if index >= isUsed.count {
        isUsed.append(contentsOf: repeatElement(false, count: index + 1 - isUsed.count))
      }
      isUsed[index] = true
    }
    end = isUsed.count
    holes = isUsed.indices.reversed().filter { !isUsed[$0] && $0 < limit }.map { UInt32($0) }
  }

  mutating func allocate() -> UInt32? {
    if let hole = holes.popLast() { return hole }
    guard end < limit else { return nil }
    defer { end += 1 }
    return UInt32(end)
  }

  /// Indexes one behind the other, none below `floor`; nil when there are others, which go first.
  mutating func allocate(_ count: Int, notBelow floor: Int) -> Range<UInt32>? {
    guard holes.isEmpty, end >= floor, end + count <= limit else { return nil }
    defer { end += count }
    return UInt32(end)..<UInt32(end + count)
  }

  /// Nobody uses it any more, and no program can see what it meant.
  mutating func release(_ index: UInt32) { holes.append(index) }
}

/// Hands out ranges of slots: the first gap that is large enough.
struct RangeAllocator: Sendable {
  /// Sorted; some are empty.
  private var gaps: [Range<Int>] = []
  /// Those before are empty.
  private var first = 0
  private var emptyGaps = 0

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
      if gaps[i].isEmpty { emptyGaps += 1 }
      while first < gaps.count && gaps[first].isEmpty { first += 1 }
      return SlotRange(base: UInt32(base), count: UInt32(count))
    }
    return nil
  }

  /// Nobody uses them any more, and no program can see what they held.
  mutating func release(_ range: SlotRange) {
    if range.count == 0 { return }
    if emptyGaps > 64 && emptyGaps > gaps.count / 2 {
      gaps.removeAll(where: \.isEmpty)
      emptyGaps = 0
    }
    var freed = range.indices
    // Where it belongs; an empty gap there may lie at either of its ends.
    var low = gaps.startIndex
    var high = gaps.endIndex
    while low < high {
      let middle = (low + high) / 2
      if gaps[middle].lowerBound < freed.lowerBound { low = middle + 1 } else { high = middle }
    }
    var replaced = low..<low
    while replaced.lowerBound > 0, gaps[replaced.lowerBound - 1].upperBound == freed.lowerBound {
      replaced = replaced.lowerBound - 1..<replaced.upperBound
      freed = gaps[replaced.lowerBound].lowerBound..<freed.upperBound
    }
    while replaced.upperBound < gaps.count,
      gaps[replaced.upperBound].lowerBound == freed.upperBound
        || gaps[replaced.upperBound].isEmpty
          && gaps[replaced.upperBound].lowerBound < freed.upperBound
    {
      freed = freed.lowerBound..<max(freed.upperBound, gaps[replaced.upperBound].upperBound)
      replaced = replaced.lowerBound..<replaced.upperBound + 1
    }
    emptyGaps -= gaps[replaced].count(where: \.isEmpty)
    gaps.replaceSubrange(replaced, with: CollectionOfOne(freed))
    first = min(first, replaced.lowerBound)
  }
}

/// What nothing uses: of this a plan takes what it writes.
struct FreeRoom: Sendable {
  var services: IndexAllocator
  var frontends: IndexAllocator
  var lists: IndexAllocator
  var endpoints: IndexAllocator
  var slots: RangeAllocator
  /// How many entries may be added to `kept`.
  var kept: Int

  init(of state: FamilyState) {
    let room = state.capacities
    services = IndexAllocator(limit: room.physicalServices, used: state.services.keys)
    frontends = IndexAllocator(
      limit: room.frontends,
      used: Array(state.frontends.keys)
        + state.staleKeys.map { KeyTable.index(in: state.keys.words[$0]) }
        .filter { Int($0) < room.frontends })
    lists = IndexAllocator(limit: room.physicalLists, used: state.lists.keys)
    slots = RangeAllocator(
      limit: room.physicalBackends, used: Array(state.lists.values) + state.blockedSlots)
    endpoints = IndexAllocator(
      limit: room.physicalBackends,
      used: state.endpoints.indices.lazy.filter { state.endpoints[$0].service != nil }
        .map { UInt32($0) })
    kept = room.physicalKept - state.kept.count
  }
}
