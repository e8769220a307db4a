import ServiceDataplane
import ServiceMaps

/// The whole terminal, as long as this lives: what was on it before is there again afterwards.
final class Screen {
  private let waiting: Waiting
  private let style = Style.standardOutput
  private(set) var hasKeys: Bool

  // The alternate screen, no cursor, lines that are too long are cut and not wrapped; and back.
  private static let begin = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J"
  private static let end = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

  init(_ waiting: Waiting) throws {
    self.waiting = waiting
    hasKeys = Terminal.beginKeys()
    try Output.data(Array(Self.begin.utf8))
  }

  deinit {
    // It may be gone.
    try? Output.data(Array(Self.end.utf8))
    if hasKeys { Terminal.endKeys() }
  }

  var size: Terminal.Size { Terminal.size ?? Terminal.Size(rows: 24, columns: 80) }

  /// Over what was there before, line by line, so that nothing flickers.
  ///
  /// - Returns: false when nobody sees it any more.
  func show(_ lines: [TopLine]) throws -> Bool {
    var text = "\u{1b}[H"
    let columns = size.columns
    for (index, line) in lines.enumerated() {
      if index > 0 { text += "\r\n" }
      text += paint(line)
      // Behind a line that fills it the cursor stays on the last column, which would be cleared.
      if line.text.count < columns { text += "\u{1b}[K" }
    }
    // What is below, of a terminal that was higher.
    if lines.count < size.rows { text += "\r\n\u{1b}[J" }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      if waiting.signalCount > 0 { return false }
      guard let count = try waiting.write(rest, milliseconds: 200) else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  private func paint(_ line: TopLine) -> String {
    switch line.mark {
    case .plain: line.text
    case .header: style.title(line.text)
    case .warning: style.warning(line.text)
    case .bad: style.bad(line.text)
    }
  }

  /// What was typed within this time.
  func wait(milliseconds: Int) -> Waiting.KeyEvent {
    guard hasKeys else {
      return waiting.wait(milliseconds: milliseconds) == .end ? .end : .nothing
    }
    let event = waiting.waitForKeys(milliseconds: milliseconds)
    if case .noMoreKeys = event {
      Terminal.endKeys()
      hasKeys = false
    }
    return event
  }
}
