/// A type of C as BTF describes it: what the bytes of a key or a value mean.
///
/// Names of types do not matter, save that `__be16` and its like say the order of the bytes.
public indirect enum DataType: Hashable, Sendable {
  /// An integer, a character, a boolean or an enumeration; the size is in bytes.
  case integer(size: Int, isSigned: Bool = false, isNetworkOrder: Bool = false)
  case array(of: DataType, count: Int)
  case structure(size: Int, members: [DataMember])
  /// What nothing can be converted from or to: "union", "pointer".
  case other(String, size: Int)

  /// In bytes.
  public var size: Int {
    switch self {
    case .integer(let size, _, _), .structure(let size, _), .other(_, let size): size
    case .array(let element, let count): element.size * count
    }
  }

  /// A member of a structure.
  public func member(_ name: String) -> DataMember? {
    guard case .structure(_, let members) = self else { return nil }
    return members.first { $0.name == name }
  }

  /// A member of a member, …: its type, and where it is in this one.
  public func member(_ path: [String]) -> DataMember? {
    var found = DataMember(name: "", offset: 0, type: self)
    for name in path {
      guard let next = found.type.member(name) else { return nil }
      found = DataMember(name: name, offset: found.offset + next.offset, type: next.type)
    }
    return found
  }
}

/// A member of a structure, and where it begins, in bytes.
public struct DataMember: Hashable, Sendable {
  public var name: String
  public var offset: Int
  public var type: DataType

  public init(name: String, offset: Int, type: DataType) {
    self.name = name
    self.offset = offset
    self.type = type
  }
}

/// What the keys and values of a map are.
public struct MapTypes: Hashable, Sendable {
  public var key: DataType
  public var value: DataType

  public init(key: DataType, value: DataType) {
    self.key = key
    self.value = value
  }
}
