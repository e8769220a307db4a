/// Everything there is to say of one Service: `describe service`.
///
/// The endpoints, and the reasons against them, come from the steps that make the table.
public struct ServiceDescription: Sendable {
  /// One entry of `spec.ports`.
  public struct ServicePort: Sendable {
    public var name: String
    public var transport: TransportProtocol
    public var port: Port
    public var targetPort: Service.TargetPort
    public var nodePort: Port?
    /// All that are ready, of both families, wherever they are; what kubectl shows.
    public var endpoints: [Backend]
    public var counters: ServiceCounters
  }

  /// An address at which this Service is served, or would be.
  public struct ServedAddress: Sendable {
    public var key: FrontendKey
    public var kind: FrontendKind
    public var sourceRanges: [IPPrefix]
    /// Who has the address and port instead (`Service default/other`); nil: this Service has it.
    public var leftTo: String?
  }

  /// Frontends of one port and family that lead to the same endpoints.
  public struct FrontendGroup: Sendable {
    /// The name of the port in `spec.ports`.
    public var portName: String
    public var frontends: [ServedAddress]
    public var inUse: [Backend]
    public var leftOut: [LeftOutEndpoint]
    /// What a client gets if nothing is in use.
    public var whenEmpty: EmptyVerdict
  }

  /// With its assigned clusterIPs and node ports.
  public var service: Service
  public var algorithm: Algorithm
  /// For its UDP ports.
  public var udpChoice: UDPChoice
  public var termination: Termination
  public var ports: [ServicePort] = []
  public var groups: [FrontendGroup] = []
  /// Why there are no frontends at all; nil where there may be some.
  public var unserved: String?

  /// The backends of a port that are in use or were given something, sorted, and what each was
  /// given; none before anybody asked.
  func given(_ port: ServicePort) -> [(backend: Backend, translated: UInt64)] {
    guard port.counters.translated > 0 else { return [] }
    let inUse = groups.lazy.filter { $0.portName == port.name }.flatMap(\.inUse)
    return Set(inUse).union(port.counters.backends.keys).sorted()
      .map { ($0, port.counters.backends[$0] ?? 0) }
  }

  /// nil when there is no such Service among the known objects.
  public init?(
    _ name: NamespacedName, in known: KnownObjects, options: CompileOptions = CompileOptions(),
    counters: [ServicePortName: ServiceCounters] = [:]
  ) {
    guard let service = known[ObjectID(kind: .service, name: name)]?.service else { return nil }
    self.init(service, Surroundings(known, options), counters)
  }

  /// Every known Service, sorted by name: what they have in common is computed once.
  public static func all(
    in known: KnownObjects, options: CompileOptions = CompileOptions(),
    counters: [ServicePortName: ServiceCounters] = [:]
  ) -> [ServiceDescription] {
    let surroundings = Surroundings(known, options)
    return surroundings.index.services.sorted { $0.meta.name < $1.meta.name }
      .map { ServiceDescription($0, surroundings, counters) }
  }

  /// What a Service is seen against.
  struct Surroundings {
    let index: ObjectIndex
    let options: CompileOptions
    let node: NodeIdentity
    let table: ServiceTable

    init(_ known: KnownObjects, _ options: CompileOptions) {
      index = ObjectIndex(known)
      self.options = options
      node = options.node.resolved(in: known)
      table = TableCompiler(options: options).compile(known).table
    }
  }

  init(
    _ service: Service, _ around: Surroundings,
    _ counters: [ServicePortName: ServiceCounters] = [:]
  ) {
    self.service = service
    let (options, node) = (around.options, around.node)
    // What is wrong with annotations apply has said.
    var diagnostics: [Diagnostic] = []
    let chosen = ServiceOptions(of: service, options, &diagnostics)
    (algorithm, udpChoice, termination) = (chosen.algorithm, chosen.udpChoice, chosen.termination)
    unserved = service.reasonAgainstFrontends
    let source = around.index.source(for: service)
    ports = service.ports.map { port in
      ServicePort(
        name: port.name, transport: port.transport, port: port.port,
        targetPort: port.targetPort ?? .number(port.port),
        nodePort: service.nodePort(of: port),
        endpoints: service.readyEndpoints(of: port, source, node),
        counters: counters[
          ServicePortName(
            service: service.meta.name, port: port.name, transport: port.transport)]
          ?? ServiceCounters())
    }
    if service.isSkipped { return }
    var builder = TableBuilder(node: node, options: options, serviceCount: 1, isExplained: true)
    builder.add(service, source)
    groups = ServiceDescription.groups(builder, around.table)
  }

  /// The claims of the Service by where they lead, in the order of `spec.ports`; `table` tells
  /// which of them others have.
  private static func groups(_ builder: TableBuilder, _ table: ServiceTable) -> [FrontendGroup] {
    var served: [Int32: [ServedAddress]] = [:]
    var seen: Set<FrontendKey> = []
    for claim in builder.claims.sorted(by: { ($0.tier, $0.rank) < ($1.tier, $1.rank) })
    where seen.insert(claim.key).inserted {
      guard let winner = table.frontend(at: claim.key) else { continue }
      let list = builder.lists[Int(claim.list)]
      let owner = builder.owners[Int(list.owner)]
      let isOwn = winner.service.service == owner.name && winner.kind != .hostPort
      served[claim.list, default: []].append(
        ServedAddress(
          key: claim.key, kind: claim.kind,
          sourceRanges: claim.sourceRanges.map { builder.sourceRanges[Int($0)] } ?? [],
          leftTo: isOwn
            ? nil
            : "\(winner.kind == .hostPort ? "Pod" : "Service") \(winner.service.service)"))
    }
    return builder.lists.indices.compactMap { i in
      guard let frontends = served[Int32(i)] else { return nil }
      let list = builder.lists[i]
      return FrontendGroup(
        portName: list.portName,
        frontends: frontends.sorted { ($0.kind.order, $0.key) < ($1.kind.order, $1.key) },
        inUse: list.backends, leftOut: list.leftOut, whenEmpty: list.whenEmpty)
    }
  }
}

extension ServiceTable {
  /// The frontend with this key; frontends are sorted.
  fileprivate func frontend(at key: FrontendKey) -> Frontend? {
    var (low, high) = (0, frontends.count)
    while low < high {
      let middle = (low + high) / 2
      if frontends[middle].key < key { low = middle + 1 } else { high = middle }
    }
    return low < frontends.count && frontends[low].key == key ? frontends[low] : nil
  }
}

extension FrontendKind {
  fileprivate var order: Int { FrontendKind.allCases.firstIndex(of: self) ?? 0 }
}

extension Service {
  var reasonAgainstFrontends: String? {
    if isLeftToAnotherProxy {
      return "left to another proxy by the label service.kubernetes.io/service-proxy-name"
    }
    if kind == .externalName { return "ExternalName is for DNS only" }
    if isHeadless { return "headless Services are for DNS only" }
    return clusterIPs.isEmpty ? "it has no clusterIP" : nil
  }

  fileprivate func readyEndpoints(
    of port: ServicePort, _ source: EndpointSource, _ node: NodeIdentity
  ) -> [Backend] {
    IPFamily.allCases.flatMap { family in
      EndpointQuestion(
        port: port, publishNotReady: publishNotReadyAddresses, family: family, node: node
      ).ask(source).candidates.filter { $0.conditions.contains(.ready) }.map(\.backend)
    }
  }
}
