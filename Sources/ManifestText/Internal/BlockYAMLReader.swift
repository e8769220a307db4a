/// Reads a document of block style YAML: what kubectl prints, and most of what people write.
///
/// libyaml takes three times as long for the events alone. This reader knows what it is sure of and
/// leaves whatever else there is in a document, all mistakes included, to libyaml, so that there is
/// one place that says what is wrong. The trees are the same (`BlockYAMLTests`).
///
/// It knows mappings and sequences in block style, plain scalars and quoted ones on one line,
/// literal block scalars without blank lines, `{}`, `[]`, and comments on lines of their own.
struct BlockYAMLReader {
  private struct Level: BitwiseCopyable {
    var column: Int
    var isSequence: Bool
  }

  private enum Stop { case colon, lineEnd, unusual }

  private let bytes: [UInt8]
  private let end: Int
  private var at: Int
  private var line: Int
  private var levels: [Level] = []
  /// A key was read whose value begins in a line below.
  private var isPending = false

  private static let newline: UInt8 = 0x0a
  private static let space: UInt8 = 0x20
  private static let colon = UInt8(ascii: ":")
  private static let dash = UInt8(ascii: "-")
  /// Of a key libyaml sees no more than 1,024 characters.
  private static let longestKey = 1000

  /// - Returns: false when there is anything in the document that this reader does not know; the
  ///   builder is then as it was.
  static func read(
    _ part: YAMLPart, of bytes: [UInt8], into builder: inout TreeBuilder
  ) -> Bool {
    let mark = builder.mark
    var reader = BlockYAMLReader(part, bytes)
    do throws(TextFailure) {
      if try reader.document(&builder), !builder.hasProblems(since: mark) { return true }
    } catch {
      // libyaml's events lead to the same.
    }
    builder.undo(to: mark)
    return false
  }

  private init(_ part: YAMLPart, _ bytes: [UInt8]) {
    self.bytes = bytes
    at = part.range.lowerBound
    end = part.range.upperBound
    line = part.line
  }

  private mutating func document(_ builder: inout TreeBuilder) throws(TextFailure) -> Bool {
    var hasMarker = false
    while true {
      let start = at
      while at < end, bytes[at] == Self.space { at += 1 }
      if at == end { break }
      if bytes[at] == Self.newline {
        at += 1
        line += 1
      } else if bytes[at] == UInt8(ascii: "#") {
        guard comment() else { return false }
      } else if !hasMarker, levels.isEmpty, at == start, isMarker() {
        hasMarker = true
        at += 3
        guard endLine() else { return false }
      } else {
        guard try item(column: at - start, &builder) else { return false }
      }
    }
    if isPending || levels.isEmpty { return false }
    for _ in levels { try builder.end() }
    return true
  }

  private func isMarker() -> Bool {
    end - at >= 3 && bytes[at] == Self.dash && bytes[at + 1] == Self.dash
      && bytes[at + 2] == Self.dash
  }

  // MARK: Structure

  /// A line that is an entry of a sequence or a member of a mapping.
  private mutating func item(
    column: Int, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    let isEntry = bytes[at] == Self.dash && at + 1 < end && bytes[at + 1] == Self.space
    if isPending {
      // Sequences may stand in the column of their key.
      guard let parent = levels.last, isEntry ? column >= parent.column : column > parent.column
      else { return false }
      isPending = false
      try begin(isEntry ? .sequence : .mapping, column, &builder)
    } else if levels.isEmpty {
      if column > 0 || isEntry { return false }
      try begin(.mapping, column, &builder)
    } else {
      while let level = levels.last,
        level.column > column || level.column == column && level.isSequence && !isEntry
      {
        levels.removeLast()
        try builder.end()
      }
      guard let level = levels.last, level.column == column, level.isSequence == isEntry
      else { return false }
    }
    return isEntry
      ? try entry(column, &builder) : try member(column, isCertain: true, &builder)
  }

  private mutating func begin(
    _ kind: TextKind, _ column: Int, _ builder: inout TreeBuilder
  ) throws(TextFailure) {
    try builder.begin(kind, line: line)
    levels.append(Level(column: column, isSequence: kind == .sequence))
  }

  private mutating func entry(
    _ column: Int, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    let start = at
    at += 1
    while at < end, bytes[at] == Self.space { at += 1 }
    return try member(column + at - start, isCertain: false, &builder)
  }

  /// A key and its value, or, in an entry of a sequence, a value alone.
  ///
  /// - Parameter isCertain: there has to be a key, in a mapping that has begun.
  private mutating func member(
    _ column: Int, isCertain: Bool, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    guard at < end else { return false }
    if !isPlainStart() {
      // Quoted keys are rare.
      return isCertain ? false : try value(column, &builder)
    }
    let (stopped, stop) = plain()
    switch stop {
    case .unusual: return false
    case .lineEnd:
      if isCertain { return false }
      return try plainValue(end: stopped, &builder)
    case .colon:
      guard bytes[stopped] == Self.colon, stopped - at <= Self.longestKey, kind(stopped) == .string
      else { return false }
      if !isCertain { try begin(.mapping, column, &builder) }
      try builder.scalar(
        .string, flags: NodeRecord.inSource, at: at, length: stopped - at, line: line)
      at = stopped + 1
      while at < end, bytes[at] == Self.space { at += 1 }
      if at == end || bytes[at] == Self.newline {
        isPending = true
        return endLine()
      }
      return try value(column, &builder)
    }
  }

  // MARK: Values

  /// The rest of a line, which has one value.
  ///
  /// - Parameter column: of the mapping that this is a value of.
  private mutating func value(
    _ column: Int, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    switch bytes[at] {
    case UInt8(ascii: "\""), UInt8(ascii: "'"):
      return try quoted(bytes[at], &builder)
    case UInt8(ascii: "{"):
      return try empty(.mapping, UInt8(ascii: "}"), &builder)
    case UInt8(ascii: "["):
      return try empty(.sequence, UInt8(ascii: "]"), &builder)
    case UInt8(ascii: "|"):
      guard let level = levels.last, !level.isSequence else { return false }
      return try literal(column, &builder)
    default:
      guard isPlainStart() else { return false }
      let (stopped, stop) = plain()
      return stop == .lineEnd ? try plainValue(end: stopped, &builder) : false
    }
  }

  private mutating func plainValue(
    end stopped: Int, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    let kind = kind(stopped)
    if kind == .float, ScalarSyntax.isInfinite(bytes[at..<stopped]) { return false }
    try builder.scalar(
      kind, flags: NodeRecord.inSource, at: at, length: stopped - at, line: line)
    at = stopped
    return endLine()
  }

  private func kind(_ stopped: Int) -> TextKind {
    if ScalarSyntax.isSurelyString(bytes[at]) { return .string }
    return ScalarSyntax.kind(ofPlain: bytes[at..<stopped])
  }

  private mutating func empty(
    _ kind: TextKind, _ bracket: UInt8, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    guard at + 1 < end, bytes[at + 1] == bracket else { return false }
    try builder.begin(kind, line: line)
    try builder.end()
    at += 2
    return endLine()
  }

  /// In quotes, without an escape, and nothing behind it.
  private mutating func quoted(
    _ quote: UInt8, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    let start = at + 1
    var index = start
    while index < end, bytes[index] != quote {
      if bytes[index] == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") { return false }
      guard let length = characterLength(index) else { return false }
      index += length
    }
    guard index < end else { return false }
    try builder.scalar(
      .string, flags: NodeRecord.inSource, at: start, length: index - start, line: line)
    at = index + 1
    return endLine()
  }

  /// `|` or `|-`, and lines that are indented.
  private mutating func literal(
    _ column: Int, _ builder: inout TreeBuilder
  ) throws(TextFailure) -> Bool {
    let first = line
    at += 1
    let isStripped = at < end && bytes[at] == Self.dash
    if isStripped { at += 1 }
    guard endLine(), at < end else { return false }
    let textStart = builder.text.count
    var indentation = 0
    while at < end {
      let start = at
      while at < end, bytes[at] == Self.space, indentation == 0 || at - start < indentation {
        at += 1
      }
      if indentation == 0 {
        indentation = at - start
        if indentation <= column { return false }
      } else if at - start < indentation {
        if at < end, bytes[at] == Self.newline { return false }
        at = start
        break
      }
      let content = at
      var isBlank = true
      while at < end, bytes[at] != Self.newline {
        guard let length = characterLength(at) else { return false }
        if bytes[at] != Self.space { isBlank = false }
        at += length
      }
      if isBlank || at == end { return false }
      at += 1
      line += 1
      builder.text.append(contentsOf: bytes[content..<at])
    }
    guard indentation > 0 else { return false }
    if isStripped { builder.text.removeLast() }
    try builder.scalar(
      .string, at: textStart, length: builder.text.count - textStart, line: first)
    return true
  }

  // MARK: Characters

  /// Whether a plain scalar begins here, and is no merge key.
  private func isPlainStart() -> Bool {
    let byte = bytes[at]
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      return true
    case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
      UInt8(ascii: "+"), UInt8(ascii: "("), UInt8(ascii: "$"):
      return true
    case UInt8(ascii: "-"):
      return at + 1 < end && ScalarSyntax.isDigit(bytes[at + 1])
    default:
      return false
    }
  }

  /// Where a plain scalar that begins here ends, blanks behind it left out: at the colon of a key,
  /// or with the line.
  private func plain() -> (end: Int, stop: Stop) {
    var index = at
    var last = at
    while index < end {
      let byte = bytes[index]
      if byte > 0x3a && byte < 0x7f || byte > 0x23 && byte < 0x3a {
        // Most of them.
        index += 1
        last = index
      } else if byte == Self.colon {
        if index + 1 == end || bytes[index + 1] == Self.space || bytes[index + 1] == Self.newline {
          return (last, .colon)
        }
        index += 1
        last = index
      } else if byte == Self.newline {
        break
      } else if byte == Self.space {
        index += 1
      } else {
        if byte == UInt8(ascii: "#"), bytes[index - 1] == Self.space { return (last, .unusual) }
        guard let length = characterLength(index) else { return (last, .unusual) }
        index += length
        last = index
      }
    }
    return (last, .lineEnd)
  }

  /// The bytes of a printable character that is neither a tab nor a line break; nil for others,
  /// and for such as nobody uses.
  private func characterLength(_ index: Int) -> Int? {
    let byte = bytes[index]
    if byte >= 0x20 && byte < 0x7f { return 1 }
    guard byte >= 0xc3, let length = utf8Length(bytes, at: index), index + length <= end
    else { return nil }
    switch byte {
    // U+2028 and U+2029 are line breaks, U+FEFF is no character.
    case 0xe2: return bytes[index + 1] == 0x80 && bytes[index + 2] >= 0xa8 ? nil : length
    case 0xee...0xef: return nil
    default: return length
    }
  }

  /// A comment to the end of its line.
  private mutating func comment() -> Bool {
    while at < end, bytes[at] != Self.newline {
      guard let length = characterLength(at) else { return false }
      at += length
    }
    return endLine()
  }

  /// Blanks, and the end of the line or of the document.
  private mutating func endLine() -> Bool {
    while at < end, bytes[at] == Self.space { at += 1 }
    if at == end { return true }
    guard bytes[at] == Self.newline else { return false }
    at += 1
    line += 1
    return true
  }
}

extension TreeBuilder {
  /// What there is before a document is read.
  struct Mark {
    fileprivate var records: Int
    fileprivate var text: Int
    fileprivate var problems: ProblemList
  }

  var mark: Mark { Mark(records: records.count, text: text.count, problems: problems) }

  func hasProblems(since mark: Mark) -> Bool { problems.count != mark.problems.count }

  /// Forgets what was read of the document.
  mutating func undo(to mark: Mark) {
    records.removeSubrange(mark.records...)
    text.removeSubrange(mark.text...)
    problems = mark.problems
    frames.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    keysByHash.removeAll()
  }
}
