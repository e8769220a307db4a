import ManifestText

/// What of an object may leave the machine: what socklb reads of it, and no more.
///
/// Pods have environment variables and command lines, annotations have whole manifests
/// (`last-applied-configuration`), and each may have passwords in it.
extension KnownObjects {
  /// All objects as one `List` in JSON, as `dump objects -o json` prints it, with what socklb does not
  /// read replaced by `redacted`.
  public func redactedManifests() -> [UInt8] {
    var output = Array(#"{"apiVersion":"v1","kind":"List","items":["#.utf8)
    var isFirst = true
    for id in sortedIDs {
      guard let known = objects[id] else { continue }
      guard let root = parseManifest(known.manifest).documents.first?.root else { continue }
      output += (isFirst ? "\n" : ",\n").utf8
      var redactor = Redactor()
      redactor.write(root, at: [], kind: id.kind)
      output += redactor.output.bytes
      isFirst = false
    }
    return output + "\n]}\n".utf8
  }
}

extension ServiceDescription {
  /// Without the annotations that socklb does not read.
  public var redacted: ServiceDescription {
    var copy = self
    copy.service.meta.annotations = service.meta.annotations.filter {
      Redactor.isRead(annotation: $0.key)
    }
    return copy
  }
}

/// Writes a tree as JSON, and keeps the text of scalars only where it is known to be harmless.
private struct Redactor {
  var output = OutputBuffer()

  /// What is written in the place of a value that is not known.
  private static let mark = "redacted"

  /// Members below `spec` of a Pod, and elements of its containers, that socklb reads.
  private static let podSpec: Set<String> = [
    "containers", "initContainers", "nodeName", "hostNetwork", "subdomain", "hostname",
  ]
  private static let container: Set<String> = ["name", "ports", "restartPolicy"]
  private static let podStatus: Set<String> = [
    "phase", "podIP", "podIPs", "hostIP", "hostIPs", "conditions",
  ]
  private static let top: Set<String> = [
    "apiVersion", "kind", "metadata", "spec", "status", "subsets", "addressType", "endpoints",
    "ports",
  ]
  private static let condition: Set<String> = ["type", "status"]
  private static let metadata: Set<String> = [
    "name", "namespace", "labels", "annotations", "deletionTimestamp", "generateName", "uid",
    "creationTimestamp", "resourceVersion", "generation", "ownerReferences",
  ]

  mutating func write(_ node: TextNode, at path: [String], kind: ObjectKind) {
    switch node.kind {
    case .mapping:
      output.append("{")
      var isFirst = true
      for member in node.members {
        guard let key = member.key.string else { continue }
        if !isFirst { output.append(",") }
        isFirst = false
        output.append(quoted: key)
        output.append(":")
        if Self.isHarmless(key, at: path, kind) {
          write(member.value, at: path + [key], kind: kind)
        } else {
          output.append(quoted: Self.mark)
        }
      }
      output.append("}")
    case .sequence:
      output.append("[")
      for (i, element) in node.elements.enumerated() {
        if i > 0 { output.append(",") }
        write(element, at: path, kind: kind)
      }
      output.append("]")
    case .string: output.append(quoted: node.string ?? "")
    default: output.append(String(decoding: canonicalJSON(of: node), as: UTF8.self))
    }
  }

  /// Indexes of lists are not in paths.
  private static func isHarmless(_ key: String, at path: [String], _ kind: ObjectKind) -> Bool {
    switch path {
    case []: top.contains(key)
    case ["metadata"]: metadata.contains(key)
    case ["metadata", "annotations"]: isRead(annotation: key)
    default: kind == .pod ? isHarmlessInPod(key, at: path) : true
    }
  }

  /// The annotations that decide something here.
  static func isRead(annotation: String) -> Bool {
    annotation.hasPrefix("socklb.io/")
  }

  private static func isHarmlessInPod(_ key: String, at path: [String]) -> Bool {
    switch path {
    case ["spec"]: podSpec.contains(key)
    case ["spec", "containers"], ["spec", "initContainers"]: container.contains(key)
    case ["status"]: podStatus.contains(key)
    case ["status", "conditions"]: condition.contains(key)
    default: true
    }
  }
}
