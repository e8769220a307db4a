/// The kinds of objects socklb reads. Everything else in a manifest is skipped with a note.
public enum ObjectKind: String, Hashable, Comparable, Sendable, CaseIterable {
  case node = "Node"
  case pod = "Pod"
  case service = "Service"
  case endpoints = "Endpoints"
  case endpointSlice = "EndpointSlice"

  /// As their names.
  public static func < (a: ObjectKind, b: ObjectKind) -> Bool { a.rank < b.rank }

  private var rank: Int {
    switch self {
    case .endpointSlice: 0
    case .endpoints: 1
    case .node: 2
    case .pod: 3
    case .service: 4
    }
  }

  /// `v1` or `discovery.k8s.io/v1`.
  public var apiVersion: String { self == .endpointSlice ? "discovery.k8s.io/v1" : "v1" }

  /// As kubectl prints it in front of a name: `service`, `endpointslice.discovery.k8s.io`.
  public var resourceName: String {
    self == .endpointSlice ? "endpointslice.discovery.k8s.io" : rawValue.lowercased()
  }
}

/// Identifies an object. Nodes have no namespace (the empty string).
public struct ObjectID: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var kind: ObjectKind
  public var name: NamespacedName

  public init(kind: ObjectKind, name: NamespacedName) {
    self.kind = kind
    self.name = name
  }

  public static func < (a: ObjectID, b: ObjectID) -> Bool {
    a.kind != b.kind ? a.kind < b.kind : a.name < b.name
  }

  /// `service/web`, as kubectl prints it (the namespace is left out).
  public var description: String { "\(kind.resourceName)/\(name.name)" }
}

/// What all objects have in common.
public struct ObjectMeta: Hashable, Sendable {
  public var name: NamespacedName
  public var labels: [String: String]
  public var annotations: [String: String]
  /// RFC 3339 text as given; compares correctly as text because the API always writes UTC.
  public var creationTimestamp: String?

  public init(
    name: NamespacedName, labels: [String: String] = [:], annotations: [String: String] = [:],
    creationTimestamp: String? = nil
  ) {
    self.name = name
    self.labels = labels
    self.annotations = annotations
    self.creationTimestamp = creationTimestamp
  }
}

/// An object as decoded: only the fields that the rules need.
///
/// Indirect, because objects are moved about, sorted for one, and have many references each.
public indirect enum KubernetesObject: Hashable, Sendable {
  case service(Service)
  case endpointSlice(EndpointSlice)
  case endpoints(Endpoints)
  case pod(Pod)
  case node(Node)

  public var meta: ObjectMeta {
    switch self {
    case .service(let object): object.meta
    case .endpointSlice(let object): object.meta
    case .endpoints(let object): object.meta
    case .pod(let object): object.meta
    case .node(let object): object.meta
    }
  }

  public var kind: ObjectKind {
    switch self {
    case .service: .service
    case .endpointSlice: .endpointSlice
    case .endpoints: .endpoints
    case .pod: .pod
    case .node: .node
    }
  }

  public var id: ObjectID { ObjectID(kind: kind, name: name) }

  /// That of `meta`, without a copy of all the rest.
  private var name: NamespacedName {
    switch self {
    case .service(let object): object.meta.name
    case .endpointSlice(let object): object.meta.name
    case .endpoints(let object): object.meta.name
    case .pod(let object): object.meta.name
    case .node(let object): object.meta.name
    }
  }
}
