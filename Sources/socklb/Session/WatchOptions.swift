import ArgumentParser
import ServiceDataplane

/// `--watch`: the same again and again.
struct WatchOptions: ParsableArguments {
  @Flag(
    name: .long,
    help: "Print it again every two seconds, until Ctrl-C. On a terminal it stays in place.")
  var watch = false

  // Not `--watch=2s`: swift-argument-parser 1.8 drops the value of an option that may go without one
  // when another option follows.
  @Option(
    name: .long,
    help: ArgumentHelp("With --watch, and meaning it: every 500ms, 10s, 1m.", valueName: "duration")
  )
  var every: String?

  func validate() throws {
    if let every, TraceSession.nanoseconds(every) == nil {
      throw ValidationError("--every: '\(every)' is no duration like 500ms, 10s, 5m or 1h")
    }
  }

  private var interval: UInt64? {
    every.flatMap(TraceSession.nanoseconds) ?? (watch ? 2_000_000_000 : nil)
  }

  /// Prints what `make` returns, once or again and again.
  ///
  /// - Returns: the last result; nil when somebody has ended it.
  func print<Result>(_ make: () throws -> (text: [UInt8], result: Result)) throws -> Result? {
    guard let interval else {
      let (text, result) = try make()
      try Output.data(text)
      return result
    }
    let waiting = try Waiting()
    let isTerminal = StandardStreams.isTerminal(.output)
    var isFirst = true
    while true {
      let start = Waiting.now
      let text = try make().text
      try Output.data(isTerminal ? Self.inPlace(text, isFirst: isFirst) : text)
      isFirst = false
      // Once at least: signals are only looked at there.
      var past: UInt64
      repeat {
        past = Waiting.now &- start
        let left = past < interval ? (interval - past) / 1_000_000 + 1 : 0
        if waiting.wait(milliseconds: Int(min(left, 1000))) == .end { return nil }
        if waiting.signalCount > 0 { return nil }
        past = Waiting.now &- start
      } while past < interval
    }
  }

  /// Over what was there before, line by line: nothing flickers. Lines below the terminal's end are
  /// scrolled away, as with everything that is too long for it.
  private static func inPlace(_ text: [UInt8], isFirst: Bool) -> [UInt8] {
    var result = Array((isFirst ? "\u{1b}[2J\u{1b}[H" : "\u{1b}[H").utf8)
    for byte in text {
      // What is left of the old line goes.
      if byte == UInt8(ascii: "\n") { result += "\u{1b}[K".utf8 }
      result.append(byte)
    }
    return result + "\u{1b}[J".utf8
  }
}
