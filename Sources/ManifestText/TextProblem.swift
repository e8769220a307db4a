/// Something that makes a file unreadable, and where it is.
public struct TextProblem: Hashable, Sendable, CustomStringConvertible {
  /// 1 for the first document of the file; nil when the file as a whole is meant.
  public var document: Int?
  /// 1 for the first line of the file.
  public var line: Int?
  /// `spec.ports[0].port`, where the place in the tree is known.
  public var path: String?
  public var message: String

  public init(document: Int? = nil, line: Int? = nil, path: String? = nil, _ message: String) {
    self.document = document
    self.line = line
    self.path = path
    self.message = message
  }

  public var description: String {
    var text = ""
    if let line { text += "line \(line): " }
    if let document { text += "document \(document): " }
    if let path { text += "\(path): " }
    return text + message
  }
}
