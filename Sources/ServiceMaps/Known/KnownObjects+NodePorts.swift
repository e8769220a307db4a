extension Service {
  /// Whether missing node ports are given out here. One with a clusterIP in its manifest comes
  /// from a cluster and has the node ports that it is to have.
  var needsNodePorts: Bool {
    switch kind {
    case .nodePort: hasClusterIPs && clusterIPs.isEmpty
    case .loadBalancer: hasClusterIPs && clusterIPs.isEmpty && allocateLoadBalancerNodePorts
    case .clusterIP, .externalName: false
    }
  }

  /// Whether node ports that the manifest omits stay as they were.
  fileprivate var keepsNodePorts: Bool {
    kind == .nodePort || kind == .loadBalancer && allocateLoadBalancerNodePorts
  }

  /// The numbers on the node that its manifest asks for.
  var explicitNodePorts: [(path: String, port: Port, transport: TransportProtocol)] {
    guard kind.hasNodePorts else { return [] }
    var result: [(path: String, port: Port, transport: TransportProtocol)] = []
    for (i, port) in ports.enumerated() {
      guard let nodePort = port.nodePort else { continue }
      result.append(("spec.ports[\(i)].nodePort", nodePort, port.transport))
    }
    if kind == .loadBalancer, let port = healthCheckNodePort {
      result.append(("spec.healthCheckNodePort", port, .tcp))
    }
    return result
  }
}

extension KnownObjects {
  /// The node ports to assign to Services among `manifests`, by position there and port name.
  ///
  /// In the order of `assignClusterIPs`: what Services had and may keep (the API server's
  /// patchAllocatedValues goes by port name, too), what the input asks for, what is to be found.
  func assignNodePorts(
    _ manifests: [ManifestObject], _ allocator: inout NodePortAllocator,
    _ diagnostics: inout [Diagnostic]
  ) -> [Int: [String: Port]] {
    var services: [(index: Int, service: Service)] = []
    for (i, manifest) in manifests.enumerated() {
      if case .service(let service) = manifest.object, service.kind.hasNodePorts {
        services.append((i, service))
      }
    }
    if services.isEmpty { return [:] }
    // By name, so that the order of the documents decides nothing.
    services.sort { $0.service.meta.name < $1.service.meta.name }

    var result: [Int: [String: Port]] = [:]
    for (i, service) in services where service.keepsNodePorts {
      let kept = keptNodePorts(of: service, &allocator)
      if !kept.isEmpty { result[i] = kept }
    }
    for (i, service) in services {
      for (path, port, transport) in service.explicitNodePorts {
        guard let owner = allocator.claim(port, transport, for: service.meta.name) else { continue }
        let taken =
          owner == service.meta.name
          ? "is taken by another port of this Service"
          : "is already allocated to Service \(owner)"
        diagnostics.append(
          Diagnostic(.error, at: manifests[i], path: path, "\(port) \(taken)"))
      }
    }
    for (i, service) in services where service.needsNodePorts {
      var assigned = result[i] ?? [:]
      KnownObjects.complete(
        &assigned, of: service, at: manifests[i], &allocator, &diagnostics)
      result[i] = assigned.isEmpty ? nil : assigned
    }
    return result
  }

  /// The numbers of the predecessor's ports of the same names, as far as the manifest does not
  /// say something else.
  private func keptNodePorts(
    of service: Service, _ allocator: inout NodePortAllocator
  ) -> [String: Port] {
    let name = service.meta.name
    guard let old = objects[ObjectID(kind: .service, name: name)]?.service,
      old.kind.hasNodePorts
    else { return [:] }
    let explicit = service.explicitNodePorts.map(\.port)
    var kept: [String: Port] = [:]
    for port in service.ports where port.nodePort == nil {
      guard let number = old.ports.first(where: { $0.name == port.name })?.nodePort,
        !explicit.contains(number), allocator.claim(number, port.transport, for: name) == nil
      else { continue }
      kept[port.name] = number
    }
    return kept
  }

  /// Gives a number to the ports that have none: that of another port of the same Service port
  /// number (53 for TCP and UDP), else a free one.
  private static func complete(
    _ assigned: inout [String: Port], of service: Service, at manifest: ManifestObject,
    _ allocator: inout NodePortAllocator, _ diagnostics: inout [Diagnostic]
  ) {
    let name = service.meta.name
    for (i, port) in service.ports.enumerated()
    where port.nodePort == nil && assigned[port.name] == nil {
      let twin = service.ports
        .filter { $0.port == port.port && $0.transport != port.transport }
        .compactMap { $0.nodePort ?? assigned[$0.name] }.first
      if let twin, allocator.claim(twin, port.transport, for: name) == nil {
        assigned[port.name] = twin
      } else if let number = allocator.allocate(port.transport, for: name, port: port.name) {
        assigned[port.name] = number
      } else {
        diagnostics.append(
          Diagnostic(
            .error, at: manifest, path: "spec.ports[\(i)].nodePort",
            "no number is left in the node port range \(allocator.range)"))
      }
    }
  }
}
