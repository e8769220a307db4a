import Glibc
import SocketKit

/// A program that was started; its output goes to files, so it is never held up by a full pipe.
final class Process {
  let pid: Int32
  private var code: Int32?

  /// - Parameter input: a file, /dev/null unless given.
  init(
    _ arguments: [String], input: String = "/dev/null", output: String, errors: String
  ) throws {
    let standardInput = open(input, O_RDONLY | O_CLOEXEC)
    let standardOutput = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    let standardError =
      errors == output
      ? standardOutput : open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    defer { for fd in Set([standardInput, standardOutput, standardError]) { close(fd) } }
    guard standardInput >= 0, standardOutput >= 0, standardError >= 0 else {
      throw CallFailed(call: "opening the streams of \(arguments)", code: errno)
    }
    var copies: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    copies.append(nil)
    defer { for copy in copies { free(copy) } }
    pid = try CallFailed.check(
      sk_spawn(copies, standardInput, standardOutput, standardError), "starting \(arguments)")
  }

  deinit { if code == nil { kill() } }

  /// The exit code, 128 + the signal that ended it, or nil when the time is up or `stop` says
  /// so; it is killed then.
  func wait(seconds: Int, stop: () -> Bool = { false }) -> Int32? {
    if let code { return code }
    for _ in 0..<seconds * 10 {
      let result = sk_wait_child(pid, 100)
      if result != -EAGAIN {
        code = result
        return result
      }
      if stop() { break }
    }
    kill()
    return nil
  }

  /// The exit code, once it has ended; does not wait.
  var ended: Int32? {
    if code == nil, case let result = sk_wait_child(pid, 0), result != -EAGAIN { code = result }
    return code
  }

  /// kill -9
  ///
  /// - Returns: as `wait`: 137, unless it had ended before.
  @discardableResult
  func kill() -> Int32? {
    guard code == nil else { return code }
    Glibc.kill(pid, SIGKILL)
    code = sk_wait_child(pid, 5000)
    return code
  }
}
