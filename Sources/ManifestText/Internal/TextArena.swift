/// One value: 16 bytes, in the order of the text, so that a container is followed by its contents.
struct NodeRecord: BitwiseCopyable {
  /// The text of a scalar is in `TextArena.source` instead of `TextArena.text`.
  static let inSource: UInt8 = 1
  /// The contents are the last `2 × length` records before `start`, all of them references.
  static let merged: UInt8 = 2
  /// Stands for the record `start`: an alias, or a member that a merge brought in.
  static let reference: UInt8 = 4
  /// A plain `<<` in the place of a key.
  static let mergeKey: UInt8 = 8

  var kind: TextKind
  var flags: UInt8
  var line: UInt32
  /// Scalar: where its text begins. Container: the first record behind it. Reference: its target.
  var start: UInt32
  /// Scalar: bytes of text. Container: elements or members.
  var length: UInt32

  func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
}

/// All values of a file. Immutable once built, so the nodes that refer to it can be shared.
final class TextArena: Sendable {
  let records: [NodeRecord]
  /// The file itself, when scalars could be left where they were (JSON strings without escapes).
  let source: [UInt8]
  /// Scalars that had to be decoded.
  let text: [UInt8]

  /// In the file, in front of the first line that the records count.
  let linesBefore: Int

  init(records: [NodeRecord], source: [UInt8], text: [UInt8], linesBefore: Int) {
    self.records = records
    self.source = source
    self.text = text
    self.linesBefore = linesBefore
  }

  func resolve(_ index: Int) -> Int {
    var index = index
    while records[index].has(NodeRecord.reference) { index = Int(records[index].start) }
    return index
  }

  /// The record behind the value at `index`, which is its next sibling if it has one.
  func after(_ index: Int) -> Int {
    let record = records[index]
    if record.kind.isContainer && !record.has(NodeRecord.reference) { return Int(record.start) }
    return index + 1
  }

  /// The first record of the contents of the container at `index`.
  func firstChild(_ index: Int) -> Int {
    let record = records[index]
    return record.has(NodeRecord.merged) ? Int(record.start) - 2 * Int(record.length) : index + 1
  }

  func slice(_ record: NodeRecord) -> ArraySlice<UInt8> {
    let range = Int(record.start)..<Int(record.start) + Int(record.length)
    return record.has(NodeRecord.inSource) ? source[range] : text[range]
  }
}
