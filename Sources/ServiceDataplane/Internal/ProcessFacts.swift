// SAFETY, all of this file: only numbers and a struct of this function's own are given to C.

import Glibc

/// What the kernel says of this process, for metrics.
public struct ProcessFacts: Sendable {
  public var cpuSeconds = 0.0
  public var residentBytes: UInt64 = 0
  public var virtualBytes: UInt64 = 0
  public var threads: UInt64 = 0
  public var openFDs: UInt64 = 0
  public var maxFDs: UInt64 = 0
  /// When it began, since 1970.
  public var startSeconds = 0.0

  /// As many files may be open as whoever started this process allows: listeners and the connections
  /// of their clients are many.
  public static func raiseFileLimit() {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(resource, &limit)
  }

  /// - Returns: nil without /proc.
  public static func read() -> ProcessFacts? {
    // proc_pid_stat(5); the name in parentheses may have anything in it.
    guard let bytes = (try? Files.read("/proc/self/stat")) ?? nil,
      let end = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = String(decoding: bytes[(end + 1)...], as: UTF8.self).split(separator: " ")
    guard fields.count > 21 else { return nil }
    // The third field of the manual page is the first one here.
    func field(_ number: Int) -> UInt64 { UInt64(fields[number - 3]) ?? 0 }
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    var result = ProcessFacts()
    result.cpuSeconds = Double(field(14) + field(15)) / ticks
    result.threads = field(20)
    result.virtualBytes = field(23)
    result.residentBytes = field(24) * UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
    let boot = Double(Files.realTime) / 1e9 - Double(Clock.nanosecondsSinceBoot) / 1e9
    result.startSeconds = boot + Double(field(22)) / ticks
    // One of them is the directory's own.
    result.openFDs = UInt64(max(0, ((try? Files.list("/proc/self/fd")) ?? []).count - 1))
    var limit = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      result.maxFDs = UInt64(limit.rlim_cur)
    }
    return result
  }
}
