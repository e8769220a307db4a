/// The clocks that session affinity, ages and the history are told by.
public struct ClockFacts: Sendable, Hashable {
  /// Seconds since 1970.
  public var wall: Int64
  /// CLOCK_MONOTONIC of this process, nanoseconds.
  public var monotonic: UInt64
  /// CLOCK_BOOTTIME of this process, nanoseconds: also counts while the machine sleeps.
  public var sinceBoot: UInt64
  /// /proc/self/timens_offsets: seconds that this process's CLOCK_MONOTONIC differs from the
  /// kernel's own.
  public var offset: Int64
  /// The newest entry of the history, and when maps grew last.
  public var lastChange: Int64?
  public var lastGrowth: Int64?
  /// The newest use of session affinity, by the kernel's CLOCK_MONOTONIC.
  public var lastAffinity: UInt64?

  public init(wall: Int64, monotonic: UInt64, sinceBoot: UInt64, offset: Int64 = 0) {
    self.wall = wall
    self.monotonic = monotonic
    self.sinceBoot = sinceBoot
    self.offset = offset
  }

  public var findings: [Finding] {
    var result: [Finding] = []
    if offset != 0 {
      result.append(
        Finding(
          "clock", .warning,
          "this process is in a time namespace, \(offset) s away from the kernel's clock",
          remedy: "ages and times that `dump sockets`, `dump affinity` and `trace` say are wrong "
            + "by that: run socklb in the first time namespace"))
    } else if let lastAffinity, lastAffinity > monotonic &+ 1_000_000_000 {
      result.append(
        Finding(
          "clock", .failure,
          "session affinity was used \((lastAffinity - monotonic) / 1_000_000_000) s in the future",
          remedy: "the machine was restored from a snapshot: `socklb detach` and `socklb attach` "
            + "begin anew"))
    }
    // In a time namespace each has an offset of its own.
    if offset == 0, sinceBoot < monotonic {
      result.append(
        Finding(
          "clock", .failure, "CLOCK_BOOTTIME is behind CLOCK_MONOTONIC",
          remedy: "the kernel's clocks contradict each other; restart the machine"))
    }
    if let newest = [lastChange, lastGrowth].compactMap({ $0 }).max(), wall + 1 < newest {
      result.append(
        Finding(
          "clock", .warning,
          "the wall clock (\(UTCTime(seconds: wall))) is behind the last change "
            + "(\(UTCTime(seconds: newest)))",
          remedy: "set it (NTP); until then ages in `history` are wrong. Traffic, session affinity "
            + "and the order of the history do not depend on it"))
    }
    if result.isEmpty {
      let slept = (sinceBoot - monotonic) / 1_000_000_000
      result.append(
        Finding(
          "clock", .ok,
          "clocks agree with what is recorded"
            + (slept > 0
              ? "; the machine slept for \(slept) s, during which session affinity did not run out"
              : "")))
    }
    return result
  }
}
