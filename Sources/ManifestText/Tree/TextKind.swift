/// What a node of the tree is.
public enum TextKind: UInt8, BitwiseCopyable, Hashable, Sendable, CustomStringConvertible {
  case null, boolean, integer, float, string, mapping, sequence

  public var isContainer: Bool { self == .mapping || self == .sequence }

  /// As a message names it: `a string`.
  public var description: String {
    switch self {
    case .null: "null"
    case .boolean: "a boolean"
    case .integer: "an integer"
    case .float: "a decimal number"
    case .string: "a string"
    case .mapping: "a mapping"
    case .sequence: "a list"
    }
  }
}
