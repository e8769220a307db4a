/// Which candidates traffic may go to: those that have all of these conditions.
///
/// There are two for each service port, the cluster list and the local list
/// (pkg/proxy/topology.go, CategorizeEndpoints). Each falls back by itself.
struct EndpointRule: Hashable {
  var required: EndpointCandidate.Conditions

  func takes(_ candidate: EndpointCandidate) -> Bool {
    candidate.conditions.isSuperset(of: required)
  }

  /// Why a candidate is not taken; nil when it is.
  func reason(against candidate: EndpointCandidate) -> LeftOutReason? {
    let missing = required.subtracting(candidate.conditions)
    if missing.isEmpty { return nil }
    if missing.contains(.onThisNode) { return .notOnThisNode }
    if !missing.isDisjoint(with: [.ready, .serving, .terminating]) {
      return candidate.conditions.contains(.terminating) ? .terminating : .notReady
    }
    return missing.contains(.hintedToThisNode) ? .otherNode : .otherZone
  }
}

extension EndpointCandidates {
  /// The hint that this node's traffic follows, or nothing.
  ///
  /// Only ready endpoints are asked. Hints count when each of them has some and at least one
  /// names this node, or else this zone; a single one without hints switches them off
  /// (pkg/proxy/topology.go, topologyModeFromHints).
  func topology() -> EndpointCandidate.Conditions {
    var all = EndpointCandidate.Conditions(rawValue: .max)
    var any: EndpointCandidate.Conditions = []
    for candidate in candidates where candidate.conditions.contains(.ready) {
      all.formIntersection(candidate.conditions)
      any.formUnion(candidate.conditions)
    }
    if all.contains(.hasNodeHints) && any.contains(.hintedToThisNode) { return .hintedToThisNode }
    if all.contains(.hasZoneHints) && any.contains(.hintedToThisZone) { return .hintedToThisZone }
    return []
  }

  /// Ready ones that the hints leave; if there are none, those anywhere that still serve while
  /// they terminate.
  func clusterRule() -> EndpointRule {
    rule(topology().union(.ready), orElse: [.serving, .terminating])
  }

  /// Ready ones on this node, whatever their hints; if there are none, those of this node that
  /// still serve while they terminate.
  func localRule() -> EndpointRule {
    rule([.ready, .onThisNode], orElse: [.serving, .terminating, .onThisNode])
  }

  private func rule(
    _ first: EndpointCandidate.Conditions, orElse second: EndpointCandidate.Conditions
  ) -> EndpointRule {
    let rule = EndpointRule(required: first)
    return candidates.contains(where: rule.takes) ? rule : EndpointRule(required: second)
  }

  /// Whether there is an endpoint anywhere that traffic could go to; without one the traffic is
  /// rejected, with one that a policy keeps from this node it is dropped.
  var hasUsable: Bool {
    candidates.contains {
      $0.conditions.contains(.ready) || $0.conditions.isSuperset(of: [.serving, .terminating])
    }
  }

  /// Those that a socket may stay with: kube-proxy, too, leaves a UDP flow to any endpoint that
  /// serves, whatever hints and policies say (pkg/proxy/conntrack/cleanup.go).
  var serving: [Backend] { candidates.lazy.filter(\.isServing).map(\.backend) }

  var servingCount: Int { candidates.count(where: \.isServing) }

  func backends(by rule: EndpointRule) -> [Backend] {
    candidates.lazy.filter(rule.takes).map(\.backend)
  }

  /// What a list leaves out, and why, sorted; nothing unless that was asked for.
  func leftOut(by rule: EndpointRule) -> [LeftOutEndpoint] {
    guard let passedOver else { return [] }
    let refused = candidates.compactMap { candidate in
      rule.reason(against: candidate).map { reason in
        LeftOutEndpoint(
          address: candidate.backend.address, port: candidate.backend.port, reason: reason)
      }
    }
    return Set(refused + passedOver).sorted()
  }

  /// What a list with these backends answers when it has none of them.
  func verdict(without backends: [Backend]) -> EmptyVerdict {
    backends.isEmpty && hasUsable ? .drop : .refuse
  }
}

/// Why an endpoint gets no traffic. The raw value is what `describe -o json` says.
public enum LeftOutReason: String, Hashable, Sendable, CaseIterable {
  case notReady
  /// It terminates, and there are others, or it does not serve any more.
  case terminating
  /// Hints send the traffic of this zone elsewhere.
  case otherZone
  /// Hints send the traffic of this node elsewhere.
  case otherNode
  /// A policy keeps the traffic on this node.
  case notOnThisNode
  /// Its slice has addresses of the other family, which this frontend cannot reach.
  case otherFamily
  /// Its slice or Pod has no port of this name and protocol.
  case noSuchPort
  /// The Pod has run to its end.
  case finished

  var text: String {
    switch self {
    case .notReady: "not ready"
    case .terminating: "terminating"
    case .otherZone: "hinted to another zone"
    case .otherNode: "hinted to another node"
    case .notOnThisNode: "not on this node"
    case .otherFamily: "other address family"
    case .noSuchPort: "no such port"
    case .finished: "finished"
    }
  }
}

/// An endpoint that gets no traffic.
public struct LeftOutEndpoint: Hashable, Comparable, Sendable {
  public var address: IPAddress
  /// nil when it has none for this service port.
  public var port: Port?
  public var reason: LeftOutReason

  public init(address: IPAddress, port: Port? = nil, reason: LeftOutReason) {
    self.address = address
    self.port = port
    self.reason = reason
  }

  public static func < (a: LeftOutEndpoint, b: LeftOutEndpoint) -> Bool {
    if a.address != b.address { return a.address < b.address }
    return (a.port?.number ?? 0, a.reason.rawValue) < (b.port?.number ?? 0, b.reason.rawValue)
  }
}
