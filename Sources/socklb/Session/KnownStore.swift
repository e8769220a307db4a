import ServiceDataplane
import ServiceMaps

/// The known objects, as the state directory holds them.
enum KnownStore {
  /// - Parameter decoded: objects that were read already, and may be known.
  /// - Returns: no objects when nothing was ever applied.
  static func load(
    _ state: StateDirectory, reusing decoded: [ManifestObject] = []
  ) throws(DataplaneError) -> (KnownObjects, [UInt8]?) {
    guard let bytes = try state.readObjects() else { return (KnownObjects(), nil) }
    do { return (try KnownObjects(decoding: bytes, reusing: decoded), bytes) } catch {
      throw .damaged(
        "\(state.path)/objects: \(error)",
        remedy: "restore it from a backup, or remove it and apply all manifests with --prune")
    }
  }
}
