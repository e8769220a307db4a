/// An object that was applied, with what socklb added to it.
public struct KnownObject: Hashable, Sendable {
  /// As its manifest says, without anything assigned.
  public var object: KubernetesObject
  /// The whole object in canonical JSON (see `ManifestObject.json`).
  public var json: [UInt8]
  /// The clusterIPs that the manifest does not give: allocated here, or kept from a
  /// predecessor. At most one per family. nodePorts will be kept in the same way.
  public var assignedClusterIPs: [IPAddress]

  public init(object: KubernetesObject, json: [UInt8], assignedClusterIPs: [IPAddress] = []) {
    self.object = object
    self.json = json
    self.assignedClusterIPs = assignedClusterIPs
  }

  /// The Service with its assigned clusterIPs in place; nil for other kinds.
  public var service: Service? {
    guard case .service(var service) = object else { return nil }
    if service.hasClusterIPs { service.clusterIPs += assignedClusterIPs }
    return service
  }

  /// Explicit clusterIPs, then assigned ones: the first is the primary, as in the API.
  public var clusterIPs: [IPAddress] {
    guard case .service(let service) = object, service.hasClusterIPs else { return [] }
    return service.clusterIPs + assignedClusterIPs
  }
}

extension Service {
  /// False for headless Services and for ExternalName, which is skipped even when a clusterIP is
  /// set (pkg/proxy/util/utils.go, ShouldSkipService).
  var hasClusterIPs: Bool { !isHeadless && kind != .externalName }
}
