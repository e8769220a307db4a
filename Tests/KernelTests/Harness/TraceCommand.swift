import Glibc
import SocketKit

/// A `socklb trace` that runs beside the test.
final class TraceCommand {
  let process: Process
  private let output: String
  private let errors: String

  /// Starts it and waits until it traces.
  init(
    _ sandbox: Sandbox, _ arguments: [String] = [], name: String = "trace",
    by wrapper: [String] = []
  ) throws {
    output = sandbox.directory + "/\(name).out"
    errors = sandbox.directory + "/\(name).err"
    process = try Process(
      wrapper + [sandbox.socklb, "trace"] + arguments
        + ["--pin", sandbox.pin, "--state", sandbox.state], output: output, errors: errors)
    for _ in 0..<500 {
      if try Disk.read(errors).contains("tracing;") { return }
      if process.ended != nil { break }
      sk_sleep(10)
    }
    throw Failure("socklb trace \(arguments) did not start: \(try Disk.read(errors))")
  }

  var lines: [String] {
    get throws { try Disk.read(output).split(separator: "\n").map(String.init) }
  }

  var messages: String { get throws { try Disk.read(errors) } }

  /// Waits for a line with all of these texts.
  @discardableResult
  func await(
    _ texts: String..., seconds: Int = 5, line: Int = #line, file: String = #fileID
  ) throws -> String {
    for _ in 0..<seconds * 50 {
      if let found = try lines.first(where: { line in texts.allSatisfy(line.contains) }) {
        return found
      }
      sk_sleep(20)
    }
    throw Failure(
      "no line with \(texts) (\(file):\(line)):\n\(try Disk.read(output))\(try messages)")
  }

  /// Ends it as Ctrl-C does; everything it has said is there then.
  func end(line: Int = #line, file: String = #fileID) throws {
    kill(process.pid, SIGINT)
    let code = process.wait(seconds: 10)
    let said = try messages
    try checkEqual(code, 0, "socklb trace: \(said)", line: line, file: file)
  }
}
