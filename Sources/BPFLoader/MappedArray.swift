/// An array map that is mapped into memory (BPF_F_MMAPABLE, 5.5): reading and writing need no
/// system call, and a release store is seen by programs at once.
public struct MappedArray<Element: BitwiseCopyable & Sendable>: Sendable {
  public let map: BPFMap
  private let memory: MappedMemory
  /// Array elements lie 8-byte aligned, whatever their size.
  private let stride = (MemoryLayout<Element>.size + 7) / 8 * 8

  /// - Precondition: the map was opened for writing.
  public init(_ map: BPFMap) throws(BPFError) {
    try map.check(key: 4, value: MemoryLayout<Element>.size)
    self.map = map
    memory = try MappedMemory(map, stride: stride)
  }

  public var count: Int { map.maxEntries }

  public subscript(index: UInt32) -> Element {
    memory.load(at: Int(index) * stride, as: Element.self)
  }

  /// Writes an element that no program can reach yet.
  public func store(_ element: Element, at index: UInt32) {
    memory.store(element, at: Int(index) * stride)
  }

  /// Writes one field of an element; nothing the programs act on.
  public func store(_ field: UInt32, at index: UInt32, offset: Int) {
    memory.store(field, at: Int(index) * stride + offset)
  }

  /// Writes all elements of another array; those behind its end stay.
  public func copy(from other: MappedArray) { memory.copy(from: other.memory) }

  /// Writes one aligned 64-bit word with release order: whoever reads it sees everything that
  /// was stored before.
  public func publish(_ word: UInt64, at index: UInt32, offset: Int = 0) {
    memory.publish(word, at: Int(index) * stride + offset)
  }

  /// Reads one aligned 64-bit word with acquire order.
  public func acquire(at index: UInt32, offset: Int = 0) -> UInt64 {
    memory.acquire(at: Int(index) * stride + offset)
  }

  /// Replaces one aligned 64-bit word if it still is `old`; whether it was.
  public func exchange(
    _ old: UInt64, for word: UInt64, at index: UInt32, offset: Int = 0
  ) -> Bool {
    memory.exchange(old, for: word, at: Int(index) * stride + offset)
  }

  /// Writes one byte, after everything that was stored before.
  public func publish(byte: UInt8, at index: UInt32, offset: Int) {
    memory.publish(byte: byte, at: Int(index) * stride + offset)
  }
}
