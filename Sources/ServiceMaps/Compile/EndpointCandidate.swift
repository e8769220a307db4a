/// An address and port that a Service could send traffic to, and what decides whether it does.
struct EndpointCandidate: Hashable {
  /// Everything the rules ask of one endpoint. What depends on the node is settled where the
  /// endpoint is read, so that the rules work on bits alone.
  struct Conditions: OptionSet, Hashable {
    let rawValue: UInt8

    static let ready = Conditions(rawValue: 1)
    static let serving = Conditions(rawValue: 2)
    static let terminating = Conditions(rawValue: 4)
    static let onThisNode = Conditions(rawValue: 8)
    static let hasNodeHints = Conditions(rawValue: 16)
    static let hintedToThisNode = Conditions(rawValue: 32)
    static let hasZoneHints = Conditions(rawValue: 64)
    static let hintedToThisZone = Conditions(rawValue: 128)
  }

  var backend: Backend
  var conditions: Conditions

  /// Ready ones serve: with publishNotReadyAddresses an endpoint may be ready only.
  var isServing: Bool { !conditions.isDisjoint(with: [.ready, .serving]) }
}

/// The candidates of one service port and family, in the order in which they were read.
///
/// From candidates to backends is a chain of steps, each of them one rule of kube-proxy:
/// `withoutDuplicates` → `topology` → `clusterRule` or `localRule` → `backends`.
struct EndpointCandidates {
  private(set) var candidates: [EndpointCandidate] = []
  /// What did not even become a candidate, for `describe`; nil: nobody asks.
  private(set) var passedOver: [LeftOutEndpoint]?

  /// - Parameter isExplained: whether to keep what is passed over.
  init(isExplained: Bool = false) { passedOver = isExplained ? [] : nil }

  var isEmpty: Bool { candidates.isEmpty }

  mutating func append(
    _ address: IPAddress, _ port: Port, _ conditions: EndpointCandidate.Conditions
  ) {
    candidates.append(
      EndpointCandidate(
        backend: Backend(address: address, port: port), conditions: conditions))
  }

  mutating func passOver(_ address: IPAddress?, _ reason: LeftOutReason) {
    guard let address else { return }
    passedOver?.append(LeftOutEndpoint(address: address, reason: reason))
  }

  /// Sorted by address and port, each once: one that was read again replaces the earlier one
  /// unless the new one is terminating (pkg/proxy/endpointslicecache.go, addEndpoints).
  func withoutDuplicates() -> EndpointCandidates {
    var result = self
    if zip(candidates, candidates.dropFirst()).allSatisfy({ $0.backend < $1.backend }) {
      return result
    }
    // The standard library's sort is stable in fact but not by contract, so the position counts.
    let order = candidates.indices.sorted { a, b in
      let (left, right) = (candidates[a].backend, candidates[b].backend)
      return left == right ? a < b : left < right
    }
    result.candidates.removeAll(keepingCapacity: true)
    for i in order {
      let candidate = candidates[i]
      if result.candidates.last?.backend != candidate.backend {
        result.candidates.append(candidate)
      } else if !candidate.conditions.contains(.terminating) {
        result.candidates[result.candidates.count - 1] = candidate
      }
    }
    return result
  }
}
