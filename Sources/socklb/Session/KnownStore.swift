import ServiceDataplane
import ServiceMaps

/// The known objects, as the state directory holds them.
enum KnownStore {
  /// - Returns: no objects when nothing was ever applied.
  static func load(_ state: StateDirectory) throws(DataplaneError) -> (KnownObjects, [UInt8]?) {
    guard let bytes = try state.readObjects() else { return (KnownObjects(), nil) }
    do { return (try decode(bytes), bytes) } catch {
      throw .damaged(
        "\(state.path)/objects: \(error)",
        remedy: "restore it from a backup, or remove it and apply all manifests with --prune")
    }
  }

  static func decode(_ bytes: [UInt8]) throws(KnownObjectsError) -> KnownObjects {
    try KnownObjects(decoding: bytes) { json in
      decodeManifests([ManifestFile(name: "objects", bytes: json)]).objects.first?.object
    }
  }
}
