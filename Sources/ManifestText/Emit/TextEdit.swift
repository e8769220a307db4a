/// A change to make while a tree is written.
public struct TextEdit: Hashable, Sendable {
  /// The keys that lead to the member: `["metadata", "namespace"]`.
  public var path: [String]
  /// The new value, a string; nil leaves the member out.
  public var value: String?

  /// Leaves the member out, if it is there.
  public static func remove(_ path: String...) -> TextEdit { TextEdit(path: path, value: nil) }

  /// Gives the member this value, whether it is there or not. The mapping that it belongs to
  /// must be there.
  public static func set(_ path: String..., to value: String) -> TextEdit {
    TextEdit(path: path, value: value)
  }
}
