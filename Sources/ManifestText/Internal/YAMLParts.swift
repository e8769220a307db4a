/// One document of a YAML file, before it is parsed.
struct YAMLPart {
  /// From the directives or the `---` on, up to what begins the next one.
  var range: Range<Int>
  /// The line of the file that the range begins with.
  var line: Int
  /// 1 for the first document of the file.
  var document: Int
  /// Nothing but blanks and comments.
  var isEmpty: Bool
  /// A byte that cannot be in a text, and its line.
  var bad: (line: Int, message: String)?
}

/// Cuts a YAML file at its `---` and `...` lines.
///
/// This is exact, whatever is in between: YAML allows these lines nowhere inside of a document,
/// not even in a quoted or a block scalar. libyaml stops for good at the first error; cut up,
/// the other documents of the file can still be checked.
struct YAMLParts: Sequence, IteratorProtocol {
  private let bytes: [UInt8]
  private let end: Int
  private var at: Int
  /// The line that comes next, and the documents so far.
  private(set) var line = 1
  private(set) var document = 0

  /// - Parameter end: of the bytes, or where a document begins.
  init(_ bytes: [UInt8], from start: Int, to end: Int) {
    self.bytes = bytes
    self.end = end
    at = start
  }

  mutating func next() -> YAMLPart? {
    if at >= end { return nil }
    var part = YAMLPart(range: at..<at, line: line, document: document + 1, isEmpty: true)
    var hasMarker = false
    while at < end {
      if isMarker(UInt8(ascii: "-")) {
        if hasMarker || !part.isEmpty { break }
        hasMarker = true
        readLine(&part, skipping: 3)
      } else if isMarker(UInt8(ascii: ".")) {
        let isEnd = hasMarker || !part.isEmpty
        readLine(&part, skipping: 3)
        if isEnd { break }
      } else {
        // A directive belongs to the document that follows.
        let isDirective = !hasMarker && part.isEmpty && bytes[at] == UInt8(ascii: "%")
        readLine(&part, skipping: 0, isDirective: isDirective)
      }
    }
    part.range = part.range.lowerBound..<at
    if !hasMarker && part.isEmpty && at >= end && part.bad == nil { return nil }
    document += 1
    return part
  }

  /// Three times `byte` at the beginning of a line, and then nothing or a blank.
  private func isMarker(_ byte: UInt8) -> Bool {
    guard bytes[at] == byte, at + 2 < end, bytes[at + 1] == byte, bytes[at + 2] == byte
    else { return false }
    return at + 3 == end || isBlank(bytes[at + 3])
  }

  /// Reads to the end of the line, and checks its bytes.
  private mutating func readLine(
    _ part: inout YAMLPart, skipping: Int, isDirective: Bool = false
  ) {
    at += skipping
    var isEmpty = part.isEmpty
    if isEmpty {
      while at < end, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
      isEmpty =
        at == end || bytes[at] == 0x0a || bytes[at] == 0x0d
        || bytes[at] == UInt8(ascii: "#") || isDirective
      part.isEmpty = isEmpty
    }
    while at < end {
      let byte = bytes[at]
      if byte >= 0x20 && byte < 0x7f {
        at += 1
      } else if byte == 0x0a || byte == 0x0d {
        at += 1
        if byte == 0x0d, at < end, bytes[at] == 0x0a { at += 1 }
        line += 1
        return
      } else if byte == 0x09 {
        at += 1
      } else {
        readUnusual(&part)
      }
    }
  }

  private mutating func readUnusual(_ part: inout YAMLPart) {
    let byte = bytes[at]
    let length = utf8Length(bytes, at: at)
    if length == nil {
      part.bad = part.bad ?? (line, "not UTF-8 text (\(shown(byte)))")
    } else if byte < 0x80 {
      part.bad =
        part.bad ?? (line, byte == 0 ? "a NUL byte" : "a control character (\(shown(byte)))")
    } else if byte == 0xc2, bytes[at + 1] < 0xa0, bytes[at + 1] != 0x85 {
      part.bad = part.bad ?? (line, "a control character (U+00\(String(bytes[at + 1], radix: 16)))")
    }
    at += length ?? 1
  }
}
