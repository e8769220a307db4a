// SAFETY, all of this file: only numbers are given to C; buffers are passed with their own sizes.

import CKernel
import Glibc

/// For a command that runs until it is ended: signals are noticed, output is written without
/// being held up, and it is seen when nobody reads it any more.
public final class Waiting {
  let signals: Int32
  /// How many signals came. The first one asks for an end, the second one for an end at once.
  public private(set) var signalCount = 0

  /// From now on SIGINT, SIGTERM and SIGHUP only end the wait.
  public init() throws(DataplaneError) {
    signals = ck_signals()
    if signals < 0 { throw .failed("waiting for signals", errno: -signals) }
  }

  deinit { Files.close(signals) }

  public enum Event: Sendable {
    case nothing
    /// A signal came, or standard output is closed.
    case end
  }

  public func wait(milliseconds: Int) -> Event {
    let state = ck_wait(signals, 1, 0, Int32(milliseconds))
    if state & 1 != 0 { noteSignal() }
    return state == 0 ? .nothing : .end
  }

  /// The same, whatever becomes of standard output.
  public func waitForSignal(milliseconds: Int) {
    if ck_wait(signals, -1, 0, Int32(milliseconds)) & 1 != 0 { noteSignal() }
  }

  /// The signals that came: SIGINT, SIGTERM or SIGHUP.
  public func takeSignals() -> [Signal] {
    var result: [Signal] = []
    var information = [UInt8](repeating: 0, count: 128)
    let size = information.count
    while unsafe Glibc.read(signals, &information, size) == size {
      // ssi_signo comes first; all three have small numbers.
      let number = Int32(information[0])
      result.append(number == SIGHUP ? .hangUp : number == SIGINT ? .interrupt : .terminate)
      signalCount += 1
    }
    return result
  }

  public enum Signal: String, Sendable {
    case interrupt = "SIGINT"
    case terminate = "SIGTERM"
    case hangUp = "SIGHUP"
  }

  func noteSignal() {
    var information = [UInt8](repeating: 0, count: 128)
    let size = information.count
    if unsafe Glibc.read(signals, &information, size) > 0 { signalCount += 1 }
  }

  /// Writes as much to standard output as it takes within a while.
  ///
  /// - Returns: how many bytes; nil when a second signal came, or nobody reads any more.
  public func write(
    _ bytes: ArraySlice<UInt8>, milliseconds: Int
  ) throws(DataplaneError) -> Int? {
    let state = ck_wait(signals, 1, 1, Int32(milliseconds))
    if state & 1 != 0 { noteSignal() }
    if state & 2 != 0 || signalCount > 1 { return nil }
    if state & 4 == 0 { return 0 }
    // As much as a pipe that can be written to takes at once (PIPE_BUF); a file takes it all.
    let limit = isFile ? bytes.count : min(bytes.count, 4096)
    let count = unsafe bytes.withUnsafeBytes { buffer in
      unsafe Glibc.write(1, buffer.baseAddress, limit)
    }
    if count >= 0 { return count }
    if errno == EINTR || errno == EAGAIN { return 0 }
    if errno == EPIPE { return nil }
    throw .system("writing to standard output", errno: errno)
  }

  private var isFile: Bool {
    var info = stat()
    return unsafe fstat(1, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
  }

  /// CLOCK_REALTIME - CLOCK_MONOTONIC, in nanoseconds.
  public static var clockOffset: Int64 { ck_wall_clock_offset() }

  public static var ownProcessID: Int32 { getpid() }

  /// CLOCK_MONOTONIC.
  public static var now: UInt64 { Clock.monotonicNanoseconds }
}
