/// A frontend that a Service would have: small, so that sorting hundred thousands is cheap.
struct FrontendClaim {
  var key: FrontendKey
  var kind: FrontendKind
  /// Positions in the compiler's lists.
  var service: Int32
  var port: Int32
  var backends: Int32

  /// Which of two addresses of one Service counts when they are the same.
  var rank: Int {
    switch kind {
    case .clusterIP: 0
    case .externalIP: 1
    case .loadBalancer: 2
    case .nodePort: 3
    case .hostPort: 4
    }
  }
}

extension Service {
  /// Who has an address and port that two Services claim: the older one, then the first by name.
  /// kube-proxy leaves it undefined (the last one written). A Service without a
  /// creationTimestamp comes after all that have one.
  func precedes(_ other: Service) -> Bool {
    let (mine, others) = (meta.creationTimestamp, other.meta.creationTimestamp)
    if mine != others {
      guard let mine else { return false }
      guard let others else { return true }
      return mine < others
    }
    return meta.name < other.meta.name
  }
}
