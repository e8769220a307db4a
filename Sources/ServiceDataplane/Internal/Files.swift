// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import BPFLoader
import CKernel
import Glibc

/// Files and directories, as functions that throw what failed and on which path.
enum Files {
  static func close(_ fd: Int32) { _ = Glibc.close(fd) }

  static func read(
    _ path: String, limit: Int = .max
  ) throws(DataplaneError) -> [UInt8]? {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else {
      if errno == ENOENT { return nil }
      throw .failed("reading \(path)", errno: errno)
    }
    defer { close(fd) }
    var info = stat()
    var bytes: [UInt8] = []
    if unsafe fstat(fd, &info) == 0, info.st_size > 0 {
      if info.st_size > limit { throw .system("reading \(path)", errno: EFBIG) }
      bytes.reserveCapacity(Int(info.st_size) + 1)
    }
    return try readAll(fd, path, into: &bytes, limit: limit)
  }

  static func readAll(
    _ fd: Int32, _ path: String, into bytes: inout [UInt8], limit: Int = .max
  ) throws(DataplaneError) -> [UInt8] {
    // Whoever expects little does not wait for a megabyte of zeros.
    let most = min(limit, 1 << 20 - 1) + 1
    while true {
      if bytes.count > limit { throw .system("reading \(path)", errno: EFBIG) }
      let start = bytes.count
      // What there is room for already is read without a larger array.
      let room = bytes.capacity - start
      let chunk = room > 0 ? min(most, room) : most
      bytes.append(contentsOf: repeatElement(0, count: chunk))
      // SAFETY: the array has `chunk` bytes behind `start`.
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe Glibc.read(fd, buffer.baseAddress?.advanced(by: start), chunk)
      }
      bytes.removeLast(chunk - max(count, 0))
      if count == 0 { return bytes }
      if count < 0 && errno != EINTR { throw .failed("reading \(path)", errno: errno) }
    }
  }

  /// Replaces a file: after a crash at any point the old or the new contents are there.
  static func replace(_ path: String, with bytes: [UInt8]) throws(DataplaneError) {
    let temporary = path + ".new"
    let fd = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw .failed("writing \(temporary)", errno: errno) }
    if let group = sharingGroup(of: parent(of: path)) {
      // Without this right the file is for its owner alone, which is the safe side.
      if fchown(fd, .max, group) == 0 { _ = fchmod(fd, 0o640) }
    }
    let failed = writeAll(fd, bytes)
    guard failed == 0 else {
      close(fd)
      _ = unsafe unlink(temporary)
      throw .failed("writing \(temporary)", errno: failed)
    }
    let synced = fsync(fd)
    let error = errno
    close(fd)
    guard synced == 0 else {
      _ = unsafe unlink(temporary)
      throw .failed("writing \(temporary)", errno: error)
    }
    guard unsafe Glibc.rename(temporary, path) == 0 else {
      let error = errno
      _ = unsafe unlink(temporary)
      throw .failed("replacing \(path)", errno: error)
    }
    syncDirectory(of: path)
  }

  /// - Returns: 0, or errno.
  static func writeAll(_ fd: Int32, _ bytes: [UInt8]) -> Int32 {
    var done = 0
    while done < bytes.count {
      // SAFETY: stays within the array.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe write(fd, buffer.baseAddress?.advanced(by: done), buffer.count - done)
      }
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      done += count
    }
    return 0
  }

  /// Makes a rename or removal in the directory of `path` durable, as far as it can be done.
  static func syncDirectory(of path: String) {
    let fd = unsafe open(parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard fd >= 0 else { return }
    _ = fsync(fd)
    close(fd)
  }

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func makeDirectories(_ path: String, mode: mode_t = 0o700) throws(DataplaneError) {
    if exists(path) { return }
    let above = parent(of: path)
    if above != path && above != "." { try makeDirectories(above, mode: 0o755) }
    guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else {
      throw .failed("making the directory \(path)", errno: errno)
    }
  }

  static func exists(_ path: String) -> Bool {
    var info = stat()
    return unsafe stat(path, &info) == 0
  }

  static func isDirectory(_ path: String) -> Bool {
    var info = stat()
    return unsafe stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
  }

  /// The path without symbolic links; as it is when that cannot be told.
  static func resolved(_ path: String) -> String {
    guard let text = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(text) }
    return unsafe String(cString: text)
  }

  static func isSymbolicLink(_ path: String) -> Bool {
    var info = stat()
    return unsafe lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFLNK
  }

  static func inode(_ path: String) -> UInt64? {
    var info = stat()
    return unsafe stat(path, &info) == 0 ? UInt64(info.st_ino) : nil
  }

  /// Names in a directory, sorted; empty when there is no such directory.
  static func list(_ path: String) throws(DataplaneError) -> [String] {
    guard let directory = unsafe opendir(path) else {
      if errno == ENOENT || errno == ENOTDIR { return [] }
      throw .failed("reading the directory \(path)", errno: errno)
    }
    defer { _ = unsafe closedir(directory) }
    var names: [String] = []
    errno = 0
    while let entry = unsafe readdir(directory) {
      // SAFETY: d_name is NUL-terminated and valid until the next readdir.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { text in
          unsafe String(cString: text)
        }
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    if errno != 0 && errno != ENOENT {
      throw .failed("reading the directory \(path)", errno: errno)
    }
    return names.sorted()
  }

  static func remove(_ path: String) throws(DataplaneError) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else {
      throw .failed("removing \(path)", errno: errno)
    }
  }

  static func removeDirectory(_ path: String) throws(DataplaneError) {
    guard unsafe rmdir(path) == 0 || errno == ENOENT else {
      throw .failed("removing the directory \(path)", errno: errno)
    }
  }

  static func rename(_ old: String, to new: String) throws(DataplaneError) {
    guard unsafe Glibc.rename(old, new) == 0 else {
      throw .failed("renaming \(old) to \(new)", errno: errno)
    }
  }

  private static func rename(_ old: String, _ new: String) -> Int32 {
    unsafe Glibc.rename(old, new)
  }

  /// Opens a directory; nil with errno.
  static func openDirectory(_ path: String) -> Result<Int32, ErrnoFailure> {
    let fd = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    return fd < 0 ? .failure(ErrnoFailure(errno: errno)) : .success(fd)
  }

  /// Opens (and makes) a file and takes an exclusive lock on it, which ends with the process.
  ///
  /// - Parameters:
  ///   - seconds: how long to wait for another holder; nil: for ever.
  ///   - waiting: called once when there is another holder.
  /// - Returns: nil when the time was up.
  static func lock(
    _ path: String, seconds: Int?, waiting: () -> Void
  ) throws(DataplaneError) -> Int32? {
    let fd = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw .failed("opening \(path)", errno: errno) }
    var tries = 0
    while flock(fd, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EINTR || errno == EWOULDBLOCK else {
        let error = errno
        close(fd)
        throw .failed("locking \(path)", errno: error)
      }
      if tries == 50 { waiting() }
      // A process that follows a directory keeps the lock while there is much to do.
      if tries % 25 == 2 { announceWaiting(path + ".wanted") }
      if let seconds, tries >= seconds * 50 {
        close(fd)
        return nil
      }
      tries += 1
      sleep(milliseconds: 20)
    }
    return fd
  }

  static let bpfMagic = 0xcafe_4a11
  static let cgroup2Magic = 0x6367_7270

  static func fileSystemType(_ path: String) -> Int? {
    let type = unsafe ck_file_system_type(path)
    return type < 0 ? nil : type
  }

  static func mountBPF(at path: String, mode: String = "0700") -> Int32? {
    unsafe mount("bpf", path, "bpf", 0, "mode=\(mode)") == 0 ? nil : errno
  }

  static var ownProcessID: Int32 { getpid() }

  static func sleep(milliseconds: Int) {
    _ = usleep(useconds_t(milliseconds * 1000))
  }
}

struct ErrnoFailure: Error {
  var errno: Int32
}

enum SystemText {
  static func error(_ value: Int32) -> String {
    guard let text = unsafe strerror(value) else { return "error \(value)" }
    // SAFETY: strerror returns a NUL-terminated string.
    return unsafe String(cString: text)
  }
}

extension DataplaneError {
  static func failed(_ what: String, errno: Int32) -> DataplaneError {
    .system(
      what, errno: errno,
      remedy: errno == EACCES || errno == EPERM ? "run it as root" : nil)
  }

  /// errno of a missing permission, whatever the layer.
  public var isPermission: Bool {
    switch self {
    case .notPermitted: true
    case .bpf(let error): error.code == .permission
    case .system(_, let errno, _): errno == EACCES || errno == EPERM
    default: false
    }
  }
}
