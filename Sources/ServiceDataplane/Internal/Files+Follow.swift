// SAFETY, all of this file: pointers given to C live until the call returns.

import Glibc

/// Which version of a file something is: another one has another of these, unless it was written
/// within a few milliseconds of the first.
struct FileVersion: Hashable, Sendable {
  var device: UInt64
  var inode: UInt64
  var size: Int64
  var modified: Int64
  var changed: Int64
  var links: Int
  var isRegular: Bool
  var isDirectory: Bool

  init(_ info: stat) {
    device = UInt64(info.st_dev)
    inode = UInt64(info.st_ino)
    size = Int64(info.st_size)
    modified = Int64(info.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_mtim.tv_nsec)
    changed = Int64(info.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_ctim.tv_nsec)
    links = Int(info.st_nlink)
    isRegular = info.st_mode & S_IFMT == S_IFREG
    isDirectory = info.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether it was written so shortly before `now` (CLOCK_REALTIME) that another write would not
  /// show: clocks of file systems tick every 10 ms at worst.
  func isRecent(at now: Int64) -> Bool { max(modified, changed) > now - 20_000_000 }
}

extension Files {
  /// nil when there is no such file; links are followed.
  static func version(_ path: String) -> FileVersion? {
    var info = stat()
    return unsafe stat(path, &info) == 0 ? FileVersion(info) : nil
  }

  /// Of the name itself.
  static func versionOfName(_ path: String) -> FileVersion? {
    var info = stat()
    return unsafe lstat(path, &info) == 0 ? FileVersion(info) : nil
  }

  enum FollowedRead {
    case bytes([UInt8], FileVersion)
    case gone
    /// A directory, a pipe or the like.
    case notAFile
    /// Somebody wrote to it meanwhile.
    case unstable
    case failed(DataplaneError)
  }

  /// Reads a file that others may be writing.
  static func readFollowed(_ path: String, limit: Int) -> FollowedRead {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard fd >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return .gone }
      return .failed(.failed("reading \(path)", errno: errno))
    }
    defer { close(fd) }
    var info = stat()
    guard unsafe fstat(fd, &info) == 0 else {
      return .failed(.failed("reading \(path)", errno: errno))
    }
    let before = FileVersion(info)
    guard before.isRegular else { return .notAFile }
    if before.size > Int64(limit) { return .failed(.system("reading \(path)", errno: EFBIG)) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(before.size) + 1)
    do {
      bytes = try readAll(fd, path, into: &bytes, limit: limit)
    } catch {
      return .failed(error)
    }
    guard unsafe fstat(fd, &info) == 0, FileVersion(info) == before,
      bytes.count == Int(before.size)
    else { return .unstable }
    return .bytes(bytes, before)
  }

  /// Where a symbolic link leads to, as it says; nil: it is none.
  static func target(ofLink path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4097)
    let count = unsafe readlink(path, &buffer, 4096)
    guard count > 0 else { return nil }
    let text = buffer[..<count].map { UInt8(bitPattern: $0) }
    return String(decoding: text, as: UTF8.self)
  }

  /// Whether others may change files there without this kernel seeing it (NFS, FUSE, 9p, CIFS, Ceph,
  /// AFS, vboxsf, and the lower layers of an overlay).
  static func isChangedElsewhere(_ path: String) -> Bool {
    let remote = [
      0x6969, 0x6573_5546, 0x0102_1997, 0xff53_4d42, 0xfe53_4d42, 0x517b, 0x00c3_6400,
      0x5346_414f, 0x786f_4256, 0x794c_7630,
    ]
    guard let type = fileSystemType(path) else { return false }
    return remote.contains(type & 0xffff_ffff)
  }

  static var realTime: Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// An exclusive lock that is not waited for, and what the holder has written into the file.
  enum TakenLock {
    case mine(Int32)
    case others
  }

  static func tryLock(_ path: String) throws(DataplaneError) -> TakenLock {
    let fd = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw .failed("opening \(path)", errno: errno) }
    while flock(fd, LOCK_EX | LOCK_NB) != 0 {
      let error = errno
      if error == EINTR { continue }
      close(fd)
      if error == EWOULDBLOCK { return .others }
      throw .failed("locking \(path)", errno: error)
    }
    return .mine(fd)
  }

  /// Whether somebody holds the lock on a file; reading needs no right to write.
  static func isLocked(_ path: String) -> Bool {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return false }
    defer { close(fd) }
    return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  /// Tells whoever holds a lock that it is wanted.
  static func announceWaiting(_ path: String) {
    let fd = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    if fd >= 0 { close(fd) }
  }
}
