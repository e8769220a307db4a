/// Mostly one index: that takes no memory of its own.
struct FewIndexes: Equatable, RandomAccessCollection {
  private var head: UInt32?
  private var tail: [UInt32] = []

  init() {}

  init(_ index: UInt32) { head = index }

  var startIndex: Int { 0 }
  var endIndex: Int { head == nil ? 0 : 1 + tail.count }

  subscript(position: Int) -> UInt32 {
    guard position > 0, let _ = head else { return head ?? 0 }
    return tail[position - 1]
  }

  mutating func append(_ index: UInt32) {
    if head == nil { head = index } else { tail.append(index) }
  }
}

extension [UInt32: FewIndexes] {
  mutating func append(_ index: UInt32, at key: UInt32) {
    self[key, default: FewIndexes()].append(index)
  }
}
