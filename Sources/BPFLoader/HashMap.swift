/// A hash map whose keys and values have the layout of `Key` and `Value`.
public struct HashMap<Key: BitwiseCopyable & Sendable, Value: BitwiseCopyable & Sendable>:
  Sendable
{
  public let map: BPFMap

  public init(_ map: BPFMap) throws(BPFError) {
    try map.check(key: MemoryLayout<Key>.size, value: MemoryLayout<Value>.size)
    self.map = map
  }

  public var maxEntries: Int { map.maxEntries }
  private var fd: Int32 { map.descriptor.number }

  public func update(_ key: Key, _ value: Value) throws(BPFError) {
    if let errno = Calls.update(fd, key: key, value: value) { throw failure("writing", errno) }
  }

  /// Writes many elements with few system calls (BPF_MAP_UPDATE_BATCH, 5.6).
  /// A failure leaves some of them written.
  public func update(_ keys: [Key], _ values: [Value]) throws(BPFError) {
    guard !keys.isEmpty else { return }
    if let failed = Calls.updateBatch(fd, keys: keys, values: values) {
      throw failure("writing \(keys.count) elements of", failed.errno)
    }
  }

  /// Deletes elements; those that are not there count as deleted.
  public func delete(_ keys: [Key]) throws(BPFError) {
    var start = 0
    while start < keys.count {
      guard let failed = Calls.deleteBatch(fd, keys: keys, from: start) else { return }
      // The batch stops at an element that is not there: go on behind it.
      guard failed.errno == Errno.notFound else { throw failure("deleting from", failed.errno) }
      start += failed.done + 1
    }
  }

  /// nil when there is no such element. An LRU map does not take it for a use of the element.
  public func value(of key: Key, or empty: Value) throws(BPFError) -> Value? {
    var value = empty
    guard let errno = Calls.lookup(fd, key: key, into: &value) else { return value }
    if errno == Errno.notFound { return nil }
    throw failure("reading", errno)
  }

  /// Whether there is no element.
  public var isEmpty: Bool {
    get throws(BPFError) {
      switch Calls.hasKey(fd, keySize: map.keySize) {
      case .success(let hasKey): return !hasKey
      case .failure(let failure): throw .call("reading the map \(map.name)", errno: failure.errno)
      }
    }
  }

  /// All elements, in the kernel's order (BPF_MAP_LOOKUP_BATCH, 5.6).
  ///
  /// A concurrent insert or delete may be missed or seen; whoever needs one point in time
  /// compares a generation before and after.
  public func all() throws(BPFError) -> [(key: Key, value: Value)] {
    var result: [(key: Key, value: Value)] = []
    try BatchReader.read(map, as: Key.self) { key, value in
      result.append((key, value.load(as: Value.self)))
    }
    return result
  }

  /// Writes all elements of another map.
  public func copy(from other: HashMap) throws(BPFError) {
    let elements = try other.all()
    try update(elements.map(\.key), elements.map(\.value))
  }

  private func failure(_ what: String, _ errno: Int32) -> BPFError {
    let full: Int32 = 7  // E2BIG
    if errno == full {
      return BPFError(
        .failed, "\(what) the map \(map.name)", errno: errno,
        remedy: "the map is full (\(maxEntries) entries): attach with larger limits")
    }
    return .call("\(what) the map \(map.name)", errno: errno)
  }
}
