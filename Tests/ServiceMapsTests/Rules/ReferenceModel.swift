/// The rules once more: which frontends a Service has on a node and where each leads.
///
/// Written from Kubernetes' rules and not from the product, with which it shares no code: plain
/// types, no sharing of steps, everything looked at again for each port. What the two say of the
/// same manifest is compared in `ReferenceModelTests`.
enum Reference {
  /// One of 65,536 addresses of a family: 10.0.0.0 or fd00:: and a number.
  struct Address: Hashable {
    var family: Int
    var number: Int

    var text: String {
      family == 4
        ? "10.0.\(number / 256).\(number % 256)" : "fd00::\(String(number, radix: 16))"
    }
  }

  /// Those addresses that share all but the last bits; or everything (/0).
  struct Range: Hashable {
    var base: Address
    /// nil: /0.
    var openBits: Int?

    var text: String {
      guard let openBits else { return base.family == 4 ? "0.0.0.0/0" : "::/0" }
      return "\(base.text)/\((base.family == 4 ? 32 : 128) - openBits)"
    }

    func holds(_ address: Address) -> Bool {
      guard address.family == base.family else { return false }
      guard let openBits else { return true }
      return address.number >> openBits == base.number >> openBits
    }
  }

  struct Node {
    var name = ""
    var zone: String?
    var addresses: [Address] = []
    /// nil, or `primary`, or ranges.
    var isPrimaryOnly = false
    var ranges: [Range] = []
    var servesLocalhost = true
  }

  struct ServicePort {
    var name = ""
    var transport = "TCP"
    var port = 80
    /// 0: none.
    var nodePort = 0
  }

  struct Ingress {
    var address: Address
    var mode: String?
  }

  struct Service {
    var type = "ClusterIP"
    /// Empty: headless.
    var clusterIPs: [Address] = []
    var ports: [ServicePort] = []
    var externalIPs: [Address] = []
    var ingress: [Ingress] = []
    var sourceRanges: [Range] = []
    var internalPolicy: String?
    var externalPolicy: String?
    var labels: [String: String] = [:]
  }

  struct SlicePort {
    var name: String?
    var transport: String?
    var port: Int?
  }

  struct Endpoint {
    var addresses: [Address] = []
    var ready: Bool?
    var serving: Bool?
    var terminating: Bool?
    var nodeName: String?
    var zones: [String]?
    var nodes: [String]?
  }

  struct Slice {
    var name = ""
    var namespace = "default"
    /// 4 or 6; 0 for names instead of addresses.
    var family = 4
    var labels: [String: String] = [:]
    var ports: [SlicePort] = []
    var endpoints: [Endpoint] = []
  }

  /// A frontend and all that is to be said of it.
  struct Entry: Hashable, CustomStringConvertible {
    var place: String
    var kind: String
    var backends: [String]
    /// What happens when there are no backends.
    var isDropped = false
    var sources: [String] = []

    var description: String {
      "\(place) \(kind) \(isDropped ? "drop " : "")\(sources) \(backends)"
    }
  }

  struct Answer: Equatable {
    var entries: Set<Entry> = []
    /// Addresses of which every other port is refused.
    var guarded: Set<String> = []
    /// Port, protocol and endpoint where a socket may stay, though no new one comes there.
    var kept: Set<String> = []
  }

  // MARK: The rules

  /// The Service is called default/web.
  static func answer(_ service: Service, _ slices: [Slice], _ node: Node) -> Answer {
    var answer = Answer()
    // Not watched at all.
    if service.labels.keys.contains("service.kubernetes.io/service-proxy-name") { return answer }
    // DNS only.
    if service.type == "ExternalName" || service.clusterIPs.isEmpty { return answer }

    for family in [4, 6] {
      guard let clusterIP = service.clusterIPs.first(where: { $0.family == family }) else {
        continue
      }
      let external = service.externalIPs.filter { $0.family == family }
      let balancers = service.ingress.filter {
        $0.address.family == family && ($0.mode == nil || $0.mode == "VIP")
      }
      if !service.ports.isEmpty { answer.guarded.insert(clusterIP.text) }

      for port in service.ports {
        let all = endpoints(of: port, slices, family)
        let hasAny = all.contains { $0.isReady || ($0.isServing && $0.isTerminating) }
        let cluster = clusterList(all, node).map(\.text).sorted()
        let local = localList(all, node).map(\.text).sorted()

        var entry = Entry(
          place: "\(clusterIP.text) \(port.port) \(port.transport)", kind: "ClusterIP",
          backends: cluster)
        if service.internalPolicy == "Local" {
          entry.backends = local
          entry.isDropped = local.isEmpty && hasAny
        }
        answer.entries.insert(entry)
        var isClusterListUsed = service.internalPolicy != "Local"
        if !external.isEmpty || !balancers.isEmpty { isClusterListUsed = true }

        // From this node the external addresses short-circuit to the cluster list.
        for address in external {
          answer.entries.insert(
            Entry(
              place: "\(address.text) \(port.port) \(port.transport)", kind: "ExternalIP",
              backends: cluster))
        }
        for balancer in balancers {
          answer.entries.insert(
            Entry(
              place: "\(balancer.address.text) \(port.port) \(port.transport)",
              kind: "LoadBalancer", backends: cluster,
              sources: sources(of: service, balancer.address, node)))
        }
        if port.nodePort != 0 && (service.type == "NodePort" || service.type == "LoadBalancer") {
          for text in nodePortAddresses(of: node, family) {
            isClusterListUsed = true
            answer.entries.insert(
              Entry(
                place: "\(text) \(port.nodePort) \(port.transport)", kind: "NodePort",
                backends: cluster))
          }
        }

        var listed: Set<String> = []
        if isClusterListUsed { listed.formUnion(cluster) }
        if service.internalPolicy == "Local" { listed.formUnion(local) }
        for target in all where target.isReady || target.isServing {
          if listed.contains(target.text) { continue }
          answer.kept.insert("\(port.name) \(port.transport) \(target.text)")
        }
      }
    }
    return answer
  }

  struct Target {
    var address: Address
    var port: Int
    var isReady: Bool
    var isServing: Bool
    var isTerminating: Bool
    var nodeName: String?
    var zones: [String]
    var nodes: [String]

    var text: String { "\(address.text) \(port)" }
  }

  private static func endpoints(
    of port: ServicePort, _ slices: [Slice], _ family: Int
  ) -> [Target] {
    var found: [String: Target] = [:]
    // kube-proxy keeps them in a map; by name is this project's order.
    for slice in slices.sorted(by: { $0.name < $1.name }) {
      if slice.family != family { continue }
      if slice.namespace != "default" { continue }
      if slice.labels["kubernetes.io/service-name"] != "web" { continue }
      if slice.labels.keys.contains("service.kubernetes.io/headless") { continue }
      for slicePort in slice.ports {
        guard let name = slicePort.name, let number = slicePort.port else { continue }
        if name != port.name { continue }
        if (slicePort.transport ?? "TCP") != port.transport { continue }
        for endpoint in slice.endpoints {
          if endpoint.addresses.isEmpty { continue }
          let target = Target(
            address: endpoint.addresses[0], port: number, isReady: endpoint.ready ?? true,
            isServing: endpoint.serving ?? true, isTerminating: endpoint.terminating ?? false,
            nodeName: endpoint.nodeName, zones: endpoint.zones ?? [], nodes: endpoint.nodes ?? [])
          if found[target.text] != nil && target.isTerminating { continue }
          found[target.text] = target
        }
      }
    }
    return Array(found.values)
  }

  private static func clusterList(_ all: [Target], _ node: Node) -> [Target] {
    let ready = all.filter { $0.isReady }
    var result = ready
    let haveNodes = ready.allSatisfy { !$0.nodes.isEmpty }
    let haveZones = ready.allSatisfy { !$0.zones.isEmpty }
    let forThisNode = ready.filter { !node.name.isEmpty && $0.nodes.contains(node.name) }
    let forThisZone = ready.filter { node.zone != nil && $0.zones.contains(node.zone ?? "") }
    if haveNodes && !forThisNode.isEmpty {
      result = forThisNode
    } else if haveZones && !forThisZone.isEmpty {
      result = forThisZone
    }
    if result.isEmpty { result = all.filter { $0.isServing && $0.isTerminating } }
    return result
  }

  private static func localList(_ all: [Target], _ node: Node) -> [Target] {
    let local = all.filter { !node.name.isEmpty && $0.nodeName == node.name }
    let ready = local.filter { $0.isReady }
    if !ready.isEmpty { return ready }
    return local.filter { $0.isServing && $0.isTerminating }
  }

  private static func sources(of service: Service, _ vip: Address, _ node: Node) -> [String] {
    let ranges = service.sourceRanges.filter { $0.base.family == vip.family }
    if ranges.isEmpty || ranges.contains(where: { $0.openBits == nil }) { return [] }
    var result = Set(ranges.map(\.text))
    if let primary = node.addresses.first(where: { $0.family == vip.family }),
      ranges.contains(where: { $0.holds(primary) })
    {
      result.insert(Range(base: vip, openBits: 0).text)
    }
    return result.sorted()
  }

  private static func nodePortAddresses(of node: Node, _ family: Int) -> [String] {
    let own = node.addresses.filter { $0.family == family }
    let localhost = family == 4 && node.servesLocalhost ? ["127.0.0.1"] : []
    if node.isPrimaryOnly { return own.prefix(1).map(\.text) }
    let ranges = node.ranges.filter { $0.base.family == family }
    if ranges.isEmpty || ranges.contains(where: { $0.openBits == nil }) {
      return own.map(\.text) + localhost
    }
    // None of the ranges that can be written here has 127.0.0.1 in it.
    return own.filter { address in ranges.contains { $0.holds(address) } }.map(\.text)
  }
}
