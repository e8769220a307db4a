/// A tree as the one JSON text that all equal trees have, whatever they were read from.
///
/// Keys are sorted by their UTF-8 bytes, there is no white space, only what must be escaped is,
/// and numbers are as written, except for what JSON does not know: 0x50 becomes 80.
public func canonicalJSON(of node: TextNode, editing edits: [TextEdit] = []) -> [UInt8] {
  var writer = JSONWriter(indent: nil)
  writer.write(node, edits: edits[...], level: 0)
  return writer.output
}

/// The same for many trees, one after the other: each text takes no more memory than it needs.
public struct CanonicalJSONWriter {
  var writer = JSONWriter(indent: nil)

  public init() {}

  public mutating func text(of node: TextNode, editing edits: [TextEdit] = []) -> [UInt8] {
    writer.output.removeAll(keepingCapacity: true)
    writer.write(node, edits: edits[...], level: 0)
    // Not Array(writer.output[...]), which would be the same array with all its room.
    var text: [UInt8] = []
    text.reserveCapacity(writer.output.count)
    text.append(contentsOf: writer.output)
    return text
  }
}

/// A tree as JSON for people: indented by two, keys in the order of the text.
public func prettyJSON(of node: TextNode) -> [UInt8] {
  var writer = JSONWriter(indent: 2)
  writer.write(node, edits: [], level: 0)
  writer.output.append(0x0a)
  return writer.output
}

struct JSONWriter {
  /// Spaces for each level; nil: canonical.
  let indent: Int?
  var output: [UInt8] = []

  init(indent: Int?) { self.indent = indent }

  mutating func write(_ node: TextNode, edits: ArraySlice<TextEdit>, level: Int) {
    if indent == nil && edits.isEmpty { return node.arena.writeCanonical(node.index, to: &output) }
    switch node.kind {
    case .mapping where edits.isEmpty: mapping(node, level)
    case .mapping: mapping(node, edits, level)
    case .sequence:
      output.append(UInt8(ascii: "["))
      var isFirst = true
      for element in node.elements {
        separate(&isFirst, level + 1)
        write(element, edits: [], level: level + 1)
      }
      close(UInt8(ascii: "]"), isEmpty: isFirst, level)
    case .string: JSONWriter.append(quoted: node.utf8, to: &output)
    default: JSONWriter.append(plain: node, to: &output)
    }
  }

  /// As written, for people.
  private mutating func mapping(_ node: TextNode, _ level: Int) {
    output.append(UInt8(ascii: "{"))
    var isFirst = true
    for member in node.members { write(member, level, &isFirst) }
    close(UInt8(ascii: "}"), isEmpty: isFirst, level)
  }

  private mutating func write(_ member: TextMember, _ level: Int, _ isFirst: inout Bool) {
    key(member.key.utf8, level, &isFirst)
    write(member.value, edits: [], level: level + 1)
  }

  private mutating func key(_ key: ArraySlice<UInt8>, _ level: Int, _ isFirst: inout Bool) {
    separate(&isFirst, level + 1)
    JSONWriter.append(quoted: key, to: &output)
    output.append(UInt8(ascii: ":"))
    if indent != nil { output.append(0x20) }
  }

  /// A mapping on the way to the members that are to be changed; always canonical.
  private mutating func mapping(_ node: TextNode, _ edits: ArraySlice<TextEdit>, _ level: Int) {
    // What is set comes in its place between the other keys, whether it was there or not.
    var sets = edits.filter { $0.path.count == level + 1 && $0.value != nil }
    sets.sort { $0.path[level].utf8.lexicographicallyPrecedes($1.path[level].utf8) }
    output.append(UInt8(ascii: "{"))
    var isFirst = true
    for member in JSONWriter.sorted(node) {
      let name = member.key.utf8
      while let set = sets.first, set.path[level].utf8.lexicographicallyPrecedes(name) {
        write(sets.removeFirst(), level, &isFirst)
      }
      let here = edits.filter { $0.path[level].utf8.elementsEqual(name) }
      if here.contains(where: { $0.path.count == level + 1 }) {
        while let set = sets.first, set.path[level].utf8.elementsEqual(name) {
          write(sets.removeFirst(), level, &isFirst)
        }
        continue
      }
      key(name, level, &isFirst)
      write(member.value, edits: here[...], level: level + 1)
    }
    for set in sets { write(set, level, &isFirst) }
    close(UInt8(ascii: "}"), isEmpty: isFirst, level)
  }

  private mutating func write(_ edit: TextEdit, _ level: Int, _ isFirst: inout Bool) {
    key(Array(edit.path[level].utf8)[...], level, &isFirst)
    switch edit.value {
    case .json(let json)?: output.append(contentsOf: json)
    case .string(let text)?: JSONWriter.append(quoted: Array(text.utf8)[...], to: &output)
    case .strings(let texts)?:
      output.append(UInt8(ascii: "["))
      var isFirst = true
      for text in texts {
        separate(&isFirst, level + 2)
        JSONWriter.append(quoted: Array(text.utf8)[...], to: &output)
      }
      close(UInt8(ascii: "]"), isEmpty: isFirst, level + 1)
    case nil: break
    }
  }

  private static func sorted(_ node: TextNode) -> [TextMember] {
    node.members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  private mutating func separate(_ isFirst: inout Bool, _ level: Int) {
    if !isFirst { output.append(UInt8(ascii: ",")) }
    isFirst = false
    newLine(level)
  }

  private mutating func close(_ bracket: UInt8, isEmpty: Bool, _ level: Int) {
    if !isEmpty { newLine(level) }
    output.append(bracket)
  }

  private mutating func newLine(_ level: Int) {
    guard let indent else { return }
    output.append(0x0a)
    output.append(contentsOf: repeatElement(0x20, count: indent * level))
  }
}

extension JSONWriter {
  /// A scalar that is no string.
  static func append(plain node: TextNode, to output: inout [UInt8]) {
    append(plain: node.utf8, node.kind, to: &output)
  }

  static func append(plain text: ArraySlice<UInt8>, _ kind: TextKind, to output: inout [UInt8]) {
    switch kind {
    case .boolean:
      output.append(contentsOf: (ScalarSyntax.boolean(text) == true ? "true" : "false").utf8)
    case .integer: append(integer: text, to: &output)
    case .float: append(float: text, to: &output)
    default: output.append(contentsOf: "null".utf8)
    }
  }

  private static func append(integer text: ArraySlice<UInt8>, to output: inout [UInt8]) {
    let isDecimal = text.allSatisfy(ScalarSyntax.isDigit)
    if isDecimal, text.count == 1 || text.first != UInt8(ascii: "0") {
      output.append(contentsOf: text)
    } else if let value = ScalarSyntax.integer(text) {
      output.append(contentsOf: String(value).utf8)
    } else {
      // More than 64 bits: decimal digits, perhaps with a sign and underscores.
      output.append(contentsOf: text.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "+") })
    }
  }

  private static func append(float text: ArraySlice<UInt8>, to output: inout [UInt8]) {
    if ScalarSyntax.isInfinite(text) { return output.append(contentsOf: "null".utf8) }
    var rest = text.filter { $0 != UInt8(ascii: "_") }[...]
    if rest.first == UInt8(ascii: "-") { output.append(UInt8(ascii: "-")) }
    if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
    let whole = rest.prefix(while: ScalarSyntax.isDigit)
    rest = rest.dropFirst(whole.count)
    let significant = whole.drop { $0 == UInt8(ascii: "0") }
    output.append(contentsOf: significant.isEmpty ? [UInt8(ascii: "0")] : significant)
    if rest.first == UInt8(ascii: ".") {
      output.append(UInt8(ascii: "."))
      rest.removeFirst()
      if rest.first.map(ScalarSyntax.isDigit) != true { output.append(UInt8(ascii: "0")) }
    }
    output.append(contentsOf: rest)
  }

  static func append(quoted text: ArraySlice<UInt8>, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    if text.contains(where: needsEscape) {
      for byte in text { append(escaping: byte, to: &output) }
    } else {
      output.append(contentsOf: text)
    }
    output.append(UInt8(ascii: "\""))
  }

  static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private static func append(escaping byte: UInt8, to output: inout [UInt8]) {
    let letter: UInt8
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): letter = byte
    case 0x08: letter = UInt8(ascii: "b")
    case 0x09: letter = UInt8(ascii: "t")
    case 0x0a: letter = UInt8(ascii: "n")
    case 0x0c: letter = UInt8(ascii: "f")
    case 0x0d: letter = UInt8(ascii: "r")
    case 0..<0x20:
      output.append(contentsOf: "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8)
      return
    default:
      output.append(byte)
      return
    }
    output.append(UInt8(ascii: "\\"))
    output.append(letter)
  }
}
