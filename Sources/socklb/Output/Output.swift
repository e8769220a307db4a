import Logging
import ServiceDataplane
import ServiceMaps
import Synchronization

/// Data goes to standard output, everything else to standard error.
enum Output {
  static func data(_ bytes: [UInt8]) throws { try StandardStreams.write(bytes, to: .output) }
  static func line(_ text: String) throws { try data(Array((text + "\n").utf8)) }

  /// Where messages go instead of standard error; nil: there.
  private static let target = Mutex<Logger?>(nil)

  /// From now on messages become lines of a log.
  static func redirect(to log: Logger) { target.withLock { $0 = log } }

  static func message(_ text: String) {
    if let log = target.withLock({ $0 }) {
      for (prefix, level) in [("error: ", Logger.Level.error), ("warning: ", .warning)]
      where text.hasPrefix(prefix) {
        log.log(level: level, "\(text.dropFirst(prefix.count))")
        return
      }
      log.info("\(text)")
      return
    }
    write(text)
  }

  /// One line on standard error.
  static func write(_ text: String) {
    // A closed standard error is no reason to fail.
    try? StandardStreams.write(Array((printable(text) + "\n").utf8), to: .error)
  }

  /// Names come from manifests: what would move the cursor or forge a line is written out. Line
  /// ends of our own are followed by blanks.
  private static func printable(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 < 32 || $0 == 127 }) else { return text }
    var result = ""
    let scalars = Array(text.unicodeScalars)
    for (i, scalar) in scalars.enumerated() {
      let isOwnLineEnd = scalar == "\n" && i + 1 < scalars.count && scalars[i + 1] == " "
      if (scalar.value < 32 || scalar.value == 127) && !isOwnLineEnd {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  static func error(_ text: String) { message("error: \(text)") }

  static func diagnostics(_ diagnostics: [Diagnostic]) {
    for diagnostic in diagnostics { message("\(diagnostic.severity.rawValue): \(diagnostic)") }
  }
}

extension KernelTables.Snapshot {
  func sayIfInconsistent() {
    if isConsistent { return }
    Output.message(
      "warning: a writer was at work all the time, or was killed at work; the next `apply` "
        + "finishes what it began")
  }
}
