// SAFETY, all of this file: pointers given to C live until the call returns.

import CKernel
import Glibc

/// An exclusive lock on a directory (flock), for as long as this value lives.
final class DirectoryLock: Sendable {
  private let fd: Int32

  init(_ path: String) throws(DataplaneError) {
    fd = unsafe ck_lock_directory(path)
    if fd < 0 { throw .failed("locking \(path)", errno: -fd) }
  }

  deinit { Files.close(fd) }
}
