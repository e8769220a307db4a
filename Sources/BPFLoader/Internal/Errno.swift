// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import Glibc

/// errno values and their texts, also those that strerror does not know.
enum Errno {
  static let permissionDenied = EPERM
  static let accessDenied = EACCES
  static let notFound = ENOENT
  static let noMemory = ENOMEM
  static let invalid = EINVAL
  static let noSystemCall = ENOSYS
  static let linkSevered = ENOLINK
  /// ENOTSUPP, the kernel's own: not in errno.h.
  static let notSupported: Int32 = 524

  static func text(_ value: Int32) -> String {
    if value == notSupported { return "not supported by this kernel (ENOTSUPP)" }
    guard let text = unsafe strerror(value) else { return "error \(value)" }
    // SAFETY: strerror returns a NUL-terminated string.
    return unsafe String(cString: text)
  }
}
