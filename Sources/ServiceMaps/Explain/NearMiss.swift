/// What comes near to an address that is no frontend.
public struct NearMiss: Hashable, Sendable {
  /// The raw value is the contract of `explain -o json`.
  public enum Relation: String, Hashable, Sendable {
    /// The same address and port with another protocol.
    case otherProtocol = "other-protocol"
    /// The same address, another port.
    case otherPort = "other-port"
    /// The same port of a Service, at another address: of a node port or host port.
    case otherAddress = "other-address"
    /// The Service that this is a backend of.
    case backend
    /// It is a backend's address, and its Service uses another port of it.
    case backendAddress = "backend-address"
    /// It serves for the Service, and gets no new sockets.
    case kept
    /// An endpoint of a Service that is not served.
    case endpointOfUnserved = "endpoint-of-unserved"
    /// The address of a Service that is not served at it.
    case unserved
  }

  public var relation: Relation
  public var service: String
  /// The frontend, or for backends the backend with its protocol; nil where there is none.
  public var key: FrontendKey?
  /// Why a Service is not served; empty for the others.
  public var why = ""

  /// One line, without a line end.
  public var text: String {
    let place = key.map(\.description) ?? ""
    switch relation {
    case .otherProtocol: return "\(place) is \(service): another protocol"
    case .otherPort: return "\(place) is \(service): another port"
    case .otherAddress: return "\(place) is \(service): another address"
    case .backend:
      return "\(place) is a backend of \(service): nothing is translated, and what a socket "
        + "remembers of it is cleared"
    case .backendAddress: return "\(place) is a backend of \(service): another port or protocol"
    case .kept:
      return "\(place) still serves for \(service) and gets no new sockets from it"
    case .endpointOfUnserved:
      return "\(key.map { "\($0.address)" } ?? "") is an endpoint of \(service): \(why)"
    case .unserved: return "it is an address of \(service): \(why)"
    }
  }
}

/// Looks through the table and the known objects for what comes near.
struct NearMissFinder {
  let states: [FamilyState]
  let objects: ExplainedObjects?

  /// More of one kind would say no more.
  private static let most = 8

  /// The Service that has this clusterIP.
  func owner(of address: IPAddress) -> NamespacedName? {
    for state in states where state.family == address.family {
      for record in state.frontends.values
      where record.kind == .clusterIP && record.key.address == address {
        if let name = state.services[record.service]?.name { return name.service }
      }
    }
    return nil
  }

  func near(_ key: FrontendKey) -> [NearMiss] {
    let frontends = ServiceTable(states: states.filter { $0.family == key.address.family })
    var protocols: [NearMiss] = []
    var ports: [NearMiss] = []
    var elsewhere: [NearMiss] = []
    var backends: [NearMiss] = []
    var otherBackends: [NearMiss] = []
    func add(_ relation: NearMiss.Relation, _ frontend: Frontend, to list: inout [NearMiss]) {
      guard list.count < Self.most else { return }
      list.append(
        NearMiss(relation: relation, service: "\(frontend.service)", key: frontend.key))
    }
    for frontend in frontends.frontends {
      let found = frontend.key
      if found.address == key.address {
        if found.port == key.port {
          add(.otherProtocol, frontend, to: &protocols)
        } else {
          add(.otherPort, frontend, to: &ports)
        }
      } else if found.port == key.port && found.transport == key.transport,
        frontend.kind == .nodePort || frontend.kind == .hostPort
      {
        add(.otherAddress, frontend, to: &elsewhere)
      }
      for backend in frontend.backends where backend.address == key.address {
        let isExact = backend.port == key.port && found.transport == key.transport
        let miss = NearMiss(
          relation: isExact ? .backend : .backendAddress, service: "\(frontend.service)",
          key: FrontendKey(
            address: backend.address, port: backend.port, transport: found.transport))
        if isExact {
          if !backends.contains(miss) { backends.append(miss) }
        } else if otherBackends.count < Self.most, !otherBackends.contains(miss) {
          otherBackends.append(miss)
        }
      }
    }
    let kept = frontends.keptEndpoints.filter {
      $0.backend.address == key.address && $0.backend.port == key.port
        && $0.service.transport == key.transport
    }
    .map { NearMiss(relation: .kept, service: "\($0.service)", key: key) }
    return backends + kept + protocols + ports + (backends.isEmpty ? otherBackends : [])
      + unserved(key) + elsewhere
  }

  /// Services that have the address, or an endpoint there, and are not served: headless ones,
  /// those of another proxy, load balancers that want their traffic.
  private func unserved(_ key: FrontendKey) -> [NearMiss] {
    guard let objects else { return [] }
    let index = ObjectIndex(objects.known)
    var result: [NearMiss] = []
    for service in index.services.sorted(by: { $0.meta.name < $1.meta.name }) {
      if result.count == Self.most { break }
      let name = "\(service.meta.name)"
      if service.isSkipped {
        guard let why = service.reasonAgainstFrontends else { continue }
        if service.clusterIPs.contains(key.address) || service.externalIPs.contains(key.address) {
          result.append(NearMiss(relation: .unserved, service: name, why: why))
        } else if index.source(for: service).has(key.address) {
          result.append(
            NearMiss(relation: .endpointOfUnserved, service: name, key: key, why: why))
        }
      } else if service.loadBalancerIngress.contains(where: {
        $0.address == key.address && !$0.isVIP
      }) {
        result.append(
          NearMiss(
            relation: .unserved, service: name,
            why: "ipMode Proxy sends its traffic out to the load balancer"))
      }
    }
    return result
  }
}

extension EndpointSource {
  /// Whether an endpoint has this address, ready or not.
  fileprivate func has(_ address: IPAddress) -> Bool {
    switch self {
    case .slices(let slices):
      slices.contains { $0.endpoints.contains { $0.address == address } }
    case .endpoints(let endpoints):
      endpoints.subsets.contains {
        $0.addresses.contains(address) || $0.notReadyAddresses.contains(address)
      }
    case .pods(let pods): pods.contains { $0.addresses.contains(address) }
    case .nothing: false
    }
  }
}
