/// A value of a parsed manifest: a light handle into the arena of its file.
///
/// Aliases and merge keys are resolved; a reader sees the tree they stand for. Text is
/// decoded only when it is asked for.
public struct TextNode: Sendable {
  let arena: TextArena
  let index: Int

  /// The value at `index`, or the one that it refers to.
  init(_ arena: TextArena, _ index: Int) {
    self.arena = arena
    self.index = arena.records[index].has(NodeRecord.reference) ? arena.resolve(index) : index
  }

  var record: NodeRecord { arena.records[index] }

  public var kind: TextKind { record.kind }

  /// 1 for the first line of the file. For what an alias stands for: where it was written.
  public var line: Int { arena.linesBefore + Int(record.line) }

  public var isNull: Bool { kind == .null }

  /// The text, if this is a string.
  public var string: String? {
    let record = record
    return record.kind == .string ? arena.string(record) : nil
  }

  /// The text of a scalar as written in the file (without quotes); empty for a container.
  public var utf8: ArraySlice<UInt8> {
    let record = record
    return record.kind.isContainer ? [] : arena.slice(record)
  }

  /// The number, if this is an integer that 64 bits can hold.
  public var integer: Int64? {
    kind == .integer ? ScalarSyntax.integer(utf8) : nil
  }

  public var boolean: Bool? { kind == .boolean ? ScalarSyntax.boolean(utf8) : nil }

  /// How many members or elements a container has; 0 for a scalar.
  public var count: Int { kind.isContainer ? Int(record.length) : 0 }

  /// The value of the member `key`; nil when there is none, or when this is no mapping.
  ///
  /// A member that is written as `key: null` is there; see `isNull`.
  public subscript(key: String) -> TextNode? {
    guard kind == .mapping else { return nil }
    return arena.value(of: key, in: index).map { TextNode(arena, $0) }
  }

  /// The members of a mapping, in the order of the text; nothing for any other kind.
  public var members: TextMembers { TextMembers(self) }

  /// The elements of a list; nothing for any other kind.
  public var elements: TextElements { TextElements(self) }
}
