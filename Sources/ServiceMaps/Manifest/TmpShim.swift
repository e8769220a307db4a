public struct ManifestFile: Sendable { public var name: String; public var bytes: [UInt8]
  public init(name: String, bytes: [UInt8]) { self.name = name; self.bytes = bytes } }
public struct DecodedManifests: Sendable { public var objects: [ManifestObject] = []; public var diagnostics: [Diagnostic] = [] }
public func decodeManifests(_ files: [ManifestFile]) -> DecodedManifests { DecodedManifests() }
extension KnownObjects { public func manifests(as f: DumpFormat) -> [UInt8] { [] } }
