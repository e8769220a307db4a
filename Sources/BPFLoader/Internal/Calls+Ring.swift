// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes. libbpf keeps the address of a RingHandle, which frees libbpf's object first.

import CLibBPF
import Glibc

extension Calls {
  static func createInnerArray(
    _ name: String, valueSize: Int, count: Int
  ) -> Result<Int32, CallFailure> {
    guard let count = UInt32(exactly: count), let size = UInt32(exactly: valueSize) else {
      return .failure(CallFailure(errno: EINVAL))
    }
    var options = bpf_map_create_opts()
    options.sz = MemoryLayout<bpf_map_create_opts>.size
    options.map_flags = UInt32(BPF_F_MMAPABLE | BPF_F_INNER_MAP)
    let fd = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, size, count, &options)
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }

  static func attachTracepoint(program: Int32) -> Result<Int32, CallFailure> {
    let fd = unsafe bpf_raw_tracepoint_open(nil, program)
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }
}

/// libbpf's reader of one ring: mapped, emptied into `bytes`, unmapped.
@safe final class RingHandle {
  private var ring: OpaquePointer?
  private var bytes: [UInt8] = []
  private var recordSize = 0
  private var room = 0
  private(set) var isMisshapen = false

  init(_ fd: Int32) throws(CallFailure) {
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe ring = ring_buffer__new(
      fd,
      { context, data, size in
        guard let context = unsafe context else { return -1 }
        return unsafe Unmanaged<RingHandle>.fromOpaque(context).takeUnretainedValue().add(
          data, size)
      }, context, nil)
    guard unsafe ring != nil else { throw CallFailure(errno: errno) }
  }

  deinit { unsafe ring_buffer__free(ring) }

  /// - Returns: what libbpf is told: -1 ends the walk behind this record.
  private func add(_ data: UnsafeMutableRawPointer?, _ size: Int) -> Int32 {
    guard let data = unsafe data, size == recordSize else {
      isMisshapen = true
      return -1
    }
    unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: data, count: size))
    room -= 1
    return room > 0 ? 0 : -1
  }

  func fill(limit: Int, recordSize: Int) {
    bytes.removeAll(keepingCapacity: true)
    room = limit
    self.recordSize = recordSize
    _ = unsafe ring_buffer__consume(ring)
  }

  /// - Precondition: `fill` was called with the size of this type.
  func visit<T: BitwiseCopyable>(as type: T.Type, _ visit: (T) -> Void) -> Int {
    let count = bytes.count / max(recordSize, 1)
    unsafe bytes.withUnsafeBytes { bytes in
      for index in 0..<count {
        // SAFETY: bounds are checked by the buffer.
        visit(unsafe bytes.loadUnaligned(fromByteOffset: index * recordSize, as: type))
      }
    }
    return count
  }
}
