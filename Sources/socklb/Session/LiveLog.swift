import ArgumentParser
import Logging
import ServiceDataplane
import ServiceMaps

enum LogFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json
}

/// One line on standard error for each message: text for people and the journal, JSON for machines.
struct LiveLog: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .info
  let format: LogFormat

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  static func logger(_ format: LogFormat, _ level: Logger.Level) -> Logger {
    var logger = Logger(label: "socklb") { _ in LiveLog(format: format) }
    logger.logLevel = level
    return logger
  }

  // swift-format-ignore: AlwaysUseLowerCamelCase
  func log(
    level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata?, source: String,
    file: String, function: String, line: UInt
  ) {
    let all = self.metadata.merging(metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
    switch format {
    case .text:
      let values = all.map { " \($0.key)=\(Self.word("\($0.value)"))" }.joined()
      Output.write("\(level.rawValue): \(message)\(values)")
    case .json:
      let members: [(String, Facts)] =
        [
          ("time", .text(Self.time)), ("level", .text(level.rawValue)),
          ("message", .text("\(message)")),
        ] + all.map { ($0.key, .text("\($0.value)")) }
      let text = Facts.members(members).jsonLine + "\n"
      // A closed standard error is no reason to fail.
      try? StandardStreams.write(Array(text.utf8), to: .error)
    }
  }

  private static func word(_ text: String) -> String {
    text.contains(" ") ? "\"\(text)\"" : text
  }

  /// With milliseconds; text goes to the journal, which has its own time.
  private static var time: String {
    let (seconds, milliseconds) = WallClock.milliseconds
    let digits = "\(1000 + milliseconds)".dropFirst()
    return UTCTime(seconds: seconds).description.dropLast() + ".\(digits)Z"
  }
}
