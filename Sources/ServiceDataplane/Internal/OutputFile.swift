// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import Glibc

/// A file that a user asked for, anywhere.
public enum OutputFile {
  public enum Readers: Sendable {
    /// The user alone.
    case owner
    /// Whoever the umask lets read.
    case others
  }

  /// Writes it as a whole: until then, and if it cannot be done, what was there before is there.
  /// What is no file (a terminal, a pipe) is written to.
  public static func write(
    _ path: String, _ bytes: [UInt8], for readers: Readers
  ) throws(DataplaneError) {
    var info = stat()
    let exists = unsafe stat(path, &info) == 0
    if exists, info.st_mode & S_IFMT == S_IFDIR { throw .failed("writing \(path)", errno: EISDIR) }
    if exists, info.st_mode & S_IFMT != S_IFREG {
      let fd = unsafe open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
      guard fd >= 0 else { throw .failed("writing \(path)", errno: errno) }
      defer { Files.close(fd) }
      try writeAll(bytes, to: fd, path)
      return
    }
    // Where a link leads to, so that it stays a link.
    let target = exists ? Files.resolved(path) : path
    let temporary = target + ".socklb-\(getpid())"
    _ = unsafe unlink(temporary)
    let mode: mode_t = readers == .owner ? 0o600 : 0o666
    let fd = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
    guard fd >= 0 else { throw .failed("writing \(path)", errno: errno) }
    // Whom somebody has kept from reading it before is kept from reading it.
    if exists && readers == .others { _ = fchmod(fd, info.st_mode & 0o666) }
    do throws(DataplaneError) {
      defer { Files.close(fd) }
      try writeAll(bytes, to: fd, path)
      guard fsync(fd) == 0 else { throw .failed("writing \(path)", errno: errno) }
    } catch {
      _ = unsafe unlink(temporary)
      throw error
    }
    guard unsafe rename(temporary, target) == 0 else {
      let error = errno
      _ = unsafe unlink(temporary)
      throw .failed("writing \(path)", errno: error)
    }
    Files.syncDirectory(of: target)
  }

  private static func writeAll(
    _ bytes: [UInt8], to fd: Int32, _ path: String
  ) throws(DataplaneError) {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(fd, buffer.baseAddress?.advanced(by: done), buffer.count - done)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw .failed("writing \(path)", errno: errno)
      }
      done += count
    }
  }
}
