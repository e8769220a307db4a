/// What `top` shows on a terminal, and how keys change it.
public struct TopFrame: Sendable {
  public var options: TopTable.Options
  public var showsBackends: Bool
  /// How many lines of the table are scrolled away.
  public private(set) var offset = 0
  public private(set) var isOver = false
  /// The first bytes of a key that has several.
  private var pending: [UInt8] = []
  /// Lines of the table that are seen at once.
  private var page = 10

  private static let keys: [(key: Character, order: TopTable.Order)] = [
    ("r", .rate), ("x", .refused), ("f", .failures), ("l", .live), ("p", .p99), ("n", .name),
  ]

  public init(_ options: TopTable.Options, showsBackends: Bool) {
    self.options = options
    self.showsBackends = showsBackends
  }

  // MARK: Keys

  /// What was typed.
  ///
  /// - Returns: whether there is something else to show.
  public mutating func type(_ bytes: [UInt8]) -> Bool {
    var changes = false
    for byte in bytes {
      pending.append(byte)
      if Self.isBeginning(pending) { continue }
      if press(pending) { changes = true }
      pending = []
    }
    // A lone Esc is nothing.
    if pending == [27] { pending = [] }
    return changes
  }

  /// `Esc [ A`, `Esc [ 5 ~`, `Esc O A`.
  private static func isBeginning(_ bytes: [UInt8]) -> Bool {
    guard bytes[0] == 27 else { return false }
    if bytes.count == 1 { return true }
    guard bytes[1] == UInt8(ascii: "[") || bytes[1] == UInt8(ascii: "O") else { return false }
    return bytes.count == 2 || (bytes.count < 8 && (0x30...0x3f).contains(bytes[bytes.count - 1]))
  }

  private mutating func press(_ bytes: [UInt8]) -> Bool {
    let key = String(decoding: bytes, as: UTF8.self)
    switch key {
    case "q", "Q", "\u{4}": isOver = true
    case "b": showsBackends.toggle()
    case "k", "\u{1b}[A", "\u{1b}OA": offset = max(0, offset - 1)
    case "j", "\u{1b}[B", "\u{1b}OB": offset += 1
    case "\u{1b}[5~": offset = max(0, offset - page)
    case " ", "\u{1b}[6~": offset += page
    case "g", "\u{1b}[H", "\u{1b}[1~": offset = 0
    default:
      guard let order = Self.keys.first(where: { String($0.key) == key })?.order else {
        return false
      }
      options.order = order
      offset = 0
    }
    return true
  }

  // MARK: Showing

  /// Rows that are seen are among so many of the first.
  private func visible(_ rows: Int) -> Int { min(options.limit ?? .max, offset + rows) }

  /// Exactly as many lines as the terminal has rows, or fewer.
  ///
  /// - Parameters:
  ///   - samples: two, one after the other; nil: there are no two yet.
  ///   - clock: the time of day.
  ///   - interval: how far they are apart, in words.
  public mutating func lines(
    _ samples: (before: TopSample, after: TopSample)?, rows: Int, columns: Int, clock: String,
    interval: String
  ) -> [TopLine] {
    let title = "socklb top \(clock), \(interval): "
    guard let samples else {
      return [TopLine(TopTable.cut(title + "counting …", columns))]
    }
    // Title, warning, header, keys.
    page = max(1, rows - 4)
    var shown = options
    shown.limit = visible(page)
    let table = TopTable(from: samples.before, to: samples.after, shown)
    let (header, body) = table.lines(
      TopTable.Layout(width: columns, showsBackends: showsBackends))
    offset = min(offset, max(0, body.count - 1))
    var lines = [TopLine(TopTable.cut(title + table.summary, columns))]
    var warning = table.warning ?? TopLine("")
    warning.text = TopTable.cut(warning.text, columns)
    lines.append(warning)
    lines.append(TopLine(TopTable.fit(header.text, columns), .header))
    lines += body.dropFirst(offset).prefix(page)
    while lines.count < rows - 1 { lines.append(TopLine("")) }
    lines.append(TopLine(TopTable.cut(help, columns)))
    return Array(lines.prefix(max(1, rows)))
  }

  /// The order that is in force stands in brackets.
  private var help: String {
    let orders = Self.keys.map { key, order in
      order == options.order ? "[\(key) \(order.rawValue)]" : "\(key) \(order.rawValue)"
    }
    return "q quit  b backends  sort: " + orders.joined(separator: " ")
  }
}
