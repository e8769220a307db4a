/// Writes HTML. Markup can only be a literal of this program; whatever comes from elsewhere goes through
/// `text`, which escapes it. So no name, annotation or command can become markup.
struct HTMLWriter {
  private(set) var output = OutputBuffer()

  mutating func reserve(_ count: Int) { output.reserve(count) }

  mutating func markup(_ literal: StaticString) { output.append(literal.description) }

  mutating func number(_ number: some FixedWidthInteger & UnsignedInteger) {
    output.append(number: number)
  }

  mutating func number(_ number: Int) { output.append(number: UInt(max(0, number))) }

  /// With a narrow blank between groups of three digits, for people.
  mutating func count(_ number: UInt64) {
    let digits = Array("\(number)".utf8)
    for (i, digit) in digits.enumerated() {
      if i > 0, (digits.count - i) % 3 == 0 { output.append("\u{202f}") }
      output.append(Unicode.Scalar(digit))
    }
  }

  mutating func count(_ number: Int) { count(UInt64(max(0, number))) }

  /// Safe as text and inside of quoted attributes. What would move the cursor, or turn the direction of
  /// what follows, is written as its number.
  mutating func text(_ text: String) {
    if text.utf8.allSatisfy(Self.isPlain) {
      output.append(text)
      return
    }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": output.append("&amp;")
      case "<": output.append("&lt;")
      case ">": output.append("&gt;")
      case "\"": output.append("&quot;")
      case "'": output.append("&#39;")
      case "\n", "\t": output.append(scalar)
      case _ where Self.isInvisible(scalar.value):
        output.append("\\u{" + String(scalar.value, radix: 16) + "}")
      default: output.append(String(scalar))
      }
    }
  }

  /// The same; what stands between two backticks is code.
  mutating func prose(_ text: String) {
    let parts = text.split(separator: "`", omittingEmptySubsequences: false)
    // A backtick without another one is just that.
    let pairs = parts.count % 2 == 1 ? parts.count : parts.count - 1
    for (i, part) in parts.enumerated() {
      if i % 2 == 1, i < pairs {
        markup("<code>")
        self.text(String(part))
        markup("</code>")
      } else {
        if i == pairs { markup("`") }
        self.text(String(part))
      }
    }
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""),
      UInt8(ascii: "'"):
      false
    default: byte >= 32 && byte < 127
    }
  }

  /// Control characters and those that embed, override or isolate directions.
  private static func isInvisible(_ value: UInt32) -> Bool {
    value < 32 || (127...159).contains(value) || (0x200b...0x200f).contains(value)
      || (0x202a...0x202e).contains(value) || (0x2066...0x2069).contains(value) || value == 0xfeff
  }
}
