/// Why stored known objects cannot be read. None of them is ever read in part.
public enum KnownObjectsError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The first line is not the one that socklb writes.
  case notKnownObjects
  /// Written by a newer socklb.
  case unsupportedVersion(String)
  /// The last line, which holds the number of objects and the checksum, is missing.
  case truncated
  /// The bytes are not those that were written.
  case checksumMismatch
  /// The line is not an object, although the checksum is right.
  case badObject(line: Int)

  public var description: String {
    switch self {
    case .notKnownObjects: "these are not known objects of socklb: the first line is not its header"
    case .unsupportedVersion(let version):
      "the known objects have format version \(version), which this socklb does not read; "
        + "use the version that wrote them or a newer one"
    case .truncated: "the known objects are truncated: the last line is missing"
    case .checksumMismatch: "the known objects are damaged: their checksum does not match"
    case .badObject(let line): "the known objects are damaged: line \(line) is no known object"
    }
  }
}
