/// An array map that is mapped into memory (BPF_F_MMAPABLE, 5.5): reading and writing need no
/// system call, and a release store is seen by programs at once.
///
/// One that was opened for reading only cannot be mapped: its elements are fetched with batched
/// look-ups, and are as they were then until `refresh()`. It must not be written.
public struct MappedArray<Element: BitwiseCopyable & Sendable>: Sendable {
  public let map: BPFMap
  private enum Storage: Sendable {
    case mapped(MappedMemory)
    case copied(ArrayCopy)
  }

  private let storage: Storage
  /// Array elements lie 8-byte aligned, whatever their size.
  private let stride = (MemoryLayout<Element>.size + 7) / 8 * 8

  public init(_ map: BPFMap) throws(BPFError) {
    try map.check(key: 4, value: MemoryLayout<Element>.size)
    self.map = map
    storage =
      map.isReadOnly
      ? .copied(ArrayCopy(map, stride: stride)) : .mapped(try MappedMemory(map, stride: stride))
  }

  /// For writing.
  private var memory: MappedMemory? {
    if case .mapped(let memory) = storage { return memory }
    assertionFailure("the map \(map.name) was opened for reading")
    return nil
  }

  /// Fetches anew what is read from now on, where it is not mapped.
  public func refresh() {
    if case .copied(let copy) = storage { copy.refresh() }
  }

  /// - Throws: when an element could not be fetched; it was read as zeros.
  public func checkReads() throws(BPFError) {
    if case .copied(let copy) = storage { try copy.check() }
  }

  public var count: Int { map.maxEntries }

  public subscript(index: UInt32) -> Element {
    switch storage {
    case .mapped(let memory): memory.load(at: Int(index) * stride, as: Element.self)
    case .copied(let copy): copy.load(at: Int(index) * stride, as: Element.self)
    }
  }

  /// Writes an element that no program can reach yet.
  public func store(_ element: Element, at index: UInt32) {
    memory?.store(element, at: Int(index) * stride)
  }

  /// Writes elements that lie one after the other, and that no program can reach yet.
  public func store(_ elements: [Element], from index: UInt32) {
    guard let memory else { return }
    if stride == MemoryLayout<Element>.size && !StoreTrap.isArmed {
      return memory.store(all: elements, at: Int(index) * stride)
    }
    for (position, element) in elements.enumerated() {
      memory.store(element, at: (Int(index) + position) * stride)
    }
  }

  /// Writes one field of an element; nothing the programs act on.
  public func store(_ field: UInt32, at index: UInt32, offset: Int) {
    memory?.store(field, at: Int(index) * stride + offset)
  }

  /// Writes all elements of another array; those behind its end stay.
  public func copy(from other: MappedArray) {
    if let memory, let source = other.memory { memory.copy(from: source) }
  }

  /// Writes one aligned 64-bit word with release order: whoever reads it sees everything that
  /// was stored before.
  public func publish(_ word: UInt64, at index: UInt32, offset: Int = 0) {
    memory?.publish(word, at: Int(index) * stride + offset)
  }

  /// Reads one aligned 64-bit word with acquire order.
  public func acquire(at index: UInt32, offset: Int = 0) -> UInt64 {
    switch storage {
    case .mapped(let memory): memory.acquire(at: Int(index) * stride + offset)
    case .copied(let copy): copy.load(at: Int(index) * stride + offset, as: UInt64.self)
    }
  }

  /// All words of the elements from `index` on, each read with acquire order.
  public func words(from index: UInt32) -> [UInt64] {
    let range = Int(index) * stride / 8..<count * stride / 8
    switch storage {
    case .mapped(let memory): return range.map { memory.acquire(at: $0 * 8) }
    case .copied(let copy): return range.map { copy.load(at: $0 * 8, as: UInt64.self) }
    }
  }

  /// Replaces one aligned 64-bit word if it still is `old`; whether it was.
  public func exchange(
    _ old: UInt64, for word: UInt64, at index: UInt32, offset: Int = 0
  ) -> Bool {
    memory?.exchange(old, for: word, at: Int(index) * stride + offset) ?? false
  }

  /// Writes one byte, after everything that was stored before.
  public func publish(byte: UInt8, at index: UInt32, offset: Int) {
    memory?.publish(byte: byte, at: Int(index) * stride + offset)
  }

  /// Writes a part of an element: that of `value` from the offset `from` to its end.
  public func store<Part: BitwiseCopyable>(
    bytesOf value: Part, from: Int, at index: UInt32, offset: Int
  ) {
    memory?.store(bytesOf: value, from: from, at: Int(index) * stride + offset)
  }
}
