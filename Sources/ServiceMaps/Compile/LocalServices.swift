/// What a Service with a policy `Local` has on this node.
public struct LocalService: Hashable, Sendable {
  /// Where load balancers ask for it; only with type LoadBalancer and externalTrafficPolicy Local
  /// (pkg/proxy/serviceport.go).
  public var healthCheckNodePort: Port?
  /// Addresses of ready endpoints on this node, each once; of the family that has more of them,
  /// because a Pod of both families is one endpoint.
  public var localEndpoints = 0
  /// Service ports that have endpoints, but none on this node, and a policy that wants them there.
  public var internalWithout = FamilyCount()
  public var externalWithout = FamilyCount()

  public struct FamilyCount: Hashable, Sendable {
    public var v4 = 0
    public var v6 = 0

    public init() {}

    public static func += (a: inout FamilyCount, b: FamilyCount) {
      a.v4 += b.v4
      a.v6 += b.v6
    }

    mutating func add(_ family: IPFamily) {
      if family == .v4 { v4 += 1 } else { v6 += 1 }
    }
  }

  /// - Returns: nil when no policy asks where its endpoints are.
  init?(_ service: Service, _ source: EndpointSource, _ node: NodeIdentity) {
    let isInternal = service.internalTrafficPolicy == .local
    let isExternal = service.isExternallyLocal
    guard isInternal || isExternal else { return nil }
    if isExternal && service.kind == .loadBalancer {
      healthCheckNodePort = service.healthCheckNodePort
    }
    var addresses: [IPFamily: Set<IPAddress>] = [:]
    for family in IPFamily.allCases where service.isServed(in: family) {
      for port in service.ports {
        let candidates = EndpointQuestion(
          port: port, publishNotReady: service.publishNotReadyAddresses, family: family,
          node: node
        ).ask(source)
        for candidate in candidates.candidates
        where candidate.conditions.isSuperset(of: [.ready, .onThisNode]) {
          addresses[family, default: []].insert(candidate.backend.address)
        }
        guard candidates.hasUsable,
          candidates.backends(by: candidates.localRule()).isEmpty
        else { continue }
        if isInternal { internalWithout.add(family) }
        if isExternal { externalWithout.add(family) }
      }
    }
    localEndpoints = addresses.values.map(\.count).max() ?? 0
  }
}

/// All Services with a policy `Local`.
public struct LocalServices: Sendable {
  public private(set) var services: [NamespacedName: LocalService] = [:]
  /// Another one when they differ.
  public internal(set) var version: UInt64 = 0

  public init() {}

  mutating func set(_ name: NamespacedName, _ service: LocalService?) {
    guard services[name] != service else { return }
    services[name] = service
    version += 1
  }
}

extension Service {
  /// `externalTrafficPolicy: Local`, of a Service that is reached from outside
  /// (pkg/api/v1/service/util.go, ExternalPolicyLocal).
  var isExternallyLocal: Bool {
    externalTrafficPolicy == .local && (kind.hasNodePorts || !externalIPs.isEmpty)
  }
}
