// SAFETY, all of this file: pointers given to C live until the call returns.

import Glibc

/// Who may read what.
extension Files {
  struct Access: Equatable {
    var mode: UInt32
    var owner: UInt32
    var group: UInt32
  }

  static func access(_ path: String) -> Access? {
    var info = stat()
    guard unsafe stat(path, &info) == 0 else { return nil }
    return Access(mode: info.st_mode & 0o7777, owner: info.st_uid, group: info.st_gid)
  }

  /// The group that a directory was opened to with `setAccess(…, 0o750)`; nil: it is not shared.
  static func sharingGroup(of directory: String) -> UInt32? {
    guard let access = access(directory), access.mode & 0o777 == 0o750, access.group != 0 else {
      return nil
    }
    return access.group
  }

  /// Whatever the umask was when it was made.
  static func setAccess(_ path: String, _ mode: UInt32, group: UInt32) throws(DataplaneError) {
    // First nobody else's, then the group, then its rights.
    guard unsafe chmod(path, mode & 0o700) == 0 else {
      throw .failed("changing the mode of \(path)", errno: errno)
    }
    if access(path)?.group != group, unsafe chown(path, .max, group) != 0 {
      throw .failed("giving \(path) to the group \(group)", errno: errno)
    }
    guard unsafe chmod(path, mode) == 0 else {
      throw .failed("changing the mode of \(path)", errno: errno)
    }
  }

  static func mayEnter(_ directory: String) -> Bool {
    unsafe faccessat(AT_FDCWD, directory, X_OK, AT_EACCESS) == 0
  }

  static func mayRead(_ path: String) -> Bool {
    unsafe faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0
  }

  static func mayWrite(_ path: String) -> Bool {
    unsafe faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0
  }
}
