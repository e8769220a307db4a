/// A map of any layout: keys and values are bytes.
public struct RawMap: Sendable {
  public let map: BPFMap
  /// Bytes between values in what the kernel is given and answers; a per-CPU map has one value
  /// per possible CPU.
  public let valueStride: Int
  /// How many values one element has.
  public let valuesPerElement: Int

  /// - Parameter isPerCPU: BPF_MAP_TYPE_PERCPU_….
  public init(_ map: BPFMap, isPerCPU: Bool = false) {
    self.map = map
    valuesPerElement = isPerCPU ? Calls.possibleCPUs() : 1
    valueStride = isPerCPU ? (map.valueSize + 7) / 8 * 8 : map.valueSize
  }

  /// Visits all elements, some at a time: keys and values lie one after the other.
  public func forEachBatch(
    _ visit: (_ keys: [UInt8], _ values: [UInt8], _ count: Int) throws(BPFError) -> Void
  ) throws(BPFError) {
    try BatchReader.readRaw(map, valueStride: valueStride * valuesPerElement, visit)
  }

  /// All elements.
  public func all() throws(BPFError) -> [(key: [UInt8], value: [UInt8])] {
    var result: [(key: [UInt8], value: [UInt8])] = []
    let (keySize, size) = (map.keySize, valueStride * valuesPerElement)
    try forEachBatch { keys, values, count in
      for index in 0..<count {
        result.append(
          (
            Array(keys[index * keySize..<(index + 1) * keySize]),
            Array(values[index * size..<(index + 1) * size])
          ))
      }
    }
    return result
  }

  /// Writes `count` elements that lie one after the other.
  public func update(_ keys: [UInt8], _ values: [UInt8], count: Int) throws(BPFError) {
    guard count > 0 else { return }
    precondition(
      keys.count >= count * map.keySize
        && values.count >= count * valueStride * valuesPerElement)
    if let failed = Calls.updateBatch(
      map.descriptor.number, keys: keys, values: values, count: count)
    {
      throw .call("writing \(count) elements of the map \(map.name)", errno: failed.errno)
    }
  }
}

extension RawMap {
  /// Deletes `count` elements, all of which have to be there.
  public func delete(_ keys: [UInt8], count: Int) throws(BPFError) {
    guard count > 0 else { return }
    precondition(keys.count >= count * map.keySize)
    if let failed = Calls.deleteBatch(map.descriptor.number, keys: keys, count: count) {
      throw .call("deleting from the map \(map.name)", errno: failed.errno)
    }
  }
}

/// An array map of any layout, mapped into memory (BPF_F_MMAPABLE).
public struct MappedBytes: Sendable {
  public let map: BPFMap
  private let memory: MappedMemory
  private let stride: Int

  public init(_ map: BPFMap) throws(BPFError) {
    self.map = map
    stride = (map.valueSize + 7) / 8 * 8
    memory = try MappedMemory(map, stride: stride)
  }

  public var count: Int { map.maxEntries }

  public subscript(index: Int) -> [UInt8] {
    memory.bytes(at: index * stride, count: map.valueSize)
  }

  public func bytes(at index: Int, offset: Int, count: Int) -> [UInt8] {
    precondition(offset + count <= stride)
    return memory.bytes(at: index * stride + offset, count: count)
  }

  public func store(_ bytes: [UInt8], at index: Int, offset: Int = 0) {
    precondition(offset + bytes.count <= stride)
    memory.store(bytes, at: index * stride + offset)
  }

  /// Writes one byte, after everything that was stored before.
  public func publish(byte: UInt8, at index: Int, offset: Int) {
    memory.publish(byte: byte, at: index * stride + offset)
  }

  /// Reads one aligned 64-bit word with acquire order.
  public func acquire(at index: Int, offset: Int) -> UInt64 {
    memory.acquire(at: index * stride + offset)
  }

  /// Replaces one aligned 64-bit word if it still is `old`; whether it was.
  public func exchange(_ old: UInt64, for word: UInt64, at index: Int, offset: Int) -> Bool {
    memory.exchange(old, for: word, at: index * stride + offset)
  }
}
