import CLibBPF
import Glibc

extension Calls {
  static func attach(program: Int32, cgroup: Int32, type: UInt32) -> Result<Int32, CallFailure> {
    // SAFETY: no options are passed.
    let fd = bpf_link_create(program, cgroup, bpf_attach_type(rawValue: type), nil)
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }

  struct LinkInfo {
    var id: UInt32
    var programID: UInt32
    var cgroupID: UInt64
    var attachType: UInt32
  }

  static func linkInfo(_ fd: Int32) -> Result<LinkInfo, CallFailure> {
    var info = bpf_link_info()
    var length = UInt32(MemoryLayout<bpf_link_info>.size)
    // SAFETY: the kernel writes at most `length` bytes.
    guard unsafe bpf_obj_get_info_by_fd(fd, &info, &length) == 0 else {
      return .failure(CallFailure(errno: errno))
    }
    return .success(
      LinkInfo(
        id: info.id, programID: info.prog_id, cgroupID: info.cgroup.cgroup_id,
        attachType: info.cgroup.attach_type))
  }

  static func updateLink(_ fd: Int32, program: Int32) -> Int32? {
    // SAFETY: no options are passed.
    bpf_link_update(fd, program, nil) < 0 ? errno : nil
  }

  static func detachLink(_ fd: Int32) -> Int32? {
    bpf_link_detach(fd) < 0 ? errno : nil
  }

  struct ProgramInfo {
    var id: UInt32
    var name: String
    var tag: [UInt8]
  }

  static func programFD(id: UInt32) -> Result<Int32, CallFailure> {
    let fd = bpf_prog_get_fd_by_id(id)
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }

  static func programInfo(_ fd: Int32) -> Result<ProgramInfo, CallFailure> {
    var info = bpf_prog_info()
    var length = UInt32(MemoryLayout<bpf_prog_info>.size)
    // SAFETY: the kernel writes at most `length` bytes; no arrays are asked for.
    guard unsafe bpf_obj_get_info_by_fd(fd, &info, &length) == 0 else {
      return .failure(CallFailure(errno: errno))
    }
    let tag = unsafe withUnsafeBytes(of: info.tag) { bytes in unsafe [UInt8](bytes) }
    return .success(ProgramInfo(id: info.id, name: text(of: info.name), tag: tag))
  }
}
