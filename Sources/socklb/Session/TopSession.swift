import ServiceDataplane
import ServiceMaps

/// The loop of `socklb top`: samples, and shows what happened between the last two.
struct TopSession {
  let reader: TopReader
  let waiting: Waiting
  let options: TopTable.Options
  let showsBackends: Bool
  /// Nanoseconds.
  let interval: UInt64
  let intervalText: String
  /// How many times; nil: until somebody ends it.
  let count: UInt64?
  let format: TraceRender.Format

  /// How often a terminal is asked for its size: milliseconds.
  private static let resizeCheck = 250

  // MARK: On a terminal

  /// Draws until `q`, a signal, or `count`.
  func draw() throws {
    let screen = try Screen(waiting)
    var frame = TopFrame(options, showsBackends: showsBackends)
    var last = try reader.sample()
    var samples: (before: TopSample, after: TopSample)?
    var size = screen.size
    var due = Waiting.now &+ interval
    var shown: UInt64 = 0

    func show() throws -> Bool {
      try screen.show(
        frame.lines(
          samples, rows: size.rows, columns: size.columns, clock: Self.clock(Waiting.now),
          interval: intervalText))
    }
    guard try show() else { return }
    while true {
      let now = Waiting.now
      let left = now < due ? Int((due - now) / 1_000_000) + 1 : 0
      var isChanged = false
      switch screen.wait(milliseconds: min(left, Self.resizeCheck)) {
      case .end: return
      case .keys(let keys): isChanged = frame.type(keys)
      case .nothing, .noMoreKeys: break
      }
      if frame.isOver { return }
      if screen.size != size {
        size = screen.size
        isChanged = true
      }
      if Waiting.now >= due {
        let next = try reader.sample()
        samples = (last, next)
        last = next
        due = max(due &+ interval, Waiting.now)
        shown += 1
        isChanged = true
      }
      if isChanged, try !show() { return }
      if let count, shown >= count { return }
    }
  }

  // MARK: As lines

  /// Writes the rows of each interval, one line each.
  ///
  /// - Parameter isOnce: nothing else comes, so lines need no time.
  func write(isOnce: Bool) throws {
    var last = try reader.sample()
    var due = Waiting.now &+ interval
    var written: UInt64 = 0
    while count.map({ written < $0 }) ?? true {
      while Waiting.now < due {
        let left = Int((due - Waiting.now) / 1_000_000) + 1
        if waiting.wait(milliseconds: min(left, 1000)) == .end { return }
      }
      let next = try reader.sample()
      let table = TopTable(from: last, to: next, options)
      last = next
      due = max(due &+ interval, Waiting.now)
      if written == 0, table.totals.rows == 0 { sayNothingIsThere() }
      if table.uncounted > 0, let warning = table.warning {
        Output.message("warning: \(warning.text)")
      }
      written += 1
      guard try write(bytes(of: table, isFirst: written == 1, isOnce: isOnce)) else { return }
    }
  }

  private func bytes(of table: TopTable, isFirst: Bool, isOnce: Bool) -> [UInt8] {
    if format == .json { return table.json(clockOffset: Waiting.clockOffset) }
    let style = Style.standardOutput
    let (header, rows) = table.lines(
      TopTable.Layout(
        showsBackends: showsBackends, namesServices: !StandardStreams.isTerminal(.output),
        prefix: isOnce ? "" : Self.clock(table.time) + " "))
    var text = ""
    for line in (isFirst ? [header] : []) + rows {
      switch line.mark {
      case .plain, .header: text += line.text
      case .warning: text += style.warning(line.text)
      case .bad: text += style.bad(line.text)
      }
      text += "\n"
    }
    return Array(text.utf8)
  }

  private func sayNothingIsThere() {
    Output.message(
      options.services.isEmpty
        ? "note: no Service is served now" : "note: there is no such Service now")
  }

  /// - Returns: false when nobody reads it any more.
  private func write(_ bytes: [UInt8]) throws -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let count = try waiting.write(rest, milliseconds: 200) else { return false }
      // Who is asked to end while nobody reads does not wait for that.
      if count == 0, waiting.signalCount > 0 { return false }
      rest = rest.dropFirst(count)
    }
    return waiting.signalCount == 0
  }

  /// The time of day at a moment of CLOCK_MONOTONIC, in UTC.
  private static func clock(_ time: UInt64) -> String {
    let wall = Int64(bitPattern: time) &+ Waiting.clockOffset
    return String("\(UTCTime(seconds: wall / 1_000_000_000))".dropFirst(11).dropLast())
  }
}
