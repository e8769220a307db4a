/// A file of manifests, in memory.
public struct ManifestFile: Sendable {
  /// As the user named it; "-" is standard input. Printed in front of every problem.
  public var name: String
  public var bytes: [UInt8]

  /// Whether a file of this name in a directory of manifests is one: what `kubectl apply -f DIR` reads.
  public static func isManifest(_ name: String) -> Bool {
    [".yaml", ".yml", ".json"].contains(where: name.hasSuffix)
  }

  public init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}
