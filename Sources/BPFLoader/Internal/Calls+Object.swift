// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CLibBPF
import Glibc

/// Where the kernel writes what it thinks of one program.
@safe private struct VerifierLog {
  var program: String
  private let buffer: UnsafeMutableBufferPointer<CChar>

  init(program: String, size: Int) {
    self.program = program
    unsafe buffer = .allocate(capacity: size)
    unsafe buffer[0] = 0
  }

  func use(for program: OpaquePointer) {
    // SAFETY: the buffer lives longer than the object: see ObjectHandle.deinit.
    _ = unsafe bpf_program__set_log_buf(program, buffer.baseAddress, buffer.count)
  }

  var lines: [String] {
    // SAFETY: libbpf and the kernel end what they write with a NUL.
    guard let start = unsafe buffer.baseAddress, unsafe buffer[0] != 0 else { return [] }
    return unsafe String(cString: start).split(separator: "\n").map(String.init)
  }

  func free() { unsafe buffer.deallocate() }
}

/// libbpf's object as an owned value: opened, sized, loaded, closed.
///
/// Not thread safe; used by one owner.
@safe final class ObjectHandle {
  private let object: OpaquePointer
  /// One verifier log per program, in the order of the object.
  private var logs: [VerifierLog] = []
  private static let logSize = 1 << 20

  init(elf: [UInt8], name: String) throws(CallFailure) {
    _ = unsafe libbpf_set_print(nil)
    // SAFETY: libbpf copies what it keeps of the bytes; the options live until the call returns.
    let opened: OpaquePointer? = unsafe elf.withUnsafeBytes { bytes in
      unsafe name.withCString { name in
        var options = unsafe bpf_object_open_opts()
        // Up to the last field that libbpf may read; see Calls.openPin.
        unsafe options.sz = MemoryLayout<Int>.size + MemoryLayout<UnsafeRawPointer>.size
        unsafe options.object_name = name
        return unsafe bpf_object__open_mem(bytes.baseAddress, bytes.count, &options)
      }
    }
    guard let opened = unsafe opened else { throw CallFailure(errno: errno) }
    unsafe object = opened
  }

  deinit {
    unsafe bpf_object__close(object)
    for log in logs { log.free() }
  }

  /// A map by its name, or by that of the variable's section: `trace` is `.data.trace`. What is
  /// pinned may have no dot in its name.
  private func find(_ name: String) -> OpaquePointer? {
    if let map = unsafe bpf_object__find_map_by_name(object, name) { return unsafe map }
    return unsafe bpf_object__find_map_by_name(object, Self.variables + name)
  }

  private static let variables = ".data."

  /// Sets the constants (.rodata) before they are loaded.
  func setConstants<T: BitwiseCopyable>(_ value: T) -> Int32? {
    guard let map = unsafe bpf_object__find_map_by_name(object, ".rodata") else { return ENOENT }
    var value = value
    let size = MemoryLayout<T>.size
    let result = unsafe bpf_map__set_initial_value(map, &value, size)
    return result < 0 ? -result : nil
  }

  func setMaxEntries(_ count: UInt32, ofMap name: String) -> Int32? {
    guard let map = unsafe find(name) else { return ENOENT }
    let result = unsafe bpf_map__set_max_entries(map, count)
    return result < 0 ? -result : nil
  }

  func reuse(fd: Int32, asMap name: String) -> Int32? {
    guard let map = unsafe find(name) else { return ENOENT }
    let result = unsafe bpf_map__reuse_fd(map, fd)
    return result < 0 ? -result : nil
  }

  func definition(ofMap name: String) -> MapDefinition? {
    guard let map = unsafe find(name) else { return nil }
    return unsafe MapDefinition(
      type: bpf_map__type(map).rawValue, keySize: Int(bpf_map__key_size(map)),
      valueSize: Int(bpf_map__value_size(map)), flags: bpf_map__map_flags(map))
  }

  func types(ofMap name: String) -> MapTypes? {
    guard let map = unsafe bpf_object__find_map_by_name(object, name),
      let types = unsafe bpf_object__btf(object)
    else { return nil }
    let value = unsafe bpf_map__btf_value_type_id(map)
    guard value != 0 else { return nil }
    return unsafe MapTypes(
      key: Calls.dataType(types, bpf_map__btf_key_type_id(map)),
      value: Calls.dataType(types, value))
  }

  func maxEntries(ofMap name: String) -> Int? {
    guard let map = unsafe bpf_object__find_map_by_name(object, name) else { return nil }
    return Int(unsafe bpf_map__max_entries(map))
  }

  func setFirstConstant(_ value: UInt32, in section: String = ".rodata") -> Int32? {
    var size = 0
    guard let map = unsafe bpf_object__find_map_by_name(object, section),
      let memory = unsafe bpf_map__initial_value(map, &size), size >= 4
    else { return ENOENT }
    // SAFETY: the memory is `size` bytes of libbpf's own, which it lets nobody write.
    var bytes = unsafe Array(UnsafeRawBufferPointer(start: memory, count: size))
    unsafe bytes.withUnsafeMutableBytes { unsafe $0.storeBytes(of: value, as: UInt32.self) }
    let result = unsafe bpf_map__set_initial_value(map, &bytes, bytes.count)
    return result < 0 ? -result : nil
  }

  var mapNames: [String] {
    var names: [String] = []
    var map = unsafe bpf_object__next_map(object, nil)
    while let current = unsafe map {
      let name = unsafe String(cString: bpf_map__name(current))
      if unsafe !bpf_map__is_internal(current) {
        names.append(name)
      } else if name.hasPrefix(Self.variables) {
        names.append(String(name.dropFirst(Self.variables.utf8.count)))
      }
      unsafe map = bpf_object__next_map(object, current)
    }
    return names
  }

  func loadOnly(_ names: [String]) -> Int32? {
    for name in names where unsafe bpf_object__find_program_by_name(object, name) == nil {
      return ENOENT
    }
    var program = unsafe bpf_object__next_program(object, nil)
    while let current = unsafe program {
      let isWanted = names.contains(unsafe String(cString: bpf_program__name(current)))
      let result = unsafe bpf_program__set_autoload(current, isWanted)
      if result < 0 { return -result }
      unsafe program = bpf_object__next_program(object, current)
    }
    return nil
  }

  /// - Returns: nil, or errno with the name and the log of the program the verifier refused.
  func load() -> (errno: Int32, program: String?, log: [String])? {
    var program = unsafe bpf_object__next_program(object, nil)
    while let current = unsafe program {
      if unsafe bpf_program__autoload(current) {
        let log = VerifierLog(
          program: unsafe String(cString: bpf_program__name(current)), size: Self.logSize)
        unsafe log.use(for: current)
        logs.append(log)
      }
      unsafe program = bpf_object__next_program(object, current)
    }
    let result = unsafe bpf_object__load(object)
    guard result < 0 else { return nil }
    for log in logs where !log.lines.isEmpty { return (-result, log.program, log.lines) }
    return (-result, nil, [])
  }

  /// A descriptor of its own for a program or a map, which outlives this object.
  func programFD(_ name: String) -> Int32? {
    guard let program = unsafe bpf_object__find_program_by_name(object, name) else { return nil }
    return duplicate(unsafe bpf_program__fd(program))
  }

  func mapFD(_ name: String) -> Int32? {
    guard let map = unsafe find(name) else { return nil }
    return duplicate(unsafe bpf_map__fd(map))
  }

  private func duplicate(_ fd: Int32) -> Int32? {
    guard fd >= 0 else { return nil }
    let copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)
    return copy < 0 ? nil : copy
  }
}
