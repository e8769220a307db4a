/// An address at which a Service is reached.
struct ServiceAddress: Hashable {
  var address: IPAddress
  var kind: FrontendKind
}

extension Service {
  /// Another proxy's, headless and ExternalName Services have no frontends at all
  /// (pkg/proxy/util/utils.go ShouldSkipService; cmd/kube-proxy server.go for the label).
  var isSkipped: Bool { isLeftToAnotherProxy || !hasClusterIPs || clusterIPs.isEmpty }

  /// Whether there is anything of this Service in a family: kube-proxy's two families are two
  /// proxies, each of which skips a Service without a clusterIP of its own.
  func isServed(in family: IPFamily) -> Bool {
    !isSkipped && clusterIPs.contains { $0.family == family }
  }

  /// The addresses whose frontends have the numbers of `spec.ports`: clusterIPs, externalIPs and
  /// the load balancer's.
  func addresses(in family: IPFamily) -> [ServiceAddress] {
    guard isServed(in: family) else { return [] }
    var result: [ServiceAddress] = []
    for address in clusterIPs where address.family == family {
      result.append(ServiceAddress(address: address, kind: .clusterIP))
    }
    for address in externalIPs where address.family == family {
      result.append(ServiceAddress(address: address, kind: .externalIP))
    }
    // ipMode "Proxy" wants the traffic to go out to the load balancer (KEP-1860).
    for ingress in loadBalancerIngress where ingress.isVIP && ingress.address.family == family {
      result.append(ServiceAddress(address: ingress.address, kind: .loadBalancer))
    }
    return result
  }

  /// The number of a port on the node's addresses. The API allows none for other types.
  func nodePort(of port: ServicePort) -> Port? { kind.hasNodePorts ? port.nodePort : nil }

  /// The clients that may use the load balancer address `vip`: `loadBalancerSourceRanges` of its
  /// family; empty when they restrict nobody (pkg/proxy/serviceport.go).
  ///
  /// When one of them has the node itself in it, the VIP is among them as well: where the VIP is
  /// a local address, the kernel may choose it as the source of what goes to it
  /// (pkg/proxy/nftables/proxier.go).
  func sourceRanges(for vip: IPAddress, node: NodeIdentity) -> [IPPrefix] {
    if loadBalancerSourceRanges.isEmpty { return [] }
    let ranges = loadBalancerSourceRanges.filter { $0.family == vip.family }
    if ranges.contains(where: { $0.length == 0 }) { return [] }
    var result = Set(ranges)
    if let primary = node.primaryAddress(in: vip.family),
      ranges.contains(where: { $0.contains(primary) })
    {
      result.insert(IPPrefix(vip, length: vip.family == .v4 ? 32 : 128))
    }
    return result.sorted { a, b in a.base != b.base ? a.base < b.base : a.length < b.length }
  }

}

extension Service.Kind {
  /// Whether the API server gives node ports to Services of this type.
  var hasNodePorts: Bool { self == .nodePort || self == .loadBalancer }
}
