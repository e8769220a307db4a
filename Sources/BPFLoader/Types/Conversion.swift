/// How bytes of one layout become bytes of another: member by member, by name.
///
/// A member that only the new layout has is zero, one that only the old one has is dropped.
/// Integers may become wider or narrower, arrays longer or shorter; a value that does not fit is
/// reported and not cut.
public struct Conversion: Hashable, Sendable {
  private enum Step: Hashable, Sendable {
    case copy(from: Int, to: Int, count: Int)
    case resize(Integer, to: Int, size: Int, isSigned: Bool)
    /// The end of an array that the new layout has no room for.
    case drop(from: Int, count: Int, member: String)
  }

  private struct Integer: Hashable, Sendable {
    var member: String
    var offset: Int
    var size: Int
    var isSigned: Bool
    var isNetworkOrder: Bool

    var isBigEndian: Bool { isNetworkOrder || UInt16(1).bigEndian == 1 }
  }

  /// In bytes.
  public let oldSize: Int
  /// In bytes.
  public let newSize: Int
  private var steps: [Step] = []

  /// - Throws: when a member is of another kind in the two, or of one that says nothing about its
  ///   bytes; the text names the member.
  public init(from old: DataType, to new: DataType) throws(ConversionError) {
    oldSize = old.size
    newSize = new.size
    try add(old, at: 0, new, at: 0, member: "")
  }

  // MARK: Planning

  private mutating func add(
    _ old: DataType, at from: Int, _ new: DataType, at to: Int, member: String
  ) throws(ConversionError) {
    switch (old, new) {
    case (
      .integer(let size, let isSigned, let order),
      .integer(let newSize, let newSigned, let newOrder)
    ):
      guard order == newOrder || size == 1 && newSize == 1 else {
        throw ConversionError(member: member, what: "has another byte order")
      }
      if size == newSize && isSigned == newSigned {
        append(.copy(from: from, to: to, count: size))
      } else if size <= 8 && newSize <= 8 {
        let integer = Integer(
          member: member, offset: from, size: size, isSigned: isSigned, isNetworkOrder: order)
        append(.resize(integer, to: to, size: newSize, isSigned: newSigned))
      } else {
        throw ConversionError(member: member, what: "is an integer of more than 8 bytes")
      }
    case (.array(let element, let count), .array(let newElement, let newCount)):
      for index in 0..<min(count, newCount) {
        try add(
          element, at: from + index * element.size, newElement, at: to + index * newElement.size,
          member: "\(member)[\(index)]")
      }
      if count > newCount {
        append(
          .drop(
            from: from + newCount * element.size, count: (count - newCount) * element.size,
            member: member))
      }
    case (.structure(_, let members), .structure(_, let newMembers)):
      for newMember in newMembers {
        guard let oldMember = members.first(where: { $0.name == newMember.name }) else { continue }
        try add(
          oldMember.type, at: from + oldMember.offset, newMember.type, at: to + newMember.offset,
          member: member.isEmpty ? newMember.name : member + "." + newMember.name)
      }
    default:
      throw ConversionError(member: member, what: "was \(old.kind) and is \(new.kind)")
    }
  }

  /// Neighbours that stay neighbours are copied together.
  private mutating func append(_ step: Step) {
    if case .copy(let from, let to, let count) = step,
      case .copy(let lastFrom, let lastTo, let lastCount)? = steps.last,
      lastFrom + lastCount == from, lastTo + lastCount == to
    {
      steps[steps.count - 1] = .copy(from: lastFrom, to: lastTo, count: lastCount + count)
    } else {
      steps.append(step)
    }
  }

  // MARK: Converting

  /// Writes the new form of what lies in `old`, over zeros.
  ///
  /// - Returns: the member whose value has no place in the new layout; nil when all have.
  public func convert(
    _ old: [UInt8], at from: Int = 0, into new: inout [UInt8], at to: Int = 0
  ) -> String? {
    for step in steps {
      switch step {
      case .copy(let offset, let place, let count):
        for index in 0..<count { new[to + place + index] = old[from + offset + index] }
      case .resize(let integer, let place, let size, let isSigned):
        let start = from + integer.offset
        guard let bytes = Self.bytes(Self.read(old, start, integer), size, isSigned) else {
          return integer.member
        }
        for index in 0..<size {
          new[to + place + (integer.isBigEndian ? size - 1 - index : index)] = bytes[index]
        }
      case .drop(let offset, let count, let member):
        if old[from + offset..<from + offset + count].contains(where: { $0 != 0 }) { return member }
      }
    }
    return nil
  }

  /// The new form of one value.
  ///
  /// - Throws: when the value of a member has no place in the new layout.
  public func converted(_ old: [UInt8]) throws(ConversionError) -> [UInt8] {
    var new = [UInt8](repeating: 0, count: newSize)
    if let member = convert(old, into: &new) {
      throw ConversionError(member: member, what: ConversionError.doesNotFit)
    }
    return new
  }

  private static func read(_ bytes: [UInt8], _ start: Int, _ integer: Integer) -> Int128 {
    var value: UInt64 = 0
    for index in 0..<integer.size {
      let at = integer.isBigEndian ? index : integer.size - 1 - index
      value = value << 8 | UInt64(bytes[start + at])
    }
    guard integer.isSigned else { return Int128(value) }
    let unused = UInt64(64 - integer.size * 8)
    return Int128(Int64(bitPattern: value << unused) >> Int64(unused))
  }

  /// The lowest byte first; nil when it does not fit.
  private static func bytes(_ value: Int128, _ size: Int, _ isSigned: Bool) -> [UInt8]? {
    let bits = size * 8
    let lowest: Int128 = isSigned ? -(1 << (bits - 1)) : 0
    let highest: Int128 = isSigned ? (1 << (bits - 1)) - 1 : (1 << bits) - 1
    guard value >= lowest, value <= highest else { return nil }
    let word = UInt64(truncatingIfNeeded: value)
    return (0..<size).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
  }
}

/// A member that cannot be converted.
public struct ConversionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// "flow[3].service"; empty: the key or value itself.
  public var member: String
  public var what: String

  /// What `Conversion.convert` reports.
  public static let doesNotFit = "has a value that has no place in the new layout"

  public init(member: String, what: String) {
    self.member = member
    self.what = what
  }

  public var description: String { member.isEmpty ? "it \(what)" : "\(member) \(what)" }
}

extension DataType {
  fileprivate var kind: String {
    switch self {
    case .integer: "an integer"
    case .array: "an array"
    case .structure: "a structure"
    case .other(let kind, _): kind
    }
  }
}
