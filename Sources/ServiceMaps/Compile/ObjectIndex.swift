/// The known objects, arranged the way the compiler asks for them.
struct ObjectIndex {
  private let known: KnownObjects
  /// With their assigned clusterIPs and node ports in place; in no order.
  private(set) var services: [Service] = []
  private var slices: [NamespacedName: [EndpointSlice]] = [:]
  private let pods: PodIndex
  /// In no order.
  private(set) var podsWithHostPorts: [Pod] = []
  /// Slices whose Service is not known, by name.
  private(set) var orphans: [EndpointSlice] = []

  init(_ known: KnownObjects) {
    self.known = known
    var pods: [Pod] = []
    for object in known.objects.values {
      switch object.object {
      case .service: if let service = object.service { services.append(service) }
      case .pod(let pod):
        pods.append(pod)
        if pod.ports.contains(where: { $0.hostPort != nil }) { podsWithHostPorts.append(pod) }
      case .endpointSlice(let slice):
        // kube-proxy does not see slices with the headless label (cmd/kube-proxy server.go).
        guard !slice.isHeadless, let name = slice.serviceName else { continue }
        slices[name, default: []].append(slice)
      case .endpoints, .node: continue
      }
    }
    self.pods = PodIndex(pods)
    for (name, found) in slices where known[ObjectID(kind: .service, name: name)] == nil {
      orphans += found
    }
    orphans.sort { $0.meta.name < $1.meta.name }
  }

  /// Slices if there are any, even empty ones; else Endpoints; else the Pods of the selector.
  func source(for service: Service) -> EndpointSource {
    let name = service.meta.name
    if let found = slices[name] {
      // kube-proxy takes them in no order; by name, the same input always gives the same table.
      return .slices(found.count > 1 ? found.sorted { $0.meta.name < $1.meta.name } : found)
    }
    if case .endpoints(let endpoints)? = known[ObjectID(kind: .endpoints, name: name)]?.object {
      return .endpoints(endpoints)
    }
    // An empty selector is written as none by the API server's own encoding.
    guard let selector = service.selector, !selector.isEmpty else { return .nothing }
    return .pods(pods.pods(in: name.namespace, matching: selector))
  }
}
