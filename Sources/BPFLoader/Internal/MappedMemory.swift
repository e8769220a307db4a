// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CKernel

/// The memory of an array map, shared with the kernel. Every access is checked against its end.
@safe final class MappedMemory: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let length: Int
  private let mappedLength: Int

  init(_ map: BPFMap, stride: Int) throws(BPFError) {
    length = stride * map.maxEntries
    let page = Calls.pageSize
    mappedLength = (length + page - 1) / page * page
    switch unsafe Calls.map(map.descriptor.number, length: mappedLength) {
    case .failure(let failure):
      throw .call("mapping the map \(map.name) into memory", errno: failure.errno)
    case .success(let memory): unsafe base = memory
    }
  }

  deinit { unsafe Calls.unmap(base, length: mappedLength) }

  func load<T: BitwiseCopyable>(at offset: Int, as type: T.Type) -> T {
    precondition(offset >= 0 && offset + MemoryLayout<T>.size <= length)
    // SAFETY: checked above.
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: type)
  }

  func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
    StoreTrap.step(MemoryLayout<T>.size)
    precondition(offset >= 0 && offset + MemoryLayout<T>.size <= length)
    // SAFETY: checked above.
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: T.self)
  }

  func store<T: BitwiseCopyable>(all values: [T], at offset: Int) {
    precondition(offset >= 0 && offset + values.count * MemoryLayout<T>.stride <= length)
    // SAFETY: checked above; what lies in the array does not overlap a mapping.
    unsafe values.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      unsafe (base + offset).copyMemory(from: source, byteCount: bytes.count)
    }
  }

  func bytes(at offset: Int, count: Int) -> [UInt8] {
    precondition(offset >= 0 && count >= 0 && offset + count <= length)
    // SAFETY: checked above.
    return unsafe Array(UnsafeRawBufferPointer(start: base + offset, count: count))
  }

  func store(_ bytes: [UInt8], at offset: Int) {
    precondition(offset >= 0 && offset + bytes.count <= length)
    // SAFETY: checked above; what lies in the array does not overlap a mapping.
    unsafe bytes.withUnsafeBytes { bytes in
      guard let source = bytes.baseAddress else { return }
      unsafe (base + offset).copyMemory(from: source, byteCount: bytes.count)
    }
  }

  /// Writes what `value` holds from the offset `from` to its end.
  func store<T: BitwiseCopyable>(bytesOf value: T, from: Int, at offset: Int) {
    let count = MemoryLayout<T>.size - from
    precondition(from >= 0 && count >= 0 && offset >= 0 && offset + count <= length)
    unsafe withUnsafeBytes(of: value) { bytes in
      guard let start = unsafe bytes.baseAddress else { return }
      // SAFETY: checked above.
      unsafe (base + offset).copyMemory(from: start + from, byteCount: count)
    }
  }

  /// Copies as much as both have. Nobody may write to either meanwhile.
  func copy(from other: MappedMemory) {
    // SAFETY: neither end is passed; two mappings of different maps do not overlap.
    unsafe base.copyMemory(from: other.base, byteCount: min(length, other.length))
  }

  func publish(_ value: UInt64, at offset: Int) {
    StoreTrap.step(8)
    precondition(offset >= 0 && offset + 8 <= length && offset % 8 == 0)
    // SAFETY: checked above; the mapping is page aligned.
    unsafe ck_store_release64(
      (base + offset).assumingMemoryBound(to: UInt64.self), value)
  }

  func acquire(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset + 8 <= length && offset % 8 == 0)
    // SAFETY: as above.
    return unsafe ck_load_acquire64((base + offset).assumingMemoryBound(to: UInt64.self))
  }

  func exchange(_ old: UInt64, for value: UInt64, at offset: Int) -> Bool {
    StoreTrap.step(8)
    precondition(offset >= 0 && offset + 8 <= length && offset % 8 == 0)
    // SAFETY: as above.
    return unsafe ck_compare_and_swap64(
      (base + offset).assumingMemoryBound(to: UInt64.self), old, value) != 0
  }

  func publish(byte: UInt8, at offset: Int) {
    StoreTrap.step(1)
    precondition(offset >= 0 && offset < length)
    // SAFETY: checked above.
    unsafe ck_store_release8((base + offset).assumingMemoryBound(to: UInt8.self), byte)
  }
}
