import ServiceDataplane
import ServiceMaps

/// The known objects, as the state directory holds them.
enum KnownStore {
  /// - Parameter decoded: objects that were read already, and may be known.
  /// - Returns: no objects when nothing was ever applied.
  static func load(
    _ state: StateDirectory, reusing decoded: [ManifestObject] = []
  ) throws(DataplaneError) -> (KnownObjects, [UInt8]?) {
    guard var bytes = try state.readObjects() else { return (KnownObjects(), nil) }
    // What a `run` has changed since it stored the objects whole; both are of one moment.
    var journal = try state.readJournal()
    for _ in 0..<10 {
      let digest = KnownObjects.digest(ofEncoded: bytes)?.digest
      if try state.objectsOnDisk()?.digest == digest { break }
      bytes = try state.readObjects() ?? bytes
      journal = try state.readJournal()
    }
    do {
      var known = try KnownObjects(decoding: bytes, reusing: decoded)
      if let journal, let digest = KnownObjects.digest(ofEncoded: bytes)?.digest {
        _ = ObjectJournal.replay(journal, on: &known, digest: digest)
      }
      return (known, bytes)
    } catch let error as DataplaneError {
      throw error
    } catch {
      throw .damaged(
        "\(state.path)/objects: \(error)",
        remedy: "restore it from a backup, or remove it and apply all manifests with --prune")
    }
  }

  /// Stores whole what a `run` that was killed had only put into its journal. For whoever holds the lock.
  static func takeInJournal(_ state: StateDirectory) throws(DataplaneError) {
    guard let journal = try state.readJournal() else { return }
    guard let bytes = try state.readObjects(),
      let digest = KnownObjects.digest(ofEncoded: bytes)?.digest,
      journal.starts(with: ObjectJournal.header(digest))
    else { return try state.removeJournal() }
    try state.writeObjects(try load(state).0.encode())
  }
}
