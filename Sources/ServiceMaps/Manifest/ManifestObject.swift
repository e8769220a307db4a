/// One object as read from a manifest.
public struct ManifestObject: Sendable {
  public var object: KubernetesObject { shared.object }
  /// The whole object, unknown fields included, as canonical JSON: keys sorted by their
  /// UTF-8 bytes, no white space, numbers as written, `metadata.managedFields` left out, and
  /// `metadata.namespace` filled in. Equal objects have equal bytes, whatever the source format.
  public var json: [UInt8]
  public var origin: Origin
  let shared: SharedObject

  public struct Origin: Hashable, Sendable {
    public var file: String
    /// 1 for the first document of the file.
    public var document: Int
    public var line: Int

    public init(file: String, document: Int, line: Int) {
      self.file = file
      self.document = document
      self.line = line
    }
  }

  public init(object: KubernetesObject, json: [UInt8], origin: Origin) {
    shared = SharedObject(object)
    self.json = json
    self.origin = origin
  }

  /// As it is known from before.
  public init(_ known: KnownObject, origin: Origin) {
    shared = known.shared
    json = known.json
    self.origin = origin
  }
}
