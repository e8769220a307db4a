/// A change to make while a tree is written.
public struct TextEdit: Hashable, Sendable {
  public enum Value: Hashable, Sendable {
    case string(String)
    case strings([String])
    /// Canonical JSON, written as it is.
    case json([UInt8])
  }

  /// The keys that lead to the member: `["metadata", "namespace"]`.
  public var path: [String]
  /// The new value; nil leaves the member out.
  public var value: Value?

  /// Leaves the member out, if it is there.
  public static func remove(_ path: String...) -> TextEdit { TextEdit(path: path, value: nil) }

  /// Gives the member this value, whether it is there or not. The mapping that it belongs to
  /// must be there.
  public static func set(_ path: String..., to value: String) -> TextEdit {
    TextEdit(path: path, value: .string(value))
  }

  /// The same with a sequence of strings.
  public static func set(_ path: String..., to values: [String]) -> TextEdit {
    TextEdit(path: path, value: .strings(values))
  }

  /// The same with any value, as canonical JSON.
  public static func set(_ path: String..., toJSON json: [UInt8]) -> TextEdit {
    TextEdit(path: path, value: .json(json))
  }
}
