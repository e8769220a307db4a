/// An address at which a Service is reached, with its ports.
struct ServiceAddress: Hashable {
  var address: IPAddress
  var kind: FrontendKind
}

extension Service {
  /// Another proxy's, headless and ExternalName Services have no frontends at all
  /// (pkg/proxy/util/utils.go ShouldSkipService; cmd/kube-proxy server.go for the label).
  var isSkipped: Bool { isLeftToAnotherProxy || !hasClusterIPs || clusterIPs.isEmpty }

  /// The addresses whose frontends have the numbers of `spec.ports`: clusterIPs, externalIPs and
  /// the load balancer's, unless this Service has to be left alone there.
  ///
  /// A family without a clusterIP has no frontends of any kind: kube-proxy's two families are
  /// two proxies, each of which skips a Service without a clusterIP of its own.
  func addresses(in family: IPFamily) -> [ServiceAddress] {
    guard !isSkipped, clusterIPs.contains(where: { $0.family == family }) else { return [] }
    var result: [ServiceAddress] = []
    for address in clusterIPs where address.family == family {
      result.append(ServiceAddress(address: address, kind: .clusterIP))
    }
    for address in externalIPs where address.family == family {
      result.append(ServiceAddress(address: address, kind: .externalIP))
    }
    if !restrictsSources(in: family) {
      for address in loadBalancerAddresses(in: family) {
        result.append(ServiceAddress(address: address, kind: .loadBalancer))
      }
    }
    return result
  }

  /// ipMode "Proxy" wants the traffic to go out to the load balancer (KEP-1860).
  func loadBalancerAddresses(in family: IPFamily) -> [IPAddress] {
    loadBalancerIngress.filter { $0.isVIP && $0.address.family == family }.map(\.address)
  }

  /// Whether `loadBalancerSourceRanges` lets only some clients in. Ranges of the other family
  /// do not count, and a /0 lets all in (pkg/proxy/serviceport.go).
  func restrictsSources(in family: IPFamily) -> Bool {
    let ranges = loadBalancerSourceRanges.filter { $0.family == family }
    return !ranges.isEmpty && !ranges.contains { $0.length == 0 }
  }
}
