import BPFLoader

/// Copies whole maps, element by element, in the new layout.
extension MapChange {
  /// All elements. No program writes to either map meanwhile, or what it writes may be lost.
  func copy(to new: BPFMap) throws(DataplaneError) {
    let source = RawMap(old, isPerCPU: old.definition.isPerCPU)
    let target = RawMap(new, isPerCPU: new.definition.isPerCPU)
    let isArray = old.definition.isArray
    var failure: DataplaneError?
    try bpf { () throws(BPFError) in
      try source.forEachBatch { keys, values, count throws(BPFError) in
        guard failure == nil else { return }
        do {
          let (newKeys, newValues, newCount) = try convert(
            keys, values, count, source, target, isArray ? new.maxEntries : nil)
          try target.update(newKeys, newValues, count: newCount)
        } catch let error as BPFError {
          throw error
        } catch {
          failure = error as? DataplaneError
        }
      }
    }
    if let failure { throw failure }
  }

  /// - Parameter end: of an array; its elements that are zero are left out.
  private func convert(
    _ keys: [UInt8], _ values: [UInt8], _ count: Int, _ source: RawMap, _ target: RawMap,
    _ end: Int?
  ) throws(DataplaneError) -> (keys: [UInt8], values: [UInt8], count: Int) {
    let (keySize, newKeySize) = (old.keySize, target.map.keySize)
    let size = source.valueStride * source.valuesPerElement
    let newSize = target.valueStride * target.valuesPerElement
    var newKeys = [UInt8](repeating: 0, count: count * newKeySize)
    var newValues = [UInt8](repeating: 0, count: count * newSize)
    var done = 0
    for index in 0..<count {
      if let end {
        guard values[index * size..<(index + 1) * size].contains(where: { $0 != 0 }) else {
          continue
        }
        guard Self.word(keys, at: index * keySize) < end else {
          throw .notCarried(name, "more of its elements are used than it has room for now")
        }
      }
      if let member = key.convert(
        keys, at: index * keySize, into: &newKeys, at: done * newKeySize)
      {
        throw failure(member)
      }
      for part in 0..<source.valuesPerElement {
        if let member = value.convert(
          values, at: index * size + part * source.valueStride, into: &newValues,
          at: done * newSize + part * target.valueStride)
        {
          throw failure(member)
        }
      }
      done += 1
    }
    return (newKeys, newValues, done)
  }

  /// A `__u32` of this machine.
  private static func word(_ bytes: [UInt8], at offset: Int) -> Int {
    let part = bytes[offset..<offset + 4]
    let ordered = UInt16(1).littleEndian == 1 ? Array(part.reversed()) : Array(part)
    return ordered.reduce(0) { $0 << 8 | Int($1) }
  }
}

/// Sums of counters: values that are made of 64-bit words.
struct WordSums {
  private var words: [Int]
  private let size: Int

  /// - Parameter type: of one value; nil when it has other members.
  init?(_ type: DataType) {
    size = type.size
    guard let words = Self.offsets(type, at: 0) else { return nil }
    self.words = words
  }

  private static func offsets(_ type: DataType, at offset: Int) -> [Int]? {
    switch type {
    case .integer(let size, _, _): return size == 8 ? [offset] : nil
    case .array(let element, let count):
      var result: [Int] = []
      for index in 0..<count {
        guard let inner = offsets(element, at: offset + index * element.size) else { return nil }
        result += inner
      }
      return result
    case .structure(_, let members):
      var result: [Int] = []
      for member in members {
        guard let inner = offsets(member.type, at: offset + member.offset) else { return nil }
        result += inner
      }
      return result
    case .other: return nil
    }
  }

  static let isLittleEndian = UInt16(1).littleEndian == 1

  static func word(_ bytes: [UInt8], _ at: Int) -> UInt64 {
    let part = bytes[at..<at + 8]
    return (isLittleEndian ? Array(part.reversed()) : Array(part))
      .reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A word as the machine has it.
  static func bytes(_ word: UInt64) -> [UInt8] {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
    return isLittleEndian ? bytes : bytes.reversed()
  }

  /// Adds a value to a sum, or takes it away.
  func add(_ value: [UInt8], at from: Int, to sum: inout [UInt8], at to: Int, negated: Bool = false)
  {
    for offset in words {
      let (a, b) = (Self.word(sum, to + offset), Self.word(value, from + offset))
      let total = negated ? a &- b : a &+ b
      for index in 0..<8 {
        let place = UInt16(1).littleEndian == 1 ? index : 7 - index
        sum[to + offset + place] = UInt8(truncatingIfNeeded: total >> (index * 8))
      }
    }
  }
}
