/// A file of manifests, in memory.
public struct ManifestFile: Sendable {
  /// As the user named it; "-" is standard input. Printed in front of every problem.
  public var name: String
  public var bytes: [UInt8]

  public init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}
