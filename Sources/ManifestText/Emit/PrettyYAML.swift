/// A tree as block style YAML, the way kubectl prints objects; keys in the order of the text.
///
/// Reading it again gives the same tree: a string that could be taken for something else, by
/// this or another reader, is quoted. The text ends with a line break.
public func prettyYAML(of node: TextNode) -> [UInt8] {
  var writer = YAMLWriter()
  writer.block(node, column: 0)
  writer.output.append(0x0a)
  return writer.output
}

private struct YAMLWriter {
  var output: [UInt8] = []

  /// Writes a value whose first line is begun already.
  mutating func block(_ node: TextNode, column: Int) {
    if node.count == 0 { return inline(node) }
    var isFirst = true
    for member in node.members {
      startLine(&isFirst, column)
      key(member.key.utf8, column)
      value(member.value, column)
    }
    for element in node.elements {
      startLine(&isFirst, column)
      output.append(contentsOf: "- ".utf8)
      block(element, column: column + 2)
    }
  }

  private mutating func startLine(_ isFirst: inout Bool, _ column: Int) {
    if !isFirst { newLine(column) }
    isFirst = false
  }

  private mutating func newLine(_ column: Int) {
    output.append(0x0a)
    output.append(contentsOf: repeatElement(0x20, count: column))
  }

  private mutating func key(_ text: ArraySlice<UInt8>, _ column: Int) {
    // YAML finds the colon of a key only within 1,024 characters.
    let isLong = text.count > 160
    if isLong { output.append(contentsOf: "? ".utf8) }
    string(text)
    if isLong { newLine(column) }
    output.append(UInt8(ascii: ":"))
  }

  /// Lists stand in the column of their key, as kubectl has it.
  private mutating func value(_ node: TextNode, _ column: Int) {
    if node.count == 0 {
      output.append(0x20)
      inline(node)
    } else {
      let inner = node.kind == .mapping ? column + 2 : column
      newLine(inner)
      block(node, column: inner)
    }
  }

  private mutating func inline(_ node: TextNode) {
    switch node.kind {
    case .mapping: output.append(contentsOf: "{}".utf8)
    case .sequence: output.append(contentsOf: "[]".utf8)
    case .string: string(node.utf8)
    default: JSONWriter.append(plain: node, to: &output)
    }
  }

  private mutating func string(_ text: ArraySlice<UInt8>) {
    if isSafePlain(text) { output.append(contentsOf: text) } else { quoted(text) }
  }

  /// Letters, digits and the marks of names and addresses, and not to be taken for anything else.
  private func isSafePlain(_ text: ArraySlice<UInt8>) -> Bool {
    guard let first = text.first, let last = text.last else { return false }
    func isLetter(_ byte: UInt8) -> Bool {
      byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }
    guard isLetter(first) || ScalarSyntax.isDigit(first) || first == UInt8(ascii: "/"),
      last != UInt8(ascii: ":"), last != 0x20
    else { return false }
    var previous: UInt8 = 0
    for byte in text {
      let isMark = "_-./:@+= ".utf8.contains(byte)
      guard isLetter(byte) || ScalarSyntax.isDigit(byte) || isMark else { return false }
      if previous == UInt8(ascii: ":") && byte == 0x20 { return false }
      previous = byte
    }
    // YAML 1.1 takes 1:30 for a number of base 60, and 2026-01-01 for a date.
    if ScalarSyntax.isDigit(first), text.contains(UInt8(ascii: ":")) || isDate(text) {
      return false
    }
    return ScalarSyntax.kind(ofPlain: text) == .string
  }

  private func isDate(_ text: ArraySlice<UInt8>) -> Bool {
    text.prefix(4).allSatisfy(ScalarSyntax.isDigit) && text.dropFirst(4).first == UInt8(ascii: "-")
  }

  /// In double quotes, with everything escaped that YAML would not keep as it is.
  private mutating func quoted(_ text: ArraySlice<UInt8>) {
    output.append(UInt8(ascii: "\""))
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      switch scalar.value {
      case 0x22, 0x5c:
        output.append(UInt8(ascii: "\\"))
        output.append(UInt8(scalar.value))
      case 0x0a: output.append(contentsOf: "\\n".utf8)
      case 0x09: output.append(contentsOf: "\\t".utf8)
      case 0x20..<0x7f: output.append(UInt8(scalar.value))
      case 0xa1..<0x2028, 0x202a..<0xd800, 0xe000..<0xfeff, 0xff00..<0xfffe, 0x10000...:
        output.append(contentsOf: String(Character(scalar)).utf8)
      default: escape(scalar.value)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  private mutating func escape(_ value: UInt32) {
    let hex = String(value, radix: 16)
    let (letter, width) = value < 0x100 ? ("x", 2) : ("u", 4)
    output.append(
      contentsOf: "\\\(letter)\(String(repeating: "0", count: width - hex.count))\(hex)".utf8)
  }
}
