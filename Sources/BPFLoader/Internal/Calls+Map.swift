// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CLibBPF
import Glibc

extension Calls {
  struct MapInfo {
    var id: UInt32
    var name: String
    var type: UInt32
    var keySize: Int
    var valueSize: Int
    var maxEntries: Int
    var flags: UInt32
  }

  static func mapInfo(_ fd: Int32) -> Result<MapInfo, CallFailure> {
    var info = bpf_map_info()
    var length = UInt32(MemoryLayout<bpf_map_info>.size)
    // SAFETY: the kernel writes at most `length` bytes.
    guard unsafe bpf_obj_get_info_by_fd(fd, &info, &length) == 0 else {
      return .failure(CallFailure(errno: errno))
    }
    return .success(
      MapInfo(
        id: info.id, name: text(of: info.name), type: info.type, keySize: Int(info.key_size),
        valueSize: Int(info.value_size), maxEntries: Int(info.max_entries), flags: info.map_flags))
  }

  static func text<T: BitwiseCopyable>(of array: T) -> String {
    // SAFETY: the buffer is a copy of `array` and is used only inside the closure.
    unsafe withUnsafeBytes(of: array) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  // MARK: Elements

  static func lookup<K: BitwiseCopyable, V: BitwiseCopyable>(
    _ fd: Int32, key: K, into value: inout V
  ) -> Int32? {
    var key = key
    // SAFETY: key and value have the sizes that the map was checked for when it was opened.
    return unsafe bpf_map_lookup_elem(fd, &key, &value) == 0 ? nil : errno
  }

  static func hasElement<K: BitwiseCopyable>(_ fd: Int32, key: K, valueSize: Int) -> Bool {
    var key = key
    var value = [UInt8](repeating: 0, count: valueSize)
    // SAFETY: the buffer has the size of the map's values.
    return unsafe value.withUnsafeMutableBytes { value in
      unsafe bpf_map_lookup_elem(fd, &key, value.baseAddress) == 0
    }
  }

  static func update<K: BitwiseCopyable, V: BitwiseCopyable>(
    _ fd: Int32, key: K, value: V, flags: UInt64 = 0
  ) -> Int32? {
    var key = key
    var value = value
    // SAFETY: as above.
    return unsafe bpf_map_update_elem(fd, &key, &value, flags) == 0 ? nil : errno
  }

  static func delete<K: BitwiseCopyable>(_ fd: Int32, key: K) -> Int32? {
    var key = key
    // SAFETY: as above.
    return unsafe bpf_map_delete_elem(fd, &key) == 0 ? nil : errno
  }

  // MARK: Batches

  /// - Returns: errno, and how many elements were written before it.
  static func updateBatch<K: BitwiseCopyable, V: BitwiseCopyable>(
    _ fd: Int32, keys: [K], values: [V], count: Int? = nil
  ) -> (errno: Int32, done: Int)? {
    var count = UInt32(count ?? min(keys.count, values.count))
    var options = bpf_map_batch_opts()
    options.sz = MemoryLayout<bpf_map_batch_opts>.size
    // SAFETY: both arrays hold `count` elements of the sizes the map was checked for.
    let result = unsafe keys.withUnsafeBytes { keys in
      unsafe values.withUnsafeBytes { values in
        unsafe bpf_map_update_batch(fd, keys.baseAddress, values.baseAddress, &count, &options)
      }
    }
    return result < 0 ? (errno, Int(count)) : nil
  }

  /// - Parameter start: of the first of `keys` that is deleted.
  static func deleteBatch<K: BitwiseCopyable>(
    _ fd: Int32, keys: [K], from start: Int = 0, count: Int? = nil
  ) -> (errno: Int32, done: Int)? {
    precondition((0...keys.count).contains(start))
    var count = UInt32(count ?? keys.count - start)
    var options = bpf_map_batch_opts()
    options.sz = MemoryLayout<bpf_map_batch_opts>.size
    // SAFETY: as above; `start` is within the array.
    let result = unsafe keys.withUnsafeBufferPointer { keys in
      unsafe bpf_map_delete_batch(fd, keys.baseAddress.map { unsafe $0 + start }, &count, &options)
    }
    return result < 0 ? (errno, Int(count)) : nil
  }

  /// Whether a map has any element.
  static func hasKey(_ fd: Int32, keySize: Int) -> Result<Bool, CallFailure> {
    var first = [UInt8](repeating: 0, count: keySize)
    // SAFETY: there is room for one key.
    let result = unsafe first.withUnsafeMutableBytes { first in
      unsafe bpf_map_get_next_key(fd, nil, first.baseAddress)
    }
    if result == 0 { return .success(true) }
    return errno == ENOENT ? .success(false) : .failure(CallFailure(errno: errno))
  }

  /// One step of a batched walk over a hash or an array.
  ///
  /// - Parameters:
  ///   - cursor: empty at the start; what the kernel wants back at the next step.
  ///   - keys, values: room for `limit` elements; raw bytes because a per-CPU map returns one
  ///     value per possible CPU.
  /// - Returns: how many elements came, and whether there are more; or errno.
  static func lookupBatch(
    _ fd: Int32, cursor: inout [UInt8], keySize: Int, keys: inout [UInt8],
    values: inout [UInt8], limit: Int
  ) -> Result<(count: Int, more: Bool), CallFailure> {
    var count = UInt32(limit)
    var options = bpf_map_batch_opts()
    options.sz = MemoryLayout<bpf_map_batch_opts>.size
    var next = [UInt8](repeating: 0, count: max(keySize, 8))
    let isFirst = cursor.isEmpty
    // SAFETY: keys and values have room for `limit` elements; a cursor is never larger than a
    // key or 4 bytes.
    let result = unsafe cursor.withUnsafeMutableBytes { old in
      unsafe next.withUnsafeMutableBytes { new in
        unsafe keys.withUnsafeMutableBytes { keys in
          unsafe values.withUnsafeMutableBytes { values in
            unsafe bpf_map_lookup_batch(
              fd, isFirst ? nil : old.baseAddress, new.baseAddress, keys.baseAddress,
              values.baseAddress, &count, &options)
          }
        }
      }
    }
    // EINTR: elements were deleted faster than they could be read (up to Linux 6.13). What was read
    // until then counts, and it goes on from there.
    let isInterrupted = result < 0 && errno == EINTR && count > 0 && count < UInt32(limit)
    if result < 0 && errno != ENOENT && !isInterrupted {
      return .failure(CallFailure(errno: errno))
    }
    cursor = next
    return .success((Int(count), result == 0 || isInterrupted))
  }

  static func possibleCPUs() -> Int {
    let count = libbpf_num_possible_cpus()
    return count > 0 ? Int(count) : 1
  }

  // MARK: Memory

  static func map(_ fd: Int32, length: Int) -> Result<UnsafeMutableRawPointer, CallFailure> {
    let memory = unsafe mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
      return unsafe .failure(CallFailure(errno: errno))
    }
    return unsafe .success(memory)
  }

  static func unmap(_ memory: UnsafeMutableRawPointer, length: Int) {
    _ = unsafe munmap(memory, length)
  }

  static var pageSize: Int { Int(getpagesize()) }

  // MARK: Grace periods

  /// A one-entry ARRAY_OF_MAPS and a map to put into it.
  static func createMapInMap() -> Result<(outer: Int32, inner: Int32), CallFailure> {
    // SAFETY: names and options live until each call returns.
    let inner = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, "socklb_inner", 4, 4, 1, nil)
    guard inner >= 0 else { return .failure(CallFailure(errno: errno)) }
    var options = bpf_map_create_opts()
    options.sz = MemoryLayout<bpf_map_create_opts>.size
    options.inner_map_fd = UInt32(inner)
    let outer = unsafe bpf_map_create(
      BPF_MAP_TYPE_ARRAY_OF_MAPS, "socklb_grace", 4, 4, 1, &options)
    guard outer >= 0 else {
      let failure = CallFailure(errno: errno)
      close(inner)
      return .failure(failure)
    }
    return .success((outer, inner))
  }
}
