/// What a file may ask of the parser. Whatever goes beyond is refused with one clear problem.
public struct TextLimits: Hashable, Sendable {
  /// Bytes of one file.
  public var bytes = 1 << 30
  /// Mappings and lists inside each other, aliases followed.
  public var depth = 100
  /// Documents of one file.
  public var documents = 1 << 20
  /// Members of one mapping.
  public var members = 100_000
  /// Values in one file; each takes 16 bytes of memory.
  public var nodes = 1 << 25
  /// Values that aliases and merge keys may add to a document …
  public var expandedNodes = 100_000
  /// … or this many times the values written in it, whichever is more.
  public var expansionFactor = 10
  /// Problems reported for one file; those beyond are only counted.
  public var problems = 100

  public init() {}

  public static let `default` = TextLimits()
}
