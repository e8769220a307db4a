import Glibc

/// Standard input, output and error as bytes.
public enum StandardStreams {
  public enum Stream: Int32, Sendable {
    case output = 1
    case error = 2
  }

  public static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

  /// Standard output is a terminal that knows colours, and nobody has said NO_COLOR
  /// (https://no-color.org).
  public static var wantsColour: Bool {
    isTerminal(.output) && (variable("NO_COLOR") ?? "").isEmpty && variable("TERM") != "dumb"
  }

  private static func variable(_ name: String) -> String? {
    // SAFETY: getenv returns a NUL-terminated string, which nobody changes: no other thread is here.
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }

  public static func write(_ bytes: [UInt8], to stream: Stream) throws(DataplaneError) {
    var done = 0
    while done < bytes.count {
      // SAFETY: stays within the array.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(
          stream.rawValue, buffer.baseAddress?.advanced(by: done), buffer.count - done)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system("writing to standard output", errno: errno)
      }
      done += count
    }
  }

  public static func readInput(limit: Int) throws(DataplaneError) -> [UInt8] {
    var bytes: [UInt8] = []
    return try Files.readAll(0, "standard input", into: &bytes, limit: limit)
  }
}
