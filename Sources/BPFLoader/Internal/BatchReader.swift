/// Walks over all elements of a map with few system calls.
enum BatchReader {
  private static let step = 4096

  @safe struct RawValue {
    fileprivate let bytes: UnsafeRawBufferPointer

    /// - Precondition: the map's value size was checked against `T`.
    func load<T: BitwiseCopyable>(as type: T.Type, at offset: Int = 0) -> T {
      // SAFETY: bounds are checked by the buffer; the bytes live until the visitor returns.
      unsafe bytes.loadUnaligned(fromByteOffset: offset, as: type)
    }
  }

  /// - Parameter valueStride: bytes between values in the kernel's answer; for a per-CPU map
  ///   that is 8-byte aligned value size × possible CPUs.
  static func read<Key: BitwiseCopyable>(
    _ map: BPFMap, as key: Key.Type, valueStride: Int? = nil,
    _ visit: (Key, RawValue) -> Void
  ) throws(BPFError) {
    let stride = valueStride ?? map.valueSize
    var limit = min(step, max(map.maxEntries, 1))
    var keys = [UInt8](repeating: 0, count: limit * MemoryLayout<Key>.stride)
    var values = [UInt8](repeating: 0, count: limit * stride)
    var cursor: [UInt8] = []
    let keySize = map.keySize
    while true {
      switch Calls.lookupBatch(
        map.descriptor.number, cursor: &cursor, keySize: keySize, keys: &keys, values: &values,
        limit: limit)
      {
      case .failure(let failure):
        // ENOSPC: one hash bucket holds more elements than there is room for.
        guard failure.errno == 28, limit < 1 << 22 else {
          throw .call("reading the map \(map.name)", errno: failure.errno)
        }
        limit *= 4
        keys = [UInt8](repeating: 0, count: limit * MemoryLayout<Key>.stride)
        values = [UInt8](repeating: 0, count: limit * stride)
      case .success(let (count, more)):
        // SAFETY: `count` is at most `limit`; both buffers have room for that many elements.
        unsafe keys.withUnsafeBytes { keys in
          unsafe values.withUnsafeBytes { values in
            for i in 0..<count {
              let key = unsafe keys.loadUnaligned(fromByteOffset: i * keySize, as: Key.self)
              let slice = unsafe UnsafeRawBufferPointer(
                rebasing: values[i * stride..<(i + 1) * stride])
              unsafe visit(key, RawValue(bytes: slice))
            }
          }
        }
        if !more { return }
      }
    }
  }

  /// The same without types: some keys and values at a time, one after the other.
  static func readRaw(
    _ map: BPFMap, valueStride stride: Int,
    _ visit: (_ keys: [UInt8], _ values: [UInt8], _ count: Int) throws(BPFError) -> Void
  ) throws(BPFError) {
    var limit = min(step, max(map.maxEntries, 1))
    var cursor: [UInt8] = []
    while true {
      var keys = [UInt8](repeating: 0, count: limit * map.keySize)
      var values = [UInt8](repeating: 0, count: limit * stride)
      switch Calls.lookupBatch(
        map.descriptor.number, cursor: &cursor, keySize: map.keySize, keys: &keys,
        values: &values, limit: limit)
      {
      case .failure(let failure):
        guard failure.errno == 28, limit < 1 << 22 else {
          throw .call("reading the map \(map.name)", errno: failure.errno)
        }
        limit *= 4
      case .success(let (count, more)):
        if count > 0 { try visit(keys, values, count) }
        if !more { return }
      }
    }
  }
}
