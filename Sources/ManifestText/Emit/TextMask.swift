/// Which parts of a tree are kept when it is written.
public indirect enum TextMask: Sendable {
  case all
  /// Of a mapping these members, each with a mask of its own; of a list the same of each element.
  case members([String: TextMask])
  /// Of a mapping the members whose keys begin with one of these.
  case prefixes([String])
  /// All of it; but a mapping that says nothing but these texts, which are what it is taken for when it is
  /// not there, is left out.
  case unless([String: String])

  fileprivate func mask(of key: ArraySlice<UInt8>) -> TextMask? {
    switch self {
    case .all, .unless: .all
    case .members(let members): members[String(decoding: key, as: UTF8.self)]
    case .prefixes(let prefixes):
      prefixes.contains { key.starts(with: $0.utf8) } ? .all : nil
    }
  }

  fileprivate func leavesOut(_ node: TextNode) -> Bool {
    guard case .unless(let defaults) = self, node.kind == .mapping else { return false }
    return node.members.allSatisfy { member in
      defaults[String(decoding: member.key.utf8, as: UTF8.self)]?.utf8
        .elementsEqual(member.value.utf8) == true
    }
  }
}

extension CanonicalJSONWriter {
  /// What a mask keeps of a tree, as canonical JSON.
  ///
  /// - Parameter adding: members of the outermost mapping that are set to these texts.
  public mutating func text(
    of node: TextNode, keeping mask: TextMask, adding: [String: String] = [:]
  ) -> [UInt8] {
    writer.output.removeAll(keepingCapacity: true)
    writer.write(node, mask, adding: adding)
    // As above: no more memory than it needs.
    var text: [UInt8] = []
    text.reserveCapacity(writer.output.count)
    text.append(contentsOf: writer.output)
    return text
  }
}

extension JSONWriter {
  fileprivate mutating func write(
    _ node: TextNode, _ mask: TextMask, adding: [String: String] = [:]
  ) {
    if case .all = mask, adding.isEmpty {
      node.arena.writeCanonical(node.index, to: &output)
      return
    }
    switch node.kind {
    case .mapping: write(mapping: node, mask, adding)
    case .sequence:
      output.append(UInt8(ascii: "["))
      var isFirst = true
      for element in node.elements {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        isFirst = false
        write(element, mask)
      }
      output.append(UInt8(ascii: "]"))
    default: node.arena.writeCanonical(node.index, to: &output)
    }
  }

  private mutating func write(
    mapping node: TextNode, _ mask: TextMask, _ adding: [String: String]
  ) {
    var kept: [(key: ArraySlice<UInt8>, value: TextNode?, mask: TextMask)] = []
    for member in node.members {
      let key = member.key.utf8
      if !adding.isEmpty, adding[String(decoding: key, as: UTF8.self)] != nil { continue }
      if let inner = mask.mask(of: key), !inner.leavesOut(member.value) {
        kept.append((key, member.value, inner))
      }
    }
    for key in adding.keys { kept.append((Array(key.utf8)[...], nil, .all)) }
    kept.sort { $0.key.lexicographicallyPrecedes($1.key) }
    output.append(UInt8(ascii: "{"))
    var isFirst = true
    for member in kept {
      if !isFirst { output.append(UInt8(ascii: ",")) }
      isFirst = false
      JSONWriter.append(quoted: member.key, to: &output)
      output.append(UInt8(ascii: ":"))
      if let value = member.value {
        write(value, member.mask)
      } else {
        let text = adding[String(decoding: member.key, as: UTF8.self)] ?? ""
        JSONWriter.append(quoted: Array(text.utf8)[...], to: &output)
      }
    }
    output.append(UInt8(ascii: "}"))
  }
}
