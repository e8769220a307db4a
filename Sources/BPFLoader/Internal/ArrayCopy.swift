// SAFETY, all of this file: reads are checked against the end of the chunk they are in.

import Synchronization

/// The elements of an array map that may only be read: an fd opened with BPF_F_RDONLY cannot be
/// mapped into memory. They are fetched when they are asked for, many at a time, and stay as they
/// were until `refresh`.
final class ArrayCopy: Sendable {
  private struct State {
    var chunks: [Int: [UInt8]] = [:]
    var errno: Int32 = 0
  }

  private static let chunk = 1024
  private let map: BPFMap
  /// Between elements in memory; the kernel's answers have no gaps.
  private let stride: Int
  private let state = Mutex(State())

  init(_ map: BPFMap, stride: Int) {
    self.map = map
    self.stride = stride
  }

  /// What is asked for from now on is fetched anew.
  func refresh() { state.withLock { $0.chunks.removeAll() } }

  /// - Throws: when an element could not be read; it was taken for zeros.
  func check() throws(BPFError) {
    let errno = state.withLock { $0.errno }
    if errno != 0 { throw .call("reading the map \(map.name)", errno: errno) }
  }

  /// - Parameter offset: as in memory that is mapped.
  func load<T: BitwiseCopyable>(at offset: Int, as type: T.Type) -> T {
    let (index, inner) = (offset / stride, offset % stride)
    precondition(offset >= 0 && index < map.maxEntries)
    precondition(inner + MemoryLayout<T>.size <= map.valueSize)
    let number = index / Self.chunk
    return state.withLock { state in
      let bytes: [UInt8]
      if let known = state.chunks[number] {
        bytes = known
      } else {
        bytes = fetch(number, &state)
        // A map with one element is the header, which has to be as it is now.
        if map.maxEntries > 1 { state.chunks[number] = bytes }
      }
      let start = index % Self.chunk * map.valueSize + inner
      precondition(start + MemoryLayout<T>.size <= bytes.count)
      return unsafe bytes.withUnsafeBytes { bytes in
        unsafe bytes.loadUnaligned(fromByteOffset: start, as: type)
      }
    }
  }

  private func fetch(_ number: Int, _ state: inout State) -> [UInt8] {
    let first = number * Self.chunk
    let count = min(Self.chunk, map.maxEntries - first)
    var keys = [UInt8](repeating: 0, count: count * 4)
    var values = [UInt8](repeating: 0, count: count * map.valueSize)
    // The kernel goes on behind the index that it is given; empty: from the first one.
    var cursor: [UInt8] = []
    if first > 0 {
      cursor = [UInt8](repeating: 0, count: 8)
      unsafe cursor.withUnsafeMutableBytes { bytes in
        unsafe bytes.storeBytes(of: UInt32(first - 1), as: UInt32.self)
      }
    }
    switch Calls.lookupBatch(
      map.descriptor.number, cursor: &cursor, keySize: 4, keys: &keys, values: &values,
      limit: count)
    {
    case .failure(let failure): state.errno = failure.errno
    case .success((let found, _)): if found != count { state.errno = Errno.invalid }
    }
    return values
  }
}
