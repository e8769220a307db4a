// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CLibBPF
import Glibc

extension Calls {
  enum ProbeResult {
    case there
    case missing
    case failed(Int32)

    /// What libbpf's probes answer: 1, 0 or -errno, which for what libbpf has not heard of is
    /// EOPNOTSUPP.
    fileprivate init(libbpf answer: Int32) {
      self =
        answer > 0 ? .there : answer == 0 || answer == -EOPNOTSUPP ? .missing : .failed(-answer)
    }

    /// Of a call that the kernel either knows or not.
    fileprivate init(errno: Int32) {
      switch errno {
      case EINVAL, ENOSYS, EOPNOTSUPP, Errno.notSupported: self = .missing
      default: self = .failed(errno)
      }
    }
  }

  static func probeMap(type: UInt32) -> ProbeResult {
    ProbeResult(libbpf: unsafe libbpf_probe_bpf_map_type(bpf_map_type(rawValue: type), nil))
  }

  static func probeHelper(_ number: UInt32) -> ProbeResult {
    ProbeResult(
      libbpf: unsafe libbpf_probe_bpf_helper(
        BPF_PROG_TYPE_CGROUP_SOCK_ADDR, bpf_func_id(rawValue: number), nil))
  }

  static func probeHook(_ hook: SocketHook) -> ProbeResult {
    switch loadEmptyProgram(for: hook) {
    case .failure(let failure): return ProbeResult(errno: failure.errno)
    case .success(let fd):
      close(fd)
      return .there
    }
  }

  /// `return 1`: goes on.
  private static func loadEmptyProgram(for hook: SocketHook) -> Result<Int32, CallFailure> {
    // r0 = 1 (BPF_ALU64 | BPF_MOV | BPF_K); exit (BPF_JMP | BPF_EXIT)
    // As numbers: Swift does not import the bit-fields of an instruction well.
    let code: [UInt64] = [1 << 32 | 0xb7, 0x95].map(\.littleEndian)
    var options = unsafe bpf_prog_load_opts()
    unsafe options.sz = MemoryLayout<bpf_prog_load_opts>.size
    unsafe options.expected_attach_type = bpf_attach_type(rawValue: hook.attachType)
    let type =
      hook == .sockRelease ? BPF_PROG_TYPE_CGROUP_SOCK : BPF_PROG_TYPE_CGROUP_SOCK_ADDR
    let fd = unsafe code.withUnsafeBytes { bytes in
      unsafe bpf_prog_load(
        type, "socklb_probe", "GPL", bytes.assumingMemoryBound(to: bpf_insn.self).baseAddress,
        code.count, &options)
    }
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }

  /// With a cgroup that is none: who knows links gets as far as that.
  static func probeCgroupLink() -> ProbeResult {
    switch loadEmptyProgram(for: .connect4) {
    case .failure(let failure): return ProbeResult(errno: failure.errno)
    case .success(let program):
      defer { close(program) }
      let fd = unsafe bpf_link_create(program, -1, BPF_CGROUP_INET4_CONNECT, nil)
      if fd >= 0 {
        close(fd)
        return .there
      }
      return errno == EBADF ? .there : ProbeResult(errno: errno)
    }
  }

  static func probeMappedArray() -> ProbeResult {
    var options = bpf_map_create_opts()
    options.sz = MemoryLayout<bpf_map_create_opts>.size
    options.map_flags = UInt32(BPF_F_MMAPABLE)
    let fd = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, "socklb_probe", 4, 8, 1, &options)
    guard fd >= 0 else { return ProbeResult(errno: errno) }
    close(fd)
    return .there
  }

  static func probeBatch() -> ProbeResult {
    let fd = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, "socklb_probe", 4, 8, 1, nil)
    guard fd >= 0 else { return .failed(errno) }
    defer { close(fd) }
    var cursor: [UInt8] = []
    var keys = [UInt8](repeating: 0, count: 4)
    var values = [UInt8](repeating: 0, count: 8)
    switch lookupBatch(fd, cursor: &cursor, keySize: 4, keys: &keys, values: &values, limit: 1) {
    case .failure(let failure): return ProbeResult(errno: failure.errno)
    case .success(let found): return found.count == 1 ? .there : .missing
    }
  }

  static func probeKernelType(_ name: String, isIterator: Bool) -> ProbeResult {
    let id = unsafe libbpf_find_vmlinux_btf_id(
      name, isIterator ? BPF_TRACE_ITER : BPF_TRACE_RAW_TP)
    if id > 0 { return .there }
    return id == -ESRCH || id == -ENOENT ? .missing : .failed(-id)
  }
}

extension KernelProbe.MapKind {
  var number: UInt32 {
    switch self {
    case .lruHash: BPF_MAP_TYPE_LRU_HASH.rawValue
    case .prefixTrie: BPF_MAP_TYPE_LPM_TRIE.rawValue
    case .mapInMap: BPF_MAP_TYPE_ARRAY_OF_MAPS.rawValue
    case .socketStorage: BPF_MAP_TYPE_SK_STORAGE.rawValue
    case .ringBuffer: BPF_MAP_TYPE_RINGBUF.rawValue
    }
  }
}

extension KernelProbe.Helper {
  var number: UInt32 {
    switch self {
    case .loop: BPF_FUNC_loop.rawValue
    case .setReturnValue: BPF_FUNC_set_retval.rawValue
    }
  }
}
