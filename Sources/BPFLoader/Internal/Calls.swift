// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CLibBPF
import Glibc

/// System calls as Swift functions: a result, or errno read right after the call.
enum Calls {
  static func close(_ fd: Int32) { _ = Glibc.close(fd) }

  static func pin(fd: Int32, at path: String) -> Int32? {
    unsafe bpf_obj_pin(fd, path) < 0 ? errno : nil
  }

  static func openPin(_ path: String, readOnly: Bool) -> Result<Int32, CallFailure> {
    var options = bpf_obj_get_opts()
    // Up to the last field: what lies behind it must be zero, and padding in Swift is not.
    options.sz = MemoryLayout<Int>.size + MemoryLayout<UInt32>.size
    options.file_flags = readOnly ? UInt32(BPF_F_RDONLY) : 0
    // SAFETY: the options live until the call returns.
    let fd = unsafe bpf_obj_get_opts(path, &options)
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }
}

struct CallFailure: Error {
  var errno: Int32
}
