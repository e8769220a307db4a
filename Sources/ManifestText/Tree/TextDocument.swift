/// One document of a manifest file.
public struct TextDocument: Sendable {
  /// 1 for the first document of the file. Empty documents are skipped, but counted.
  public var index: Int
  public var root: TextNode
}
