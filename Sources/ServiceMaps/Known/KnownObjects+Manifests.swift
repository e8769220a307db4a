import ManifestText

extension KnownObject {
  /// The object as a manifest, with the clusterIPs that were assigned to it: what the API server
  /// would answer. Canonical JSON.
  public var manifest: [UInt8] {
    guard !assignedClusterIPs.isEmpty,
      let root = parseManifest(json).documents.first?.root
    else { return json }
    let addresses = clusterIPs.map { "\($0)" }
    return canonicalJSON(
      of: root,
      editing: [
        .set("spec", "clusterIP", to: addresses.first ?? ""),
        .set("spec", "clusterIPs", to: addresses),
      ])
  }

  /// Whether applying one after the other changes nothing: also when one names the clusterIP
  /// that the other was assigned.
  func isSame(as other: KnownObject) -> Bool {
    if json == other.json { return assignedClusterIPs == other.assignedClusterIPs }
    guard object.kind == .service, clusterIPs == other.clusterIPs,
      assignedClusterIPs.isEmpty != other.assignedClusterIPs.isEmpty
    else { return false }
    return manifest == other.manifest
  }
}

extension KnownObjects {
  /// All objects as manifests that `apply` reads again, sorted by kind, namespace and name.
  ///
  /// - Parameter format: JSON is one `List`; YAML, and text, are documents.
  public func manifests(as format: DumpFormat) -> [UInt8] {
    var output: [UInt8] = []
    if format == .json { output += #"{"apiVersion":"v1","kind":"List","items":["#.utf8 }
    var isFirst = true
    for id in sortedIDs {
      guard let known = objects[id] else { continue }
      if format == .json {
        output += (isFirst ? "\n" : ",\n").utf8
        output += known.manifest
      } else if let root = parseManifest(known.manifest).documents.first?.root {
        output += "---\n".utf8
        output += prettyYAML(of: root)
      }
      isFirst = false
    }
    if format == .json { output += "\n]}\n".utf8 }
    return output
  }
}
