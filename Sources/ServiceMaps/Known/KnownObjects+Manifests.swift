import ManifestText

extension KnownObject {
  /// The object as a manifest, with the clusterIPs and node ports that were assigned to it: what
  /// the API server would answer. Canonical JSON.
  public var manifest: [UInt8] {
    guard !assignedClusterIPs.isEmpty || !assignedNodePorts.isEmpty,
      let root = parseManifest(json).documents.first?.root
    else { return json }
    let addresses = clusterIPs.map { "\($0)" }
    var edits: [TextEdit] = []
    if !assignedClusterIPs.isEmpty {
      edits = [
        .set("spec", "clusterIP", to: addresses.first ?? ""),
        .set("spec", "clusterIPs", to: addresses),
      ]
    }
    if !assignedNodePorts.isEmpty, let ports = root["spec"]?["ports"] {
      edits.append(.set("spec", "ports", toJSON: portsWithNumbers(ports)))
    }
    return canonicalJSON(of: root, editing: edits)
  }

  /// `spec.ports` with the assigned node ports in place.
  private func portsWithNumbers(_ ports: TextNode) -> [UInt8] {
    var json = Array("[".utf8)
    for port in ports.elements {
      if json.count > 1 { json += ",".utf8 }
      let isGiven = port["nodePort"].map { !$0.isNull } ?? false
      if !isGiven, let number = assignedNodePorts[port["name"]?.string ?? ""] {
        json += canonicalJSON(
          of: port, editing: [.set("nodePort", toJSON: Array("\(number)".utf8))])
      } else {
        json += canonicalJSON(of: port)
      }
    }
    return json + Array("]".utf8)
  }

  /// Whether applying one after the other changes nothing: also when one names the clusterIP or
  /// node port that the other was assigned.
  func isSame(as other: KnownObject) -> Bool {
    if json == other.json { return hasSameAssigned(as: other) }
    guard object.kind == .service, clusterIPs == other.clusterIPs, !hasSameAssigned(as: other)
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
