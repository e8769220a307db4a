// SAFETY, all of this file: pointers given to C live until the call returns; arrays of arguments end with NULL; buffers are passed with their own sizes.

import CProcess
import Glibc

/// A program that is run for what it prints.
enum ChildProcess {
  struct Order: Sendable {
    /// A path, or a name to look for in PATH.
    var command: String
    var arguments: [String]
    /// `NAME=value`
    var environment: [String]
    var milliseconds: Int
    /// The most that is taken of its output; its messages have a quarter of it.
    var bytes: Int
    /// Asked every 50 ms: whether nobody waits for it any more.
    var isUnwanted: @Sendable () -> Bool = { false }
  }

  enum Ending: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)
    case timedOut
    case tooMuchOutput
  }

  struct Outcome: Sendable {
    var ending: Ending
    var output: [UInt8]
    /// The beginning of what it wrote to standard error.
    var messages: [UInt8]
  }

  /// Runs it to its end, on this thread.
  ///
  /// It gets /dev/null as its input and no descriptor of this process beside its output, has no signal
  /// blocked or ignored, and is killed, with what it has started in its process group, when it takes too long,
  /// writes too much, or is unwanted.
  static func run(_ order: Order) -> Result<Outcome, FileFailure> {
    var child = cp_child()
    let code = unsafe withPointers([order.command] + order.arguments) { arguments in
      unsafe withPointers(order.environment) { environment in
        unsafe cp_start(order.command, arguments, environment, &child)
      }
    }
    guard code == 0 else { return .failure(FileFailure(path: order.command, errno: code)) }
    defer {
      _ = close(child.output)
      _ = close(child.messages)
    }
    var reader = Reader(order, child)
    return .success(reader.run())
  }

  private static func withPointers<T>(
    _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> T
  ) -> T {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe texts.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(&pointers)
  }
}

/// Takes what a child writes until it has ended.
private struct Reader {
  private let order: ChildProcess.Order
  private let child: pid_t
  private let deadline: ContinuousClock.Instant
  private var descriptors: [Int32]
  private var bytes: [[UInt8]] = [[], []]
  private var status: Int32?

  init(_ order: ChildProcess.Order, _ child: cp_child) {
    self.order = order
    self.child = child.pid
    deadline = .now + .milliseconds(order.milliseconds)
    descriptors = [child.output, child.messages]
  }

  mutating func run() -> ChildProcess.Outcome {
    var ending: ChildProcess.Ending?
    while ending == nil {
      readAll()
      if bytes[0].count > order.bytes {
        ending = .tooMuchOutput
      } else if hasEnded() {
        // What it wrote before its end is all there; who inherited its output is not waited for.
        readAll()
        ending = .exited(0)
      } else if .now >= deadline || order.isUnwanted() {
        ending = .timedOut
      } else {
        wait()
      }
    }
    if status == nil {
      _ = kill(-child, SIGKILL)
      var value: Int32 = 0
      while unsafe waitpid(child, &value, 0) < 0, errno == EINTR {}
    }
    if ending == .exited(0), let status {
      ending = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
    }
    return ChildProcess.Outcome(ending: ending ?? .timedOut, output: bytes[0], messages: bytes[1])
  }

  private mutating func hasEnded() -> Bool {
    var value: Int32 = 0
    let pid = unsafe waitpid(child, &value, WNOHANG)
    if pid == child { status = value }
    // Children of a process that ignores SIGCHLD are gone without a status: the output decides.
    if pid < 0, errno == ECHILD { status = 0 }
    return status != nil
  }

  private mutating func readAll() {
    var part = [UInt8](repeating: 0, count: 16384)
    for index in 0..<2 {
      let limit = index == 0 ? order.bytes : order.bytes / 4
      // Not for as long as it writes: its time may be over.
      for _ in 0..<16 where descriptors[index] >= 0 {
        let count = unsafe read(descriptors[index], &part, part.count)
        if count < 0 && errno == EINTR { continue }
        if count < 0 && errno == EAGAIN { break }
        if count <= 0 {
          descriptors[index] = -1
          break
        }
        let room = max(0, limit + 1 - bytes[index].count)
        bytes[index] += part[..<min(count, room)]
        if index == 0 && bytes[0].count > limit { return }
      }
    }
  }

  /// Waits for output, or a moment: the child's end is asked for.
  private func wait() {
    var polled = descriptors.filter { $0 >= 0 }.map {
      pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
    }
    let milliseconds: Int32 = polled.isEmpty ? 5 : 50
    _ = unsafe poll(&polled, nfds_t(polled.count), milliseconds)
  }
}
