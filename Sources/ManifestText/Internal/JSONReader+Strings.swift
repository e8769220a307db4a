extension JSONReader {
  /// Reads a string, a key or a value; it stays where it is, unless there is an escape in it.
  mutating func string() throws(TextFailure) {
    let start = at + 1
    var end = start
    while end < bytes.count {
      let byte = bytes[end]
      if byte == UInt8(ascii: "\"") {
        at = end + 1
        return try builder.scalar(
          .string, flags: NodeRecord.inSource, at: start, length: end - start, line: line)
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start, to: end) }
      // Most of them, without a call.
      end += byte >= 0x20 && byte < 0x80 ? 1 : try characterLength(at: end)
    }
    throw truncated(in: "a string")
  }

  /// A string whose first escape is at `end`.
  private mutating func escapedString(from start: Int, to end: Int) throws(TextFailure) {
    let textStart = builder.text.count
    builder.text.append(contentsOf: bytes[start..<end])
    at = end
    while at < bytes.count {
      let byte = bytes[at]
      if byte == UInt8(ascii: "\"") {
        at += 1
        return try builder.scalar(
          .string, at: textStart, length: builder.text.count - textStart, line: line)
      }
      if byte == UInt8(ascii: "\\") {
        try escape()
      } else {
        let length = try characterLength(at: at)
        builder.text.append(contentsOf: bytes[at..<at + length])
        at += length
      }
    }
    throw truncated(in: "a string")
  }

  private mutating func escape() throws(TextFailure) {
    guard at + 1 < bytes.count else { throw truncated(in: "a string") }
    at += 2
    switch bytes[at - 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      builder.text.append(bytes[at - 1])
    case UInt8(ascii: "b"): builder.text.append(0x08)
    case UInt8(ascii: "f"): builder.text.append(0x0c)
    case UInt8(ascii: "n"): builder.text.append(0x0a)
    case UInt8(ascii: "r"): builder.text.append(0x0d)
    case UInt8(ascii: "t"): builder.text.append(0x09)
    case UInt8(ascii: "u"): try unicodeEscape()
    default: throw builder.failure(line: line, "an escape that JSON does not know in a string")
    }
  }

  private mutating func unicodeEscape() throws(TextFailure) {
    var code = try fourDigits()
    if code >> 10 == 0x36, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
      bytes[at + 1] == UInt8(ascii: "u")
    {
      at += 2
      let low = try fourDigits()
      guard low >> 10 == 0x37 else {
        throw builder.failure(line: line, "half of a surrogate pair in a string")
      }
      code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
    }
    guard let scalar = UnicodeScalar(code) else {
      throw builder.failure(line: line, "half of a surrogate pair in a string")
    }
    builder.text.append(contentsOf: Array(String(Character(scalar)).utf8))
  }

  private mutating func fourDigits() throws(TextFailure) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard at < bytes.count else { throw truncated(in: "a string") }
      guard let digit = ScalarSyntax.digitValue(bytes[at]) else {
        throw builder.failure(line: line, "\\u takes four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }

  /// The bytes of the character at `index`, if it may stand in a string.
  private func characterLength(at index: Int) throws(TextFailure) -> Int {
    let byte = bytes[index]
    if byte < 0x20 {
      let name = byte == 0x0a || byte == 0x0d ? "a line break" : "a control character"
      throw builder.failure(line: line, "\(name) inside of a string")
    }
    if byte < 0x80 { return 1 }
    guard let length = utf8Length(bytes, at: index) else {
      throw builder.failure(line: line, "not UTF-8 text")
    }
    return length
  }
}
