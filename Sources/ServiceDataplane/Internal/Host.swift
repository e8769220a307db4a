// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import BPFLoader
import Glibc

/// What the machine says about itself.
enum Host {
  static var kernelRelease: String {
    var name = utsname()
    guard unsafe uname(&name) == 0 else { return "" }
    // SAFETY: the buffer is `release` itself, which the kernel ends with a NUL.
    return unsafe withUnsafeBytes(of: &name.release) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

enum Clock {
  /// CLOCK_MONOTONIC, which bpf_ktime_get_ns() reads.
  static var monotonicNanoseconds: UInt64 {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_MONOTONIC, &time) == 0 else { return 0 }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// CLOCK_BOOTTIME, which goes on while the machine sleeps.
  static var nanosecondsSinceBoot: UInt64 {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_BOOTTIME, &time) == 0 else { return 0 }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
