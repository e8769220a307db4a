/// An address and port that a Service could send traffic to, and what decides whether it does.
struct EndpointCandidate: Hashable {
  /// The conditions of one endpoint. What depends on this node (local, hinted to its zone) will
  /// be further members, set where the endpoint is read, so that the rules work on bits alone.
  struct Conditions: OptionSet, Hashable {
    let rawValue: UInt8

    static let ready = Conditions(rawValue: 1)
    static let serving = Conditions(rawValue: 2)
    static let terminating = Conditions(rawValue: 4)
  }

  var backend: Backend
  var conditions: Conditions
}

/// The candidates of one service port and family, in the order in which they were read.
///
/// From candidates to backends is a chain of steps, each of them one rule of kube-proxy:
/// `withoutDuplicates` → `inUse` → `backends`.
struct EndpointCandidates: Hashable {
  private(set) var candidates: [EndpointCandidate] = []

  var isEmpty: Bool { candidates.isEmpty }

  mutating func append(
    _ address: IPAddress, _ port: Port, _ conditions: EndpointCandidate.Conditions
  ) {
    candidates.append(
      EndpointCandidate(
        backend: Backend(address: address, port: port), conditions: conditions))
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

  /// The ready ones, or if there are none those that still serve while they terminate
  /// (pkg/proxy/topology.go, CategorizeEndpoints; its cluster list without topology).
  func inUse() -> EndpointCandidates {
    var result = self
    if candidates.allSatisfy({ $0.conditions.contains(.ready) }) { return result }
    result.candidates = candidates.filter { $0.conditions.contains(.ready) }
    if result.candidates.isEmpty {
      result.candidates = candidates.filter {
        $0.conditions.isSuperset(of: [.serving, .terminating])
      }
    }
    return result
  }

  var backends: [Backend] { candidates.map(\.backend) }
}
