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

  /// What may stay, by kind and by where it is; indexes of lists are not in paths. All that is below
  /// a path that is not here is left out, but for what is below `open`.
  private static let harmless: [ObjectKind: [String: Set<String>]] = [
    .service: [
      "spec": [
        "type", "clusterIP", "clusterIPs", "ports", "selector", "externalIPs", "externalName",
        "sessionAffinity", "sessionAffinityConfig", "internalTrafficPolicy",
        "externalTrafficPolicy", "trafficDistribution", "loadBalancerIP",
        "loadBalancerSourceRanges", "loadBalancerClass", "healthCheckNodePort", "ipFamilies",
        "ipFamilyPolicy", "publishNotReadyAddresses", "allocateLoadBalancerNodePorts",
      ],
      "spec.ports": ["name", "port", "targetPort", "protocol", "nodePort", "appProtocol"],
      "spec.sessionAffinityConfig": ["clientIP"],
      "spec.sessionAffinityConfig.clientIP": ["timeoutSeconds"],
      "status": ["loadBalancer"],
      "status.loadBalancer": ["ingress"],
      "status.loadBalancer.ingress": ["ip", "ipMode", "hostname"],
    ],
    .endpoints: [
      "subsets": ["addresses", "notReadyAddresses", "ports"],
      "subsets.addresses": address, "subsets.notReadyAddresses": address,
      "subsets.addresses.targetRef": reference, "subsets.notReadyAddresses.targetRef": reference,
      "subsets.ports": port,
    ],
    .endpointSlice: [
      "endpoints": [
        "addresses", "conditions", "hints", "hostname", "nodeName", "targetRef", "zone",
        "topology", "deprecatedTopology",
      ],
      "endpoints.conditions": ["ready", "serving", "terminating"],
      "endpoints.hints": ["forNodes", "forZones"],
      "endpoints.hints.forNodes": ["name"], "endpoints.hints.forZones": ["name"],
      "endpoints.targetRef": reference,
      "ports": port,
    ],
    .node: ["status": ["addresses"], "status.addresses": ["type", "address"]],
    .pod: [
      "spec": [
        "containers", "initContainers", "nodeName", "hostNetwork", "subdomain", "hostname",
      ],
      "spec.containers": container, "spec.initContainers": container,
      "spec.containers.ports": containerPort, "spec.initContainers.ports": containerPort,
      "status": ["phase", "podIP", "podIPs", "hostIP", "hostIPs", "conditions"],
      "status.podIPs": ["ip"], "status.hostIPs": ["ip"],
      "status.conditions": ["type", "status"],
    ],
  ]
  private static let address: Set<String> = ["ip", "hostname", "nodeName", "targetRef"]
  private static let reference: Set<String> = ["kind", "name", "namespace"]
  private static let port: Set<String> = ["name", "port", "protocol", "appProtocol"]
  private static let container: Set<String> = ["name", "ports", "restartPolicy"]
  private static let containerPort: Set<String> = [
    "name", "containerPort", "hostPort", "hostIP", "protocol",
  ]
  /// Below these everything is a name that somebody chose.
  private static let open: Set<String> = [
    "metadata.labels", "metadata.ownerReferences", "spec.selector", "endpoints.topology",
    "endpoints.deprecatedTopology",
  ]
  private static let top: Set<String> = [
    "apiVersion", "kind", "metadata", "spec", "status", "subsets", "addressType", "endpoints",
    "ports",
  ]
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

  private static func isHarmless(_ key: String, at path: [String], _ kind: ObjectKind) -> Bool {
    switch path {
    case []: top.contains(key)
    case ["metadata"]: metadata.contains(key)
    case ["metadata", "annotations"]: isRead(annotation: key)
    default: isHarmless(key, below: path.joined(separator: "."), kind)
    }
  }

  private static func isHarmless(_ key: String, below path: String, _ kind: ObjectKind) -> Bool {
    open.contains(path) || harmless[kind]?[path]?.contains(key) == true
  }

  /// The annotations that decide something here.
  static func isRead(annotation: String) -> Bool {
    annotation.hasPrefix("socklb.io/")
  }
}
