/// Computes the table from what is known: Services and their endpoints in, frontends out.
///
/// Pure: equal objects and options give equal tables and equal diagnostics.
public struct TableCompiler: Sendable {
  public var options: CompileOptions

  public init(options: CompileOptions = CompileOptions()) { self.options = options }

  public func compile(_ known: KnownObjects) -> CompiledTable {
    let index = ObjectIndex(known)
    var builder = TableBuilder(
      node: options.node.resolved(in: known), options: options,
      serviceCount: index.services.count)
    for service in index.services where !service.isSkipped {
      builder.add(service, index.source(for: service))
    }
    builder.addHostPorts(of: index.podsWithHostPorts)
    builder.note(orphans: index.orphans)
    return builder.finish()
  }
}

/// What the table is made of while it is made.
struct TableBuilder {
  let node: NodeIdentity
  private let options: CompileOptions
  private let isExplained: Bool
  private let nodeAddresses: NodeAddresses
  private(set) var owners: [FrontendOwner] = []
  private(set) var lists: [FrontendList] = []
  private(set) var claims: [FrontendClaim] = []
  private(set) var sourceRanges: [[IPPrefix]] = []
  private var kept: [KeptCandidates] = []
  private var guarded: [IPAddress] = []
  private var diagnostics: [Diagnostic] = []

  /// - Parameter isExplained: whether lists say what they leave out.
  init(
    node: NodeIdentity, options: CompileOptions, serviceCount: Int, isExplained: Bool = false
  ) {
    self.node = node
    self.options = options
    self.isExplained = isExplained
    nodeAddresses = NodeAddresses(node, options)
    owners.reserveCapacity(serviceCount)
    lists.reserveCapacity(serviceCount)
    claims.reserveCapacity(serviceCount * 2)
  }

  // MARK: Services

  mutating func add(_ service: Service, _ source: EndpointSource) {
    owners.append(
      FrontendOwner(
        kind: .service, name: service.meta.name,
        creationTimestamp: service.meta.creationTimestamp,
        affinityTimeout: service.affinityTimeout,
        options: ServiceOptions(of: service, options, &diagnostics)))
    for family in IPFamily.allCases where service.isServed(in: family) {
      let addresses = service.addresses(in: family)
      for (i, port) in service.ports.enumerated() {
        let candidates = EndpointQuestion(
          port: port, publishNotReady: service.publishNotReadyAddresses, family: family,
          node: node, isExplained: isExplained
        ).ask(source)
        add(service, port, Int32(i), family, addresses, candidates)
      }
      if options.guardClusterIPs && !service.ports.isEmpty {
        guarded += service.clusterIPs.filter { $0.family == family }
      }
    }
    warnOfNodePorts(service)
  }

  /// The frontends of one port: its ClusterIP follows `internalTrafficPolicy`; all others, for
  /// traffic from this node, go to the cluster list whatever `externalTrafficPolicy` says
  /// (the short-circuit in pkg/proxy/nftables/proxier.go).
  private mutating func add(
    _ service: Service, _ port: Service.ServicePort, _ index: Int32, _ family: IPFamily,
    _ addresses: [ServiceAddress], _ candidates: EndpointCandidates
  ) {
    let isLocal = service.internalTrafficPolicy == .local
    let nodePort = service.nodePort(of: port)
    var lists = PortLists(
      candidates, owner: Int32(owners.count - 1), port: index, portName: port.name)
    for address in addresses {
      let scope: PortLists.Scope = isLocal && address.kind == .clusterIP ? .local : .cluster
      var claim = FrontendClaim(
        key: FrontendKey(address: address.address, port: port.port, transport: port.transport),
        kind: address.kind, list: lists.list(scope, in: &self.lists))
      if address.kind == .loadBalancer {
        let ranges = service.sourceRanges(for: address.address, node: node)
        if !ranges.isEmpty {
          claim.sourceRanges = Int32(sourceRanges.count)
          sourceRanges.append(ranges)
        }
      }
      claims.append(claim)
    }
    if let nodePort {
      for address in nodeAddresses.forNodePorts(family) {
        claims.append(
          FrontendClaim(
            key: FrontendKey(address: address, port: nodePort, transport: port.transport),
            kind: .nodePort, list: lists.list(.cluster, in: &self.lists)))
      }
    }
    if let kept = lists.kept(transport: port.transport, self.lists) { self.kept.append(kept) }
  }

  private mutating func warnOfNodePorts(_ service: Service) {
    if service.kind.hasNodePorts { return }
    for (i, port) in service.ports.enumerated() {
      guard let nodePort = port.nodePort else { continue }
      diagnostics.append(
        Diagnostic(
          .warning, object: "Service \(service.meta.name)", path: "spec.ports[\(i)].nodePort",
          "\(nodePort) is not used: a Service of type \(service.kind.rawValue) has no node ports"))
    }
  }

  // MARK: Host ports

  mutating func addHostPorts(of pods: [Pod]) {
    if pods.isEmpty { return }
    var taken: Set<HostPort.Name> = []
    for list in lists {
      taken.insert(HostPort.Name(owner: owners[Int(list.owner)].name, port: list.portName))
    }
    for pod in pods where pod.servesHostPorts(on: node) {
      owners.append(
        FrontendOwner(
          kind: .pod, name: pod.meta.name, creationTimestamp: pod.meta.creationTimestamp,
          options: ServiceOptions(options)))
      for (i, port) in pod.hostPorts.enumerated() {
        let name = port.name(in: pod, &taken)
        for address in pod.addresses {
          let list = Int32(lists.count)
          lists.append(
            FrontendList(
              owner: Int32(owners.count - 1), port: Int32(i), portName: name,
              backends: [Backend(address: address, port: port.containerPort)]))
          for host in port.addresses(nodeAddresses.forHostPorts(address.family), address.family) {
            claims.append(
              FrontendClaim(
                key: FrontendKey(
                  address: host, port: port.hostPort, transport: port.transport),
                kind: .hostPort, list: list))
          }
        }
      }
    }
  }

  // MARK: The table

  mutating func note(orphans: [EndpointSlice]) {
    diagnostics += orphans.map { slice in
      Diagnostic(
        .note, object: "EndpointSlice \(slice.meta.name)",
        "its Service \(slice.serviceName?.description ?? "") is not known; "
          + "kept for when it comes")
    }
  }

  func finish() -> CompiledTable {
    var conflicts = FrontendConflicts(owners: owners, lists: lists)
    let winners = conflicts.settle(claims)
    let frontends = winners.map(frontend)
    let diagnostics = (diagnostics + conflicts.diagnostics)
      .sorted { ($0.object ?? "", $0.message) < ($1.object ?? "", $1.message) }
    return CompiledTable(
      table: ServiceTable(
        frontends: frontends, guardedAddresses: guarded, keptEndpoints: keptEndpoints(winners)),
      diagnostics: diagnostics)
  }

  private func keptEndpoints(_ winners: [FrontendClaim]) -> [KeptEndpoint] {
    if kept.isEmpty { return [] }
    let used = Set(winners.lazy.map(\.list))
    return kept.flatMap { candidates -> [KeptEndpoint] in
      guard let first = candidates.lists.first else { return [] }
      let service = serviceName(lists[Int(first)], candidates.transport)
      return candidates.kept(lists) { used.contains($0) }.map {
        KeptEndpoint(service: service, backend: $0)
      }
    }
  }

  private func serviceName(
    _ list: FrontendList, _ transport: TransportProtocol
  ) -> ServicePortName {
    let owner = owners[Int(list.owner)]
    return ServicePortName(
      service: owner.kind == .pod ? HostPort.shortened(owner.name) : owner.name,
      port: list.portName, transport: transport)
  }

  private func frontend(_ claim: FrontendClaim) -> Frontend {
    let list = lists[Int(claim.list)]
    let owner = owners[Int(list.owner)]
    return Frontend(
      key: claim.key, kind: claim.kind, service: serviceName(list, claim.key.transport),
      affinityTimeout: owner.affinityTimeout, algorithm: owner.options.algorithm,
      udpChoice: owner.options.udpChoice(for: claim.key.transport),
      termination: owner.options.termination, whenEmpty: list.whenEmpty,
      sourceRanges: claim.sourceRanges.map { sourceRanges[Int($0)] } ?? [],
      backends: list.backends)
  }
}
