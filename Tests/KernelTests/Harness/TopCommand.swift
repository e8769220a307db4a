import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What `top` counts from now on.
final class Counting {
  private let reader: TopReader
  private var first: TopSample

  init(_ sandbox: Sandbox) throws {
    reader = try TopReader(pin: sandbox.pin)
    first = try reader.sample()
  }

  /// Counts from here.
  func restart() throws { first = try reader.sample() }

  /// What happened since the beginning.
  func row(
    _ service: String = "test/web", line: Int = #line, file: String = #fileID
  ) throws -> TopTable.Row {
    let table = TopTable(from: first, to: try reader.sample())
    guard let row = table.rows.first(where: { $0.service.service.description == service }) else {
      throw Failure("no row of \(service) (\(file):\(line))")
    }
    return row
  }
}

/// A `socklb top` that runs beside the test; it counts when this was made.
final class TopCommand {
  let process: Process
  private let output: String
  private let errors: String

  init(
    _ sandbox: Sandbox, _ arguments: [String] = ["-o", "json", "--interval", "100ms"],
    name: String = "top"
  ) throws {
    output = sandbox.directory + "/\(name).out"
    errors = sandbox.directory + "/\(name).err"
    process = try Process(
      [sandbox.socklb, "top"] + arguments + ["--pin", sandbox.pin, "--state", sandbox.state],
      output: output, errors: errors)
    for _ in 0..<3000 {
      if try Disk.read(output).contains("\n") { return }
      if process.ended != nil { break }
      sk_sleep(10)
    }
    throw Failure("socklb top \(arguments) did not start: \(try Disk.read(errors))")
  }

  var lines: [String] {
    get throws { try Disk.read(output).split(separator: "\n").map(String.init) }
  }

  func await(_ text: String, line: Int = #line, file: String = #fileID) throws {
    for _ in 0..<500 {
      if try lines.contains(where: { $0.contains(text) }) { return }
      sk_sleep(20)
    }
    throw Failure("no line with \(text) (\(file):\(line)):\n\(try Disk.read(output))")
  }

  /// Waits until a number of a service port, over all intervals, has come to this, and makes sure
  /// that it does not go on.
  func awaitSum(
    _ service: String, _ key: String, _ expected: Int, line: Int = #line, file: String = #fileID
  ) throws {
    for _ in 0..<500 where try sum(service, key) < expected { sk_sleep(20) }
    sk_sleep(250)
    try checkEqual(try sum(service, key), expected, "\(key) of \(service)", line: line, file: file)
  }

  private func sum(_ service: String, _ key: String) throws -> Int {
    try lines.reduce(0) { sum, line in
      // Members of the service port come before those of its backends.
      guard let row = line.split(separator: "{\(service),", maxSplits: 1).dropFirst().first,
        let value = row.split(separator: "\"\(key)\":", maxSplits: 1).dropFirst().first,
        let number = Int(value.prefix { $0.isNumber })
      else { return sum }
      return sum + number
    }
  }

  /// Ends it as Ctrl-C does.
  func end(line: Int = #line, file: String = #fileID) throws {
    kill(process.pid, SIGINT)
    let code = process.wait(seconds: 10)
    let said = try Disk.read(errors)
    try checkEqual(code, 0, "socklb top: \(said)", line: line, file: file)
  }
}

/// The tracepoint programs of all `top` that run: loaded after those of the data plane.
func programsOfTop(_ sandbox: Sandbox) throws -> [UInt32] {
  guard let last = try Dataplane(pin: sandbox.pin).attachments().map(\.programID).max() else {
    throw Failure("nothing is attached")
  }
  return (last..<last + 2000).filter { id in
    (try? BPFProgram(id: id)?.info().name) == "on_connection"
  }
}

/// The other side of a terminal: what a person sees and types.
final class TestTerminal {
  private let descriptor: Int32
  let path: String
  private var seen = ""

  init(rows: Int, columns: Int) throws {
    var name = [CChar](repeating: 0, count: 64)
    descriptor = try CallFailed.check(sk_terminal(&name, Int32(name.count)), "a terminal")
    path = String(cString: name)
    resize(rows: rows, columns: columns)
  }

  deinit { close(descriptor) }

  func resize(rows: Int, columns: Int) {
    _ = sk_resize_terminal(descriptor, Int32(rows), Int32(columns))
    seen = ""
  }

  /// Keys are neither shown nor gathered to lines.
  var isRaw: Bool { sk_terminal_is_raw(descriptor) == 1 }

  /// A line that is cut off is followed by "clear to the end of line".
  var clearsLastColumn: Bool {
    seen.contains("…\u{1b}[K") || seen.contains("…\u{1b}[0m\u{1b}[K")
  }

  func type(_ keys: String) { _ = write(descriptor, keys, keys.utf8.count) }

  /// Columns of the widest line, without what only moves the cursor or paints.
  var widest: Int {
    var widest = 0, width = 0, isControl = false
    for scalar in seen.unicodeScalars {
      if isControl {
        if scalar.properties.isAlphabetic {
          isControl = false
          // Home: another frame begins.
          if scalar == "H" { width = 0 }
        }
        continue
      }
      switch scalar {
      case "\u{1b}": isControl = true
      case "\r", "\n": width = 0
      default: width += 1
      }
      widest = max(widest, width)
    }
    return widest
  }

  /// Reads until this was written.
  func await(_ text: String, line: Int = #line, file: String = #fileID) throws {
    for _ in 0..<1000 {
      if seen.contains(text) { return }
      if sk_wait(descriptor, 0, 10) == 1 {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 { seen += String(decoding: buffer.prefix(count), as: UTF8.self) }
      }
    }
    throw Failure(
      "'\(text)' was not written (\(file):\(line)): \(seen.suffix(2000).debugDescription)")
  }
}

/// What becomes of a connection that has begun: 0, or -errno.
func sk_wait_error(_ socket: Socket) -> Int32 {
  _ = sk_wait(socket.descriptor, 1, 5000)
  return sk_error(socket.descriptor)
}
