// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CLibBPF
import Glibc

extension Calls {
  /// The ids of the programs that run for a cgroup, in the order in which they run.
  static func effectivePrograms(cgroup: Int32, type: UInt32) -> Result<[UInt32], CallFailure> {
    var room: UInt32 = 32
    // Programs may be attached between two calls, so the answer may not fit a second time.
    for _ in 0..<8 {
      var ids = [UInt32](repeating: 0, count: Int(room))
      var count = room
      let result = unsafe bpf_prog_query(
        cgroup, bpf_attach_type(rawValue: type), UInt32(BPF_F_QUERY_EFFECTIVE), nil, &ids, &count)
      if result == 0 { return .success(Array(ids.prefix(Int(count)))) }
      guard errno == ENOSPC else { return .failure(CallFailure(errno: errno)) }
      room = max(room * 2, count)
    }
    return .failure(CallFailure(errno: ENOSPC))
  }

  /// enum bpf_prog_type of a loaded program.
  static func programType(_ fd: Int32) -> UInt32? {
    var info = bpf_prog_info()
    var length = UInt32(MemoryLayout<bpf_prog_info>.size)
    guard unsafe bpf_obj_get_info_by_fd(fd, &info, &length) == 0 else { return nil }
    return info.type
  }

  static func programTypeName(_ type: UInt32) -> String {
    switch type {
    case BPF_PROG_TYPE_CGROUP_SOCK_ADDR.rawValue: "cgroup_sock_addr"
    case BPF_PROG_TYPE_CGROUP_SOCK.rawValue: "cgroup_sock"
    case BPF_PROG_TYPE_LSM.rawValue: "lsm"
    default: "type \(type)"
    }
  }
}
