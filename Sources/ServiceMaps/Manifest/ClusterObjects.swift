import ManifestText

/// An object as an API server sends it, with what its kind needs and nothing else.
public struct ClusterItem: Sendable {
  public var id: ObjectID
  /// `metadata.resourceVersion`: opaque, but for the order that the server gives it.
  public var resourceVersion: String
  /// `metadata.uid`
  public var uid = ""
  /// nil: it has errors, or is of no interest (a Pod without a host port).
  public var object: ManifestObject?
  /// What is wrong with it; errors mean that it cannot be used.
  public var diagnostics: [Diagnostic] = []

  public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
}

/// One event of a watch.
public enum ClusterEvent: Sendable {
  /// ADDED or MODIFIED: what it is now.
  case present(ClusterItem)
  case deleted(ObjectID, resourceVersion: String)
  /// Nothing that is watched has changed up to here.
  case bookmark(resourceVersion: String, endsInitialEvents: Bool)
  /// ERROR: the watch is over; a Status.
  case failed(ClusterStatus)
  /// Of a type that is not known.
  case unknown(String)
  /// It cannot be told what it is.
  case undecodable(String)
}

/// A Status object: how an API server says that something failed.
public struct ClusterStatus: Hashable, Sendable {
  /// As an HTTP status.
  public var code: Int
  /// Expired, TooManyRequests, …; empty when there is none.
  public var reason: String
  public var message: String
  /// `details.retryAfterSeconds`.
  public var retryAfterSeconds: Int?
  /// `details.causes[].reason`.
  public var causes: [String]

  public init(
    code: Int, reason: String = "", message: String = "", retryAfterSeconds: Int? = nil,
    causes: [String] = []
  ) {
    self.code = code
    self.reason = reason
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
    self.causes = causes
  }

  /// Of the body of an answer; nil when it is none.
  public init?(decoding bytes: [UInt8]) {
    guard let root = parseManifest(bytes).documents.first?.root else { return nil }
    self.init(root)
  }

  init?(_ node: TextNode) {
    guard node["kind"]?.string == "Status" else { return nil }
    let details = node["details"]
    self.init(
      code: Int(node["code"]?.integer ?? 0), reason: node["reason"]?.string ?? "",
      message: node["message"]?.string ?? "",
      retryAfterSeconds: details?["retryAfterSeconds"]?.integer.map { Int($0) },
      causes: details?["causes"]?.elements.compactMap { $0["reason"]?.string } ?? [])
  }
}

/// What a list says of itself.
public struct ClusterListHead: Hashable, Sendable {
  public var resourceVersion: String
  /// Where the next page begins; empty: this is the last one.
  public var continueToken: String

  public init(resourceVersion: String, continueToken: String) {
    self.resourceVersion = resourceVersion
    self.continueToken = continueToken
  }
}

/// Reads what an API server sends of one kind of object.
public struct ClusterDecoder: Sendable {
  public let kind: ObjectKind

  public init(_ kind: ObjectKind) { self.kind = kind }

  /// An item of a list, which has no kind of its own; nil when it has no name, or is no object.
  public func item(_ bytes: [UInt8]) -> ClusterItem? {
    guard let root = Self.root(bytes) else { return nil }
    return item(root)
  }

  /// A list without its items; nil when it is none.
  public func head(_ bytes: [UInt8]) -> ClusterListHead? {
    guard let root = Self.root(bytes), root["kind"]?.string == kind.rawValue + "List",
      let metadata = root["metadata"], let version = metadata["resourceVersion"]?.string
    else { return nil }
    return ClusterListHead(
      resourceVersion: version, continueToken: metadata["continue"]?.string ?? "")
  }

  public func event(_ bytes: [UInt8]) -> ClusterEvent {
    guard let root = Self.root(bytes), let type = root["type"]?.string,
      let object = root["object"], object.kind == .mapping
    else { return .undecodable("it is no JSON object with type and object") }
    switch type {
    case "ADDED", "MODIFIED":
      guard let item = item(object) else { return .undecodable("a \(kind.rawValue) has no name") }
      return .present(item)
    case "DELETED":
      guard let id = id(object) else { return .undecodable("a \(kind.rawValue) has no name") }
      return .deleted(id, resourceVersion: Self.version(object))
    case "BOOKMARK":
      let annotations = object["metadata"]?["annotations"]
      return .bookmark(
        resourceVersion: Self.version(object),
        endsInitialEvents: annotations?["k8s.io/initial-events-end"]?.string == "true")
    case "ERROR":
      return .failed(
        ClusterStatus(object) ?? ClusterStatus(code: 500, message: "an error without a Status"))
    default: return .unknown(type)
    }
  }

  private static func root(_ bytes: [UInt8]) -> TextNode? {
    let text = parseManifest(bytes)
    guard text.problems.isEmpty, text.documents.count == 1, let root = text.documents.first?.root,
      root.kind == .mapping
    else { return nil }
    return root
  }

  private static func version(_ object: TextNode) -> String {
    object["metadata"]?["resourceVersion"]?.string ?? ""
  }

  private func id(_ object: TextNode) -> ObjectID? {
    guard let metadata = object["metadata"], let name = metadata["name"]?.string, !name.isEmpty
    else { return nil }
    let namespace = kind == .node ? "" : metadata["namespace"]?.string ?? "default"
    return ObjectID(kind: kind, name: NamespacedName(namespace: namespace, name: name))
  }

  private func item(_ node: TextNode) -> ClusterItem? {
    guard let id = id(node) else { return nil }
    var result = ClusterItem(id: id, resourceVersion: Self.version(node))
    result.uid = node["metadata"]?["uid"]?.string ?? ""
    let source = ClusterItem.source(of: id)
    var decoder = ObjectDecoder(file: source, document: 1, path: TextPath(), node: node)
    let decoded = decoder.decode(node, as: kind)
    result.diagnostics = decoder.diagnostics.map {
      // There is no file that somebody could look into.
      var diagnostic = $0
      (diagnostic.file, diagnostic.document, diagnostic.line) = (nil, nil, nil)
      return diagnostic
    }
    guard let decoded, !decoder.hasErrors, Self.isOfInterest(decoded) else { return result }
    var writer = CanonicalJSONWriter()
    result.object = ManifestObject(
      object: decoded.withoutExtras,
      json: writer.text(
        of: node, keeping: ClusterMask.mask(of: kind),
        adding: ["kind": kind.rawValue, "apiVersion": kind.apiVersion]),
      origin: ManifestObject.Origin(file: source, document: 1, line: 1))
    return result
  }

  private static func isOfInterest(_ object: KubernetesObject) -> Bool {
    guard case .pod(let pod) = object else { return true }
    return !pod.usesHostNetwork && !pod.isFinished && pod.ports.contains { $0.hostPort != nil }
  }
}

extension ClusterItem {
  /// What stands where a file's name would: `service/default/web`.
  public static func source(of id: ObjectID) -> String {
    id.name.namespace.isEmpty
      ? "\(id.kind.resourceName)/\(id.name.name)" : "\(id.kind.resourceName)/\(id.name)"
  }

  /// The object that `source` stands for; nil when it is none.
  public static func id(ofSource text: String) -> ObjectID? {
    let parts = text.split(separator: "/").map(String.init)
    guard let kind = ObjectKind.allCases.first(where: { $0.resourceName == parts.first }),
      parts.count == (kind == .node ? 2 : 3)
    else { return nil }
    return ObjectID(
      kind: kind,
      name: NamespacedName(
        namespace: kind == .node ? "" : parts[1], name: parts[parts.count - 1]))
  }
}

/// What is kept of an object: what the rules read, and what people look for in `describe`.
private enum ClusterMask {
  static func mask(of kind: ObjectKind) -> TextMask {
    switch kind {
    case .service: service
    case .endpointSlice: slice
    case .endpoints: .all
    case .pod: pod
    case .node: node
    }
  }

  private static let service = TextMask.members([
    "metadata": metadata(labels: .all), "spec": .all,
    "status": .members(["loadBalancer": .all]),
  ])
  private static let slice = TextMask.members([
    "metadata": metadata(labels: labels(of: .endpointSlice)), "addressType": .all, "ports": .all,
    "endpoints": .members([
      "addresses": .all, "conditions": .unless(defaultConditions), "hints": .all, "nodeName": .all,
      "zone": .all,
    ]),
  ])
  /// What an endpoint is without conditions (nil is ready, serving, not terminating, as in kube-proxy). Most say just this.
  private static let defaultConditions = [
    "ready": "true", "serving": "true", "terminating": "false",
  ]
  private static let pod = TextMask.members([
    "metadata": metadata(labels: nil),
    "spec": .members([
      "hostNetwork": .all, "nodeName": .all, "containers": .members(["name": .all, "ports": .all]),
      "initContainers": .members(["name": .all, "restartPolicy": .all, "ports": .all]),
    ]),
    "status": .members([
      "phase": .all, "podIP": .all, "podIPs": .all,
      "conditions": .members(["type": .all, "status": .all]),
    ]),
  ])
  private static let node = TextMask.members([
    "metadata": metadata(labels: labels(of: .node)),
    "spec": .members(["taints": .members(["key": .all, "effect": .all])]),
    "status": .members(["addresses": .all]),
  ])

  private static func metadata(labels: TextMask?) -> TextMask {
    var members: [String: TextMask] = [
      "name": .all, "namespace": .all, "creationTimestamp": .all, "deletionTimestamp": .all,
      "annotations": .prefixes(KubernetesObject.annotationsOfRules),
    ]
    members["labels"] = labels
    return .members(members)
  }

  private static func labels(of kind: ObjectKind) -> TextMask {
    .members(
      Dictionary(uniqueKeysWithValues: KubernetesObject.labelsOfRules(kind).map { ($0, .all) }))
  }
}

extension KubernetesObject {
  /// What the annotations begin with that rules and metrics look at.
  fileprivate static let annotationsOfRules = [
    "socklb.io/", "endpoints.kubernetes.io/last-change-trigger-time",
  ]

  /// The labels that rules look at. In the JSON a Service keeps all, for `describe`.
  fileprivate static func labelsOfRules(_ kind: ObjectKind) -> [String] {
    switch kind {
    case .endpointSlice: ["kubernetes.io/service-name", "service.kubernetes.io/headless"]
    case .node: ["topology.kubernetes.io/zone"]
    case .service: ["service.kubernetes.io/service-proxy-name"]
    case .endpoints, .pod: []
    }
  }

  /// With what rules look at.
  fileprivate var withoutExtras: KubernetesObject {
    func reduced(_ meta: ObjectMeta) -> ObjectMeta {
      var meta = meta
      // With keys that are the same text for all, and take no memory.
      meta.labels = Dictionary(
        uniqueKeysWithValues: Self.labelsOfRules(kind).compactMap { key in
          meta.labels[key].map { (key, $0) }
        })
      meta.annotations = meta.annotations.filter { annotation in
        Self.annotationsOfRules.contains(where: annotation.key.hasPrefix)
      }
      return meta
    }
    switch self {
    case .service(var object):
      object.meta = reduced(object.meta)
      return .service(object)
    case .endpointSlice(var object):
      object.meta = reduced(object.meta)
      return .endpointSlice(object)
    case .endpoints: return self
    case .pod(var object):
      object.meta = reduced(object.meta)
      return .pod(object)
    case .node(var object):
      object.meta = reduced(object.meta)
      return .node(object)
    }
  }
}
