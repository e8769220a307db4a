// SAFETY, all of this file: paths live until the call returns; the kernel writes into a buffer that
// has the size it is told, and what is read of an event lies within what it has written.

import CKernel
import Glibc

/// An inotify descriptor.
final class Inotify {
  let descriptor: Int32

  struct Event {
    var watch: Int32
    var happened: Happening
    /// Empty: it happened to the directory itself.
    var name: String

    func has(_ any: Happening) -> Bool { !happened.isDisjoint(with: any) }
  }

  /// The bits of inotify(7).
  struct Happening: OptionSet {
    let rawValue: UInt32

    init(rawValue: UInt32) { self.rawValue = rawValue }
    private init(_ bit: ck_happening) { rawValue = bit.rawValue }

    static let modify = Happening(CK_MODIFY)
    static let attributes = Happening(CK_ATTRIB)
    static let closeWrite = Happening(CK_CLOSE_WRITE)
    static let movedFrom = Happening(CK_MOVED_FROM)
    static let movedTo = Happening(CK_MOVED_TO)
    static let create = Happening(CK_CREATE)
    static let delete = Happening(CK_DELETE)
    /// The directory itself was moved or removed, or its file system was unmounted.
    static let itself: Happening = [
      Happening(CK_DELETE_SELF), Happening(CK_MOVE_SELF), Happening(CK_UNMOUNT),
    ]
    static let overflow = Happening(CK_OVERFLOW)
    /// The watch is over.
    static let ignored = Happening(CK_IGNORED)
    static let isDirectory = Happening(CK_IS_DIRECTORY)
  }

  /// What is wanted of a directory.
  enum Interest {
    case everything
    case names
    case itself
  }

  init() throws(DataplaneError) {
    descriptor = ck_inotify()
    if descriptor < 0 {
      throw .system(
        "inotify_init1", errno: -descriptor,
        remedy: "raise fs.inotify.max_user_instances (sysctl)")
    }
  }

  deinit { Files.close(descriptor) }

  /// - Returns: the watch, or errno as a negative number.
  func watch(_ path: String, _ interest: Interest) -> Int32 {
    switch interest {
    case .everything: unsafe ck_watch_directory(descriptor, path)
    case .names: unsafe ck_watch_names(descriptor, path)
    case .itself: unsafe ck_watch_itself(descriptor, path)
    }
  }

  /// Everything that is queued.
  func events() -> [Event] {
    var result: [Event] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let size = buffer.count
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        unsafe Glibc.read(descriptor, bytes.baseAddress, size)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return result }
      unsafe buffer.withUnsafeBytes { bytes in
        var at = 0
        while at + 16 <= count {
          let watch = unsafe bytes.loadUnaligned(fromByteOffset: at, as: Int32.self)
          let mask = unsafe bytes.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)
          let length = Int(unsafe bytes.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self))
          guard at + 16 + length <= count else { break }
          let name = unsafe bytes[(at + 16)..<(at + 16 + length)].prefix { $0 != 0 }
          result.append(
            Event(
              watch: watch, happened: Happening(rawValue: mask),
              name: unsafe String(decoding: name, as: UTF8.self)))
          at += 16 + length
        }
      }
    }
  }
}

/// Waits for descriptors, and is woken by other threads.
public final class Waker: Sendable {
  private let descriptor: Int32

  public init() throws(DataplaneError) {
    descriptor = ck_waker()
    if descriptor < 0 { throw .failed("eventfd", errno: -descriptor) }
  }

  deinit { Files.close(descriptor) }

  public func wake() { ck_wake(descriptor) }

  /// A process that stays does not keep what only its start has needed.
  public static func returnMemory() { ck_return_memory() }

  /// One heap for all threads, for a process that lives long and has little to do: what one thread has
  /// freed, another one uses. To be called before there are threads.
  public static func shareMemory() { ck_share_memory() }

  /// Waits until something happens, or so many nanoseconds have passed; nil: for ever.
  func wait(_ descriptors: [Int32], nanoseconds: UInt64?) -> [Bool] {
    let all = descriptors + [descriptor]
    let time = nanoseconds.map { Int64(clamping: $0) } ?? -1
    let bits = unsafe all.withUnsafeBufferPointer { numbers in
      unsafe ck_wait_any(numbers.baseAddress, Int32(numbers.count), time)
    }
    let result = all.indices.map { bits & (1 << UInt32($0)) != 0 }
    if result.last == true { ck_slept(descriptor) }
    return result
  }
}

/// Messages to a service manager (sd_notify(3)); without NOTIFY_SOCKET there are none.
public struct ServiceManager: Sendable {
  private let socket: String?
  /// How often it wants a sign of life, at least; nil: never.
  public let watchdogNanoseconds: UInt64?

  public init() {
    socket = Self.variable("NOTIFY_SOCKET")
    let pid = Self.variable("WATCHDOG_PID").flatMap { Int32($0) }
    watchdogNanoseconds =
      pid == nil || pid == getpid()
      ? Self.variable("WATCHDOG_USEC").flatMap { UInt64($0) }.map { $0 &* 1000 / 2 } : nil
  }

  /// - Parameter lines: `READY=1`, `STATUS=…`
  public func say(_ lines: String...) {
    guard let socket else { return }
    // A line for each: names of files may have any bytes.
    let text = lines.map { line in
      String(String.UnicodeScalarView(line.unicodeScalars.map { $0.value < 32 ? " " : $0 }))
    }.joined(separator: "\n")
    _ = unsafe ck_notify(socket, text, text.utf8.count)
  }

  private static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}
