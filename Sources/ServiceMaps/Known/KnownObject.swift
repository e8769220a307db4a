/// An object that was applied, with what socklb added to it.
public struct KnownObject: Hashable, Sendable {
  /// As its manifest says, without anything assigned.
  public var object: KubernetesObject { shared.object }
  /// The whole object in canonical JSON (see `ManifestObject.json`).
  public var json: [UInt8]
  /// The clusterIPs that the manifest does not give: allocated here, or kept from a
  /// predecessor. At most one per family.
  public var assignedClusterIPs: [IPAddress]
  /// The node ports that the manifest does not give, by port name.
  public var assignedNodePorts: [String: Port]
  let shared: SharedObject

  public init(
    object: KubernetesObject, json: [UInt8], assignedClusterIPs: [IPAddress] = [],
    assignedNodePorts: [String: Port] = [:]
  ) {
    shared = SharedObject(object)
    self.json = json
    self.assignedClusterIPs = assignedClusterIPs
    self.assignedNodePorts = assignedNodePorts
  }

  init(
    _ manifest: ManifestObject, assignedClusterIPs: [IPAddress], assignedNodePorts: [String: Port]
  ) {
    shared = manifest.shared
    json = manifest.json
    self.assignedClusterIPs = assignedClusterIPs
    self.assignedNodePorts = assignedNodePorts
  }

  /// The Service with its assigned clusterIPs and node ports in place; nil for other kinds.
  public var service: Service? {
    guard case .service(var service) = object else { return nil }
    if service.hasClusterIPs { service.clusterIPs += assignedClusterIPs }
    if !assignedNodePorts.isEmpty {
      for i in service.ports.indices where service.ports[i].nodePort == nil {
        service.ports[i].nodePort = assignedNodePorts[service.ports[i].name]
      }
    }
    return service
  }

  /// Explicit clusterIPs, then assigned ones: the first is the primary, as in the API.
  public var clusterIPs: [IPAddress] {
    guard case .service(let service) = object, service.hasClusterIPs else { return [] }
    return service.clusterIPs + assignedClusterIPs
  }
}

extension KnownObject {
  public static func == (a: KnownObject, b: KnownObject) -> Bool {
    a.json == b.json && a.hasSameAssigned(as: b) && a.object == b.object
  }

  func hasSameAssigned(as other: KnownObject) -> Bool {
    assignedClusterIPs == other.assignedClusterIPs && assignedNodePorts == other.assignedNodePorts
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(json)
    hasher.combine(assignedClusterIPs)
  }
}

extension Service {
  /// False for headless Services and for ExternalName, which is skipped even when a clusterIP is
  /// set (pkg/proxy/util/utils.go, ShouldSkipService).
  var hasClusterIPs: Bool { !isHeadless && kind != .externalName }
}
