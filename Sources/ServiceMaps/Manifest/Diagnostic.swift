/// Something to say about the input: where it is, and what is wrong or worth knowing.
///
/// Printed as `file:line: document 2: Service default/web: spec.ports[0].port: must be 1…65535`.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
  public enum Severity: String, Hashable, Sendable {
    /// The input is refused, whole.
    case error
    /// Something in the input has no effect, or probably not the one that was meant.
    case warning
    /// For information.
    case note
  }

  public var severity: Severity
  /// The file as the user named it; "-" is standard input. nil when no file is concerned.
  public var file: String?
  /// 1 for the first document of the file.
  public var document: Int?
  /// 1 for the first line of the file.
  public var line: Int?
  /// `Service default/web`, where the object is known.
  public var object: String?
  /// `spec.ports[0].port`, where a field is concerned.
  public var path: String?
  public var message: String

  public init(
    _ severity: Severity, file: String? = nil, document: Int? = nil, line: Int? = nil,
    object: String? = nil, path: String? = nil, _ message: String
  ) {
    self.severity = severity
    self.file = file
    self.document = document
    self.line = line
    self.object = object
    self.path = path
    self.message = message
  }

  public var description: String {
    var text = ""
    if let file {
      text += file
      if let line { text += ":\(line)" }
      text += ": "
    }
    if let document { text += "document \(document): " }
    if let object { text += "\(object): " }
    if let path { text += "\(path): " }
    return text + message
  }
}
