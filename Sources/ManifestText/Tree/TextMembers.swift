/// One `key: value` of a mapping.
public struct TextMember: Sendable {
  public let key: TextNode
  public let value: TextNode
}

/// The members of a mapping, in the order of the text.
public struct TextMembers: Sequence, IteratorProtocol, Sendable {
  private let arena: TextArena
  private var index: Int
  private var left: Int

  init(_ node: TextNode) {
    arena = node.arena
    index = arena.firstChild(node.index)
    left = node.kind == .mapping ? Int(node.record.length) : 0
  }

  public var underestimatedCount: Int { left }

  public mutating func next() -> TextMember? {
    guard left > 0 else { return nil }
    left -= 1
    let key = TextNode(arena, index)
    let value = TextNode(arena, index + 1)
    index = arena.after(index + 1)
    return TextMember(key: key, value: value)
  }
}

/// The elements of a list, in the order of the text.
public struct TextElements: Sequence, IteratorProtocol, Sendable {
  private let arena: TextArena
  private var index: Int
  private var left: Int

  init(_ node: TextNode) {
    arena = node.arena
    index = node.index + 1
    left = node.kind == .sequence ? Int(node.record.length) : 0
  }

  public var underestimatedCount: Int { left }

  public mutating func next() -> TextNode? {
    guard left > 0 else { return nil }
    left -= 1
    let node = TextNode(arena, index)
    index = arena.after(index)
    return node
  }
}
