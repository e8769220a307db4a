// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CLibBPF
import Glibc

extension Calls {
  /// Up to the last field of bpf_link_create_opts that is used, target_btf_id; see openPin.
  private static let optionsSize =
    MemoryLayout<Int>.size * 3 + MemoryLayout<UInt32>.size * 2

  static func createIteratorLink(program: Int32, map: Int32?) -> Result<Int32, CallFailure> {
    var fd: Int32
    if let map {
      var info = bpf_iter_link_info()
      unsafe info.map.map_fd = UInt32(map)
      // SAFETY: the kernel copies `info` during the call; the options live as long.
      fd = unsafe withUnsafeMutablePointer(to: &info) { info in
        var options = unsafe bpf_link_create_opts()
        unsafe options.sz = optionsSize
        unsafe options.iter_info = info
        unsafe options.iter_info_len = UInt32(MemoryLayout<bpf_iter_link_info>.size)
        return unsafe bpf_link_create(program, 0, BPF_TRACE_ITER, &options)
      }
    } else {
      fd = bpf_link_create(program, 0, BPF_TRACE_ITER, nil)
    }
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }

  static func startIterator(_ link: Int32) -> Result<Int32, CallFailure> {
    let fd = bpf_iter_create(link)
    return fd < 0 ? .failure(CallFailure(errno: errno)) : .success(fd)
  }

  /// Everything up to the end of file.
  static func readAll(_ fd: Int32) -> Result<[UInt8], CallFailure> {
    let chunk = 1 << 16
    var bytes: [UInt8] = []
    while true {
      let start = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: chunk))
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(fd, buffer.baseAddress?.advanced(by: start), chunk)
      }
      let failure = errno
      bytes.removeLast(chunk - max(count, 0))
      if count == 0 { return .success(bytes) }
      // EAGAIN: a million objects without output; the walk goes on with the next read.
      if count < 0 && failure != EINTR && failure != EAGAIN {
        return .failure(CallFailure(errno: failure))
      }
    }
  }

  static func elements<T: BitwiseCopyable>(of bytes: [UInt8], as type: T.Type) -> [T] {
    unsafe bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<T>.stride).map { index in
        unsafe bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.stride, as: type)
      }
    }
  }
}
