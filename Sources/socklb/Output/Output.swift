import ServiceDataplane
import ServiceMaps

/// Data goes to standard output, everything else to standard error.
enum Output {
  static func data(_ bytes: [UInt8]) throws { try StandardStreams.write(bytes, to: .output) }
  static func line(_ text: String) throws { try data(Array((text + "\n").utf8)) }

  static func message(_ text: String) {
    // A closed standard error is no reason to fail.
    try? StandardStreams.write(Array((text + "\n").utf8), to: .error)
  }

  static func error(_ text: String) { message("error: \(text)") }

  static func diagnostics(_ diagnostics: [Diagnostic]) {
    for diagnostic in diagnostics { message("\(diagnostic.severity.rawValue): \(diagnostic)") }
  }
}
