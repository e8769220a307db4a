import BPFLoader
import Testing

/// Bytes of one layout become bytes of another. Numbers are written by hand, lowest byte first.
@Suite struct ConversionTests {
  private let byte = DataType.integer(size: 1)
  private let half = DataType.integer(size: 2)
  private let word = DataType.integer(size: 4)
  private let long = DataType.integer(size: 8)

  private func structure(_ size: Int, _ members: (String, Int, DataType)...) -> DataType {
    .structure(
      size: size, members: members.map { DataMember(name: $0.0, offset: $0.1, type: $0.2) })
  }

  private func convert(
    _ bytes: [UInt8], _ old: DataType, _ new: DataType
  ) throws -> [UInt8] {
    try Conversion(from: old, to: new).converted(bytes)
  }

  @Test func membersMoveComeAndGo() throws {
    let old = structure(8, ("a", 0, half), ("gone", 2, half), ("b", 4, word))
    let new = structure(12, ("b", 0, word), ("new", 4, word), ("a", 8, half), ("rest", 10, half))
    #expect(
      try convert([1, 2, 9, 9, 3, 4, 5, 6], old, new) == [3, 4, 5, 6, 0, 0, 0, 0, 1, 2, 0, 0])
    #expect(
      try convert([3, 4, 5, 6, 7, 7, 7, 7, 1, 2, 7, 7], new, old) == [1, 2, 0, 0, 3, 4, 5, 6])
  }

  @Test func equalLayoutsAreCopied() throws {
    let type = structure(8, ("a", 0, .array(of: byte, count: 4)), ("b", 4, word))
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    #expect(try convert(bytes, type, type) == bytes)
  }

  @Test func integersBecomeWider() throws {
    #expect(try convert([1, 2], half, word) == [1, 2, 0, 0])
    #expect(try convert([0xff, 0xff], half, long) == [0xff, 0xff, 0, 0, 0, 0, 0, 0])
    let signed = DataType.integer(size: 2, isSigned: true)
    #expect(
      try convert([0xfe, 0xff], signed, .integer(size: 4, isSigned: true))
        == [0xfe, 0xff, 0xff, 0xff])
  }

  @Test func integersBecomeNarrowerIfTheyFit() throws {
    #expect(try convert([7, 0, 0, 0], word, byte) == [7])
    #expect(try convert([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], long, word) == [255, 255, 255, 255])
    let signed = DataType.integer(size: 4, isSigned: true)
    #expect(
      try convert([0x80, 0xff, 0xff, 0xff], signed, .integer(size: 1, isSigned: true)) == [0x80])
    let type = structure(4, ("inner", 0, structure(4, ("x", 0, word))))
    let narrow = structure(1, ("inner", 0, structure(1, ("x", 0, byte))))
    #expect(
      throws: ConversionError(member: "inner.x", what: ConversionError.doesNotFit)
    ) { try convert([0, 1, 0, 0], type, narrow) }
    #expect(throws: ConversionError.self) { try convert([0xff, 0xff, 0xff, 0xff], signed, long) }
  }

  @Test func networkOrderHasItsHighestByteFirst() throws {
    let port = DataType.integer(size: 2, isNetworkOrder: true)
    let wide = DataType.integer(size: 4, isNetworkOrder: true)
    #expect(try convert([0x1f, 0x90], port, wide) == [0, 0, 0x1f, 0x90])
    #expect(try convert([0, 0, 0x1f, 0x90], wide, port) == [0x1f, 0x90])
    #expect(throws: ConversionError.self) { try convert([0x1f, 0x90], port, half) }
  }

  @Test func arraysOfStructuresKeepWhatTheyHaveRoomFor() throws {
    let element = structure(4, ("a", 0, half), ("b", 2, half))
    let moved = structure(4, ("b", 0, half), ("a", 2, half))
    let old = DataType.array(of: element, count: 2)
    let new = DataType.array(of: moved, count: 3)
    #expect(
      try convert([1, 0, 2, 0, 3, 0, 4, 0], old, new) == [2, 0, 1, 0, 4, 0, 3, 0, 0, 0, 0, 0])
    #expect(
      try convert([2, 0, 1, 0, 4, 0, 3, 0, 0, 0, 0, 0], new, old) == [1, 0, 2, 0, 3, 0, 4, 0])
    #expect(throws: ConversionError(member: "", what: ConversionError.doesNotFit)) {
      try convert([2, 0, 1, 0, 4, 0, 3, 0, 1, 0, 0, 0], new, old)
    }
  }

  @Test func otherKindsAreNamed() throws {
    let old = structure(8, ("a", 0, structure(8, ("b", 0, word), ("c", 4, word))))
    let union = structure(8, ("a", 0, structure(8, ("b", 0, .other("a union", size: 8)))))
    #expect(throws: ConversionError(member: "a.b", what: "was an integer and is a union")) {
      try convert([UInt8](repeating: 0, count: 8), old, union)
    }
    let array = structure(8, ("a", 0, .array(of: word, count: 2)))
    #expect(throws: ConversionError(member: "a", what: "was a structure and is an array")) {
      try convert([UInt8](repeating: 0, count: 8), old, array)
    }
  }

  @Test func convertingIntoTheMiddleLeavesTheRest() throws {
    let conversion = try Conversion(from: half, to: word)
    var target = [UInt8](repeating: 9, count: 8)
    #expect(conversion.convert([0, 0, 5, 6], at: 2, into: &target, at: 2) == nil)
    #expect(target == [9, 9, 5, 6, 0, 0, 9, 9])
  }
}
