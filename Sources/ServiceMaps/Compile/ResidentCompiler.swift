/// Computes what a change of some objects makes of the table, for a process that stays: what each
/// Service asks for is kept, and only what an object belongs to is computed again.
///
/// What two claim is settled by looking at all (`TableCompiler`), and so is what depends on the
/// node or on host ports. `ResidentCompilerTests` compare it with `TableCompiler` on random changes.
public struct ResidentCompiler: Sendable {
  /// What a change comes to.
  public enum Outcome: Sendable {
    /// These service ports, and nothing else. `old` is what they had, by key, as `change.frontends`.
    case part(change: TableChange, old: [Frontend], diagnostics: [Diagnostic])
    /// It takes the whole table.
    case whole(CompiledTable)
  }

  /// What one Service asks for when it is alone.
  private struct Part: Sendable {
    var frontends: [Frontend]
    var kept: [KeptEndpoint]
    var guards: [IPAddress]
  }

  private let options: CompileOptions
  private var node: NodeIdentity
  private var parts: [NamespacedName: Part] = [:]
  /// Who claims a key; of those that several claim, one of them.
  private var owners: [FrontendKey: NamespacedName] = [:]
  private var contested: [FrontendKey: Set<NamespacedName>] = [:]
  private var slices: [NamespacedName: Set<NamespacedName>] = [:]
  private var serviceOfSlice: [NamespacedName: NamespacedName] = [:]
  private var pods: [String: [NamespacedName: Pod]] = [:]
  /// Services with a selector, by namespace.
  private var selectors: [String: [NamespacedName: [String: String]]] = [:]
  /// Keys that host ports claim, and the names under which they would be served.
  private var hostKeys: Set<FrontendKey> = []
  private var hostNames: Set<NamespacedName> = []
  private var restrictedServices: Set<NamespacedName> = []
  /// What Services with a policy Local have on this node.
  public private(set) var local = LocalServices()

  public init(_ known: KnownObjects, options: CompileOptions) {
    self.options = options
    node = options.node.resolved(in: known)
    parts.reserveCapacity(known.count / 2)
    for (id, object) in known.objects { index(id, object) }
    for id in known.objects.keys where id.kind == .service { _ = compile(id.name, known) }
    setHostPorts()
  }

  /// Frontends that only some clients may use, in no order.
  public var restricted: [Frontend] {
    restrictedServices.flatMap { name in
      parts[name]?.frontends.filter { !$0.sourceRanges.isEmpty } ?? []
    }
  }

  /// - Parameter changed: every object that came, went or differs, as `known` has it now.
  public mutating func update(_ changed: [ObjectID], in known: KnownObjects) -> Outcome {
    var affected: Set<NamespacedName> = []
    var takesAll = false
    for id in changed {
      switch id.kind {
      case .node: takesAll = takesAll || id.name.name == options.node.name
      case .service, .endpoints: affected.insert(id.name)
      case .endpointSlice:
        if let service = serviceOfSlice[id.name] { affected.insert(service) }
      case .pod:
        affect(id.name, &affected)
        takesAll = takesAll || pods[id.name.namespace]?[id.name]?.hasHostPorts == true
      }
      index(id, known[id])
      switch id.kind {
      case .node, .service, .endpoints: break
      case .endpointSlice:
        if let service = serviceOfSlice[id.name] { affected.insert(service) }
      case .pod:
        affect(id.name, &affected)
        takesAll = takesAll || pods[id.name.namespace]?[id.name]?.hasHostPorts == true
      }
    }
    if takesAll {
      let version = local.version
      self = ResidentCompiler(known, options: options)
      local.version += version + 1
      return .whole(TableCompiler(options: options).compile(known))
    }
    var old: [Frontend] = []
    var new: [Frontend] = []
    var names: Set<ServicePortName> = []
    var kept: [KeptEndpoint] = []
    var guards = (before: Set<IPAddress>(), after: Set<IPAddress>())
    var diagnostics: [Diagnostic] = []
    var isContested = false
    for name in affected {
      let before = parts[name]
      isContested = isContested || before.map(isShared) ?? false || hostNames.contains(name)
      diagnostics += compile(name, known)
      let after = parts[name]
      isContested = isContested || after.map(isShared) ?? false
      old += before?.frontends ?? []
      new += after?.frontends ?? []
      for frontend in before?.frontends ?? [] { names.insert(frontend.service) }
      for kept in before?.kept ?? [] { names.insert(kept.service) }
      kept += after?.kept ?? []
      guards.before.formUnion(before?.guards ?? [])
      guards.after.formUnion(after?.guards ?? [])
    }
    if isContested { return .whole(TableCompiler(options: options).compile(known)) }
    return .part(
      change: TableChange(
        services: names, frontends: new.sorted { $0.key < $1.key }, keptEndpoints: kept.sorted(),
        addedGuards: guards.after.subtracting(guards.before).sorted(),
        removedGuards: guards.before.subtracting(guards.after).sorted()),
      old: old.sorted { $0.key < $1.key },
      diagnostics: diagnostics.sorted {
        ($0.object ?? "", $0.message) < ($1.object ?? "", $1.message)
      }
    )
  }

  /// Where node ports are served, of the node as it is; nil: at all its addresses.
  public var nodePortAddresses: [IPAddress]? {
    switch options.nodePortAddresses {
    case nil: return nil
    case .ranges(let ranges)? where ranges.contains { $0.length == 0 }: return nil
    case .primary?, .ranges?:
      let addresses = NodeAddresses(node, options)
      return IPFamily.allCases.flatMap { addresses.forNodePorts($0) }
    }
  }

  // MARK: One Service

  /// - Returns: what there is to say about it.
  private mutating func compile(_ name: NamespacedName, _ known: KnownObjects) -> [Diagnostic] {
    if let old = parts[name] { forget(old, of: name) }
    let id = ObjectID(kind: .service, name: name)
    guard let service = known[id]?.service, !service.isSkipped else {
      parts[name] = nil
      local.set(name, nil)
      return []
    }
    var builder = TableBuilder(node: node, options: options, serviceCount: 1)
    let source = source(of: service, known)
    builder.add(service, source)
    local.set(name, LocalService(service, source, node))
    let compiled = builder.finish()
    let part = Part(
      frontends: compiled.table.frontends, kept: compiled.table.keptEndpoints,
      guards: compiled.table.guardedAddresses)
    parts[name] = part
    for frontend in part.frontends {
      if let other = owners[frontend.key], other != name {
        contested[frontend.key, default: [other]].insert(name)
      } else {
        owners[frontend.key] = name
      }
      if !frontend.sourceRanges.isEmpty { restrictedServices.insert(name) }
    }
    return compiled.diagnostics
  }

  private mutating func forget(_ part: Part, of name: NamespacedName) {
    restrictedServices.remove(name)
    for frontend in part.frontends {
      guard var claimants = contested[frontend.key] else {
        if owners[frontend.key] == name { owners[frontend.key] = nil }
        continue
      }
      claimants.remove(name)
      contested[frontend.key] = claimants.count > 1 ? claimants : nil
      owners[frontend.key] = claimants.first
    }
  }

  /// Whether somebody else claims one of its keys.
  private func isShared(_ part: Part) -> Bool {
    if contested.isEmpty && hostKeys.isEmpty { return false }
    return part.frontends.contains { contested[$0.key] != nil || hostKeys.contains($0.key) }
  }

  /// As `ObjectIndex.source`.
  private func source(of service: Service, _ known: KnownObjects) -> EndpointSource {
    let name = service.meta.name
    if let names = slices[name], !names.isEmpty {
      return .slices(
        names.sorted().compactMap { slice in
          guard
            case .endpointSlice(let found)? = known[
              ObjectID(kind: .endpointSlice, name: slice)]?.object
          else { return nil }
          return found
        })
    }
    if case .endpoints(let endpoints)? = known[ObjectID(kind: .endpoints, name: name)]?.object {
      return .endpoints(endpoints)
    }
    guard let selector = service.selector, !selector.isEmpty else { return .nothing }
    let matching = (pods[name.namespace] ?? [:]).values.filter { matches($0, selector) }
    return .pods(matching.sorted { $0.meta.name < $1.meta.name })
  }

  // MARK: Indexes

  private mutating func index(_ id: ObjectID, _ known: KnownObject?) {
    switch id.kind {
    case .node, .endpoints: break
    case .service:
      var selector: [String: String]?
      if case .service(let service)? = known?.object { selector = service.selector }
      selectors[id.name.namespace, default: [:]][id.name] =
        selector?.isEmpty == false ? selector : nil
    case .endpointSlice:
      if let old = serviceOfSlice.removeValue(forKey: id.name) {
        slices[old]?.remove(id.name)
        if slices[old]?.isEmpty == true { slices[old] = nil }
      }
      guard case .endpointSlice(let slice)? = known?.object, !slice.isHeadless,
        let service = slice.serviceName
      else { return }
      serviceOfSlice[id.name] = service
      slices[service, default: []].insert(id.name)
    case .pod:
      var pod: Pod?
      if case .pod(let found)? = known?.object { pod = found }
      pods[id.name.namespace, default: [:]][id.name] = pod
    }
  }

  /// The Services that select a Pod as it is indexed now.
  private func affect(_ name: NamespacedName, _ affected: inout Set<NamespacedName>) {
    guard let pod = pods[name.namespace]?[name] else { return }
    for (service, selector) in selectors[name.namespace] ?? [:] where matches(pod, selector) {
      affected.insert(service)
    }
  }

  private func matches(_ pod: Pod, _ selector: [String: String]) -> Bool {
    selector.allSatisfy { pod.meta.labels[$0.key] == $0.value }
  }

  private mutating func setHostPorts() {
    let all = pods.values.flatMap { $0.values.filter(\.hasHostPorts) }
    if all.isEmpty { return }
    var builder = TableBuilder(node: node, options: options, serviceCount: 0)
    builder.addHostPorts(of: all.sorted { $0.meta.name < $1.meta.name })
    hostKeys = Set(builder.claims.lazy.map(\.key))
    hostNames = Set(all.lazy.map { HostPort.shortened($0.meta.name) })
  }
}

extension Pod {
  fileprivate var hasHostPorts: Bool { ports.contains { $0.hostPort != nil } }
}
