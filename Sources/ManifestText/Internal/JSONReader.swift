/// Reads JSON values (RFC 8259), one after the other, strictly.
struct JSONReader {
  struct Result {
    var parsed: ParsedText
    /// Why reading stopped before the end, if it did.
    var end = End.ofFile
  }

  enum End {
    case ofFile
    /// In the middle of what is meant to be JSON.
    case broken
    /// At something that JSON does not know, but YAML does: `{a: 1}`, or `---`.
    case otherThanJSON
  }

  let bytes: [UInt8]
  var builder: TreeBuilder
  var at: Int
  var line = 1

  static func read(_ bytes: [UInt8], from start: Int, limits: TextLimits) -> Result {
    var reader = JSONReader(bytes: bytes, start: start, limits: limits)
    let end = reader.readAll()
    return Result(parsed: reader.builder.finish(), end: end)
  }

  private init(bytes: [UInt8], start: Int, limits: TextLimits) {
    self.bytes = bytes
    builder = TreeBuilder(source: bytes, limits: limits)
    builder.reserve(forBytes: bytes.count)
    at = start
  }

  private mutating func readAll() -> End {
    var document = 0
    skipBlanks()
    while at < bytes.count {
      document += 1
      guard builder.beginDocument(document) else { break }
      let start = at
      do throws(TextFailure) {
        try value()
        builder.endDocument()
      } catch {
        builder.abandonDocument(error)
        return isOtherThanJSON(at: start) ? .otherThanJSON : .broken
      }
      skipBlanks()
    }
    return .ofFile
  }

  private func isOtherThanJSON(at start: Int) -> Bool {
    switch bytes[start] {
    case UInt8(ascii: "-"), UInt8(ascii: "#"): return true
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      let inside = bytes[(start + 1)...].drop(while: isBlank)
      return inside.first.map { !"\"{}[]-0123456789".utf8.contains($0) } ?? false
    default: return false
    }
  }

  // MARK: Values

  private mutating func value() throws(TextFailure) {
    guard at < bytes.count else { throw truncated() }
    let start = at
    switch bytes[at] {
    case UInt8(ascii: "{"): try object()
    case UInt8(ascii: "["): try array()
    case UInt8(ascii: "\""): try string()
    case UInt8(ascii: "t"): try word(JSONReader.trueText, .boolean)
    case UInt8(ascii: "f"): try word(JSONReader.falseText, .boolean)
    case UInt8(ascii: "n"): try word(JSONReader.nullText, .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      let kind = try number()
      try builder.scalar(
        kind, flags: NodeRecord.inSource, at: start, length: at - start, line: line)
    default: throw unexpected("a value")
    }
  }

  private mutating func object() throws(TextFailure) {
    try builder.begin(.mapping, line: line)
    at += 1
    skipBlanks()
    if try take(UInt8(ascii: "}")) { return try builder.end() }
    while true {
      guard at < bytes.count else { throw truncated() }
      guard bytes[at] == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
      try string()
      skipBlanks()
      guard try take(UInt8(ascii: ":")) else { throw unexpected("':' after the key") }
      skipBlanks()
      try value()
      skipBlanks()
      if try take(UInt8(ascii: "}")) { return try builder.end() }
      guard try take(UInt8(ascii: ",")) else { throw unexpected("',' or '}'") }
      skipBlanks()
    }
  }

  private mutating func array() throws(TextFailure) {
    try builder.begin(.sequence, line: line)
    at += 1
    skipBlanks()
    if try take(UInt8(ascii: "]")) { return try builder.end() }
    while true {
      try value()
      skipBlanks()
      if try take(UInt8(ascii: "]")) { return try builder.end() }
      guard try take(UInt8(ascii: ",")) else { throw unexpected("',' or ']'") }
      skipBlanks()
    }
  }

  // Made once: there are three for each endpoint.
  private static let trueText = Array("true".utf8)
  private static let falseText = Array("false".utf8)
  private static let nullText = Array("null".utf8)

  private mutating func word(_ text: [UInt8], _ kind: TextKind) throws(TextFailure) {
    guard bytes[at...].starts(with: text) else { throw unexpected("a value") }
    try builder.scalar(
      kind, flags: NodeRecord.inSource, at: at, length: text.count, line: line)
    at += text.count
  }

  /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`
  private mutating func number() throws(TextFailure) -> TextKind {
    func isDigit(_ at: Int) -> Bool { at < bytes.count && ScalarSyntax.isDigit(bytes[at]) }
    var kind = TextKind.integer
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    guard isDigit(at) else { throw unexpected("a digit") }
    if bytes[at] == UInt8(ascii: "0"), isDigit(at + 1) {
      throw builder.failure(line: line, "a number must not begin with 0")
    }
    while isDigit(at) { at += 1 }
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      kind = .float
      at += 1
      guard isDigit(at) else { throw unexpected("a digit") }
      while isDigit(at) { at += 1 }
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      kind = .float
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") {
        at += 1
      }
      guard isDigit(at) else { throw unexpected("a digit") }
      while isDigit(at) { at += 1 }
    }
    return kind
  }

  // MARK: Between the values

  private mutating func skipBlanks() {
    while at < bytes.count, isBlank(bytes[at]) {
      let byte = bytes[at]
      at += 1
      if byte == 0x0a || (byte == 0x0d && (at == bytes.count || bytes[at] != 0x0a)) { line += 1 }
    }
  }

  private mutating func take(_ byte: UInt8) throws(TextFailure) -> Bool {
    guard at < bytes.count else { throw truncated() }
    if bytes[at] != byte { return false }
    at += 1
    return true
  }

  func truncated(in place: String = "a JSON value") -> TextFailure {
    builder.failure(line: line, "the file ends inside of \(place)")
  }

  private func unexpected(_ wanted: String) -> TextFailure {
    guard at < bytes.count else { return truncated() }
    return builder.failure(line: line, "expected \(wanted), found \(shown(bytes[at]))")
  }
}

/// A byte as a message shows it.
func shown(_ byte: UInt8) -> String {
  if byte > 0x20 && byte < 0x7f { return "'\(Character(UnicodeScalar(byte)))'" }
  switch byte {
  case 0x0a, 0x0d: return "the end of the line"
  case 0x09: return "a tab"
  default:
    let hex = String(byte, radix: 16)
    return "the byte 0x" + (hex.count == 1 ? "0" : "") + hex
  }
}

/// The length of the well-formed UTF-8 sequence at `index` (RFC 3629); nil if it is none.
func utf8Length(_ bytes: [UInt8], at index: Int) -> Int? {
  let first = bytes[index]
  let (length, low, high): (Int, UInt8, UInt8) =
    switch first {
    case 0x00...0x7f: (1, 0, 0)
    case 0xc2...0xdf: (2, 0x80, 0xbf)
    case 0xe0: (3, 0xa0, 0xbf)
    case 0xe1...0xec, 0xee...0xef: (3, 0x80, 0xbf)
    case 0xed: (3, 0x80, 0x9f)
    case 0xf0: (4, 0x90, 0xbf)
    case 0xf1...0xf3: (4, 0x80, 0xbf)
    case 0xf4: (4, 0x80, 0x8f)
    default: (0, 0, 0)
    }
  guard length > 0, index + length <= bytes.count else { return nil }
  if length > 1, bytes[index + 1] < low || bytes[index + 1] > high { return nil }
  for at in index + 2..<max(index + 2, index + length) where bytes[at] >> 6 != 2 { return nil }
  return length
}
