// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes.

import CProcess
import Glibc

/// What is read of this machine: clocks, small files, the environment.
enum System {
  /// Seconds since 1970.
  static var now: Int64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec)
  }

  static func sleep(milliseconds: Int) { _ = usleep(UInt32(milliseconds) * 1000) }

  static func errorText(_ value: Int32) -> String {
    guard let text = unsafe strerror(value) else { return "error \(value)" }
    return unsafe String(cString: text)
  }

  /// Names are looked up in /etc/hosts and by DNS, whatever nsswitch.conf says: the other ways are
  /// shared libraries of the system, which a static program must not load.
  static let prepareNameLookup: Void = {
    cp_plain_name_lookup()
  }()

  /// The environment this process was started with.
  static var environment: [String: String] {
    guard case .success(let bytes) = readFile("/proc/self/environ", limit: 1 << 22) else {
      return [:]
    }
    var result: [String: String] = [:]
    for entry in bytes.split(separator: 0) {
      let parts = entry.split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { continue }
      let name = String(decoding: parts[0], as: UTF8.self)
      if result[name] == nil { result[name] = String(decoding: parts[1], as: UTF8.self) }
    }
    return result
  }

  static func exists(_ path: String) -> Bool { stamp(path) != nil }

  /// What changes with a file: nil when it cannot be asked for.
  static func stamp(_ path: String) -> FileStamp? {
    var info = stat()
    guard unsafe stat(path, &info) == 0 else { return nil }
    return FileStamp(
      device: UInt64(info.st_dev), inode: UInt64(info.st_ino), size: Int64(info.st_size),
      seconds: Int64(info.st_mtim.tv_sec), nanoseconds: Int64(info.st_mtim.tv_nsec))
  }

  static func readFile(_ path: String, limit: Int = 1 << 22) -> Result<[UInt8], FileFailure> {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { return .failure(FileFailure(path: path, errno: errno)) }
    defer { _ = close(fd) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = unsafe read(fd, &part, part.count)
      if count < 0 {
        if errno == EINTR { continue }
        return .failure(FileFailure(path: path, errno: errno))
      }
      if count == 0 { return .success(bytes) }
      bytes += part[..<count]
      if bytes.count > limit { return .failure(FileFailure(path: path, errno: EFBIG)) }
    }
  }
}

struct FileStamp: Hashable, Sendable {
  var device: UInt64
  var inode: UInt64
  var size: Int64
  var seconds: Int64
  var nanoseconds: Int64
}

struct FileFailure: Error {
  var path: String
  var errno: Int32

  var isMissing: Bool { errno == ENOENT || errno == ENOTDIR }

  /// `cannot read /path: Permission denied`
  var text: String { "cannot read \(path): \(System.errorText(errno))" }
}
