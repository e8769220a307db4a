/// A per-CPU array whose values have the layout of `Value`.
public struct PerCPUArray<Value: BitwiseCopyable & Sendable>: Sendable {
  public let map: BPFMap
  private let cpus = Calls.possibleCPUs()

  public init(_ map: BPFMap) throws(BPFError) {
    try map.check(key: 4, value: MemoryLayout<Value>.size)
    self.map = map
  }

  private var stride: Int { (map.valueSize + 7) / 8 * 8 }

  /// Visits the values of every index, one per possible CPU.
  public func forEach(_ visit: (UInt32, [Value]) -> Void) throws(BPFError) {
    try BatchReader.read(map, as: UInt32.self, valueStride: stride * cpus) { key, value in
      visit(key, (0..<cpus).map { value.load(as: Value.self, at: $0 * stride) })
    }
  }

  /// Sets an index to all zero bytes, on every CPU.
  public func clear(_ indexes: [UInt32]) throws(BPFError) {
    guard !indexes.isEmpty else { return }
    let zeros = [UInt8](repeating: 0, count: stride * cpus * indexes.count)
    if let failed = Calls.updateBatch(
      map.descriptor.number, keys: indexes, values: zeros, count: indexes.count)
    {
      throw .call("clearing the map \(map.name)", errno: failed.errno)
    }
  }
}

/// The processors of this machine.
public enum Processors {
  /// How many there may ever be: a per-CPU map has a value for each.
  public static var possible: Int { Calls.possibleCPUs() }
}
