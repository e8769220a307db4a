import ServiceDataplane
import ServiceMaps

/// The known objects, as the state directory holds them.
enum KnownStore {
  /// - Returns: no objects when nothing was ever applied.
  static func load(_ state: StateDirectory) throws(DataplaneError) -> (KnownObjects, [UInt8]?) {
    guard let bytes = try state.readObjects() else { return (KnownObjects(), nil) }
    do {
      let known = try KnownObjects(decoding: bytes) { json in
        decodeManifests([ManifestFile(name: "objects", bytes: json)]).objects.first?.object
      }
      return (known, bytes)
    } catch {
      throw .damaged(
        "\(state.path)/objects: \(error)",
        remedy: "restore it from a backup, or remove it and apply all manifests with --prune")
    }
  }
}
