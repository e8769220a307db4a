// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import Glibc

extension Files {
  /// Gives a file a second name; copies it where the file system has no links.
  static func link(_ path: String, as name: String) throws(DataplaneError) {
    try remove(name)
    if unsafe Glibc.link(path, name) == 0 { return }
    let error = errno
    guard [EPERM, EOPNOTSUPP, EMLINK, EXDEV, ENOSYS].contains(error) else {
      throw .failed("linking \(path) as \(name)", errno: error)
    }
    guard let bytes = try read(path) else { throw .failed("reading \(path)", errno: ENOENT) }
    try replace(name, with: bytes)
  }

  /// Replaces a file, without waiting for the disk: after a power failure it may be the old one,
  /// the new one, or damaged.
  static func replaceLazily(_ path: String, with bytes: [UInt8]) throws(DataplaneError) {
    let temporary = path + ".new"
    let fd = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw .failed("writing \(temporary)", errno: errno) }
    // One write: what is small is written whole, or not at all when the disk is full.
    let count = unsafe bytes.withUnsafeBytes { buffer in
      unsafe write(fd, buffer.baseAddress, buffer.count)
    }
    let error = count < 0 ? errno : ENOSPC
    close(fd)
    guard count == bytes.count else {
      _ = unsafe unlink(temporary)
      throw .failed("writing \(temporary)", errno: error)
    }
    try rename(temporary, to: path)
  }

  /// The size of a file, and its last bytes; nil when there is no such file.
  static func end(
    of path: String, bytes limit: Int
  ) throws(DataplaneError) -> (size: Int, bytes: [UInt8])? {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else {
      if errno == ENOENT { return nil }
      throw .failed("reading \(path)", errno: errno)
    }
    defer { close(fd) }
    var info = stat()
    guard unsafe fstat(fd, &info) == 0 else { throw .failed("reading \(path)", errno: errno) }
    let size = Int(info.st_size)
    var bytes = [UInt8](repeating: 0, count: min(limit, size))
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe pread(fd, buffer.baseAddress, buffer.count, off_t(size - buffer.count))
    }
    guard count >= 0 else { throw .failed("reading \(path)", errno: errno) }
    bytes.removeLast(bytes.count - count)
    return (size, bytes)
  }

  /// Writes to the end of a file, and returns when that is on disk.
  ///
  /// - Returns: how large the file is now.
  static func append(_ path: String, _ bytes: [UInt8]) throws(DataplaneError) -> Int {
    let fd = unsafe open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard fd >= 0 else { throw .failed("writing \(path)", errno: errno) }
    defer { close(fd) }
    let failed = writeAll(fd, bytes)
    guard failed == 0 else { throw .failed("writing \(path)", errno: failed) }
    guard fdatasync(fd) == 0 else { throw .failed("writing \(path)", errno: errno) }
    let size = lseek(fd, 0, SEEK_END)
    guard size >= 0 else { throw .failed("writing \(path)", errno: errno) }
    return Int(size)
  }
}

/// The clock of the node.
public enum WallClock {
  /// Seconds since 1970.
  public static var seconds: Int64 { Int64(time(nil)) }

  /// The same, and milliseconds beyond that.
  public static var milliseconds: (seconds: Int64, milliseconds: Int64) {
    let now = Files.realTime
    return (now / 1_000_000_000, now / 1_000_000 % 1000)
  }
}
