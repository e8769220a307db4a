/// A frontend that a Service or Pod would have: small, so that sorting hundred thousands is cheap.
struct FrontendClaim {
  var key: FrontendKey
  var kind: FrontendKind
  /// Position of its `FrontendList`.
  var list: Int32
  /// Position of the clients that may use it; nil: all may.
  var sourceRanges: Int32?

  /// What goes first, whoever it belongs to. Only an allocated ClusterIP is surely nobody else's,
  /// and kube-proxy looks for Service addresses before it looks at ports of the node.
  var tier: Int {
    switch kind {
    case .clusterIP: 0
    case .externalIP, .loadBalancer: 1
    case .nodePort: 2
    case .hostPort: 3
    }
  }

  /// Which of two addresses of one Service counts when they are the same: the restricted one,
  /// because kube-proxy applies source ranges before all else.
  var rank: Int {
    switch kind {
    case .clusterIP: 0
    case .loadBalancer where sourceRanges != nil: 1
    case .externalIP: 2
    case .loadBalancer: 3
    case .nodePort: 4
    case .hostPort: 5
    }
  }
}

/// Where the traffic of some frontends of one port goes.
struct FrontendList {
  /// Position of the `FrontendOwner`.
  var owner: Int32
  /// Position of the port in its owner, and what it is called.
  var port: Int32
  var portName: String
  var backends: [Backend]
  var whenEmpty: EmptyVerdict = .refuse
  /// For `describe` only.
  var leftOut: [LeftOutEndpoint] = []
}

/// The lists of one port in one family: made when the first frontend asks for them.
struct PortLists {
  enum Scope { case cluster, local }

  let candidates: EndpointCandidates
  let owner: Int32
  let port: Int32
  let portName: String
  private var cluster: Int32?
  private var local: Int32?

  init(_ candidates: EndpointCandidates, owner: Int32, port: Int32, portName: String) {
    self.candidates = candidates
    self.owner = owner
    self.port = port
    self.portName = portName
  }

  /// What serves, if a list lacks some of it; nil: there is nothing to keep.
  func kept(transport: TransportProtocol, _ lists: [FrontendList]) -> KeptCandidates? {
    let count = candidates.servingCount
    let made = [cluster, local].compactMap { $0 }
    guard made.contains(where: { lists[Int($0)].backends.count < count }) else { return nil }
    return KeptCandidates(transport: transport, lists: made, serving: candidates.serving)
  }

  /// The position in `lists` of what a scope may use.
  mutating func list(_ scope: Scope, in lists: inout [FrontendList]) -> Int32 {
    if let made = scope == .cluster ? cluster : local { return made }
    let position = Int32(lists.count)
    let rule = scope == .cluster ? candidates.clusterRule() : candidates.localRule()
    let backends = candidates.backends(by: rule)
    lists.append(
      FrontendList(
        owner: owner, port: port, portName: portName, backends: backends,
        whenEmpty: candidates.verdict(without: backends), leftOut: candidates.leftOut(by: rule)))
    if scope == .cluster { cluster = position } else { local = position }
    return position
  }
}

/// The serving endpoints of one port in one family. Those are kept that are in no list which a
/// frontend leads to; that is known when conflicts are settled.
struct KeptCandidates {
  var transport: TransportProtocol
  /// Positions of the `FrontendList`s of the port.
  var lists: [Int32]
  /// Sorted.
  var serving: [Backend]

  func kept(_ all: [FrontendList], isUsed: (Int32) -> Bool) -> [Backend] {
    let used = lists.filter(isUsed)
    if used.isEmpty { return [] }
    let listed = Set(used.flatMap { all[Int($0)].backends })
    return serving.filter { !listed.contains($0) }
  }
}

/// Who has frontends: a Service, or a Pod with host ports.
struct FrontendOwner {
  var kind: ObjectKind
  var name: NamespacedName
  var creationTimestamp: String?
  var affinityTimeout: UInt32?
  var options: ServiceOptions

  var label: String { "\(kind.rawValue) \(name)" }

  /// Who has an address and port that two claim: the older one, then the first by name.
  /// kube-proxy leaves it undefined (the last one written). One without a creationTimestamp
  /// comes after all that have one.
  func precedes(_ other: FrontendOwner) -> Bool {
    if creationTimestamp != other.creationTimestamp {
      guard let mine = creationTimestamp else { return false }
      guard let others = other.creationTimestamp else { return true }
      return mine < others
    }
    return name < other.name
  }
}

/// Settles who has what: one claim per key.
struct FrontendConflicts {
  let owners: [FrontendOwner]
  let lists: [FrontendList]
  private(set) var diagnostics: [Diagnostic] = []
  /// What was said of a port of the node, which has many addresses.
  private var said: Set<String> = []

  init(owners: [FrontendOwner], lists: [FrontendList]) {
    self.owners = owners
    self.lists = lists
  }

  /// One claim per key, sorted by key; what two claim is reported.
  mutating func settle(_ claims: consuming [FrontendClaim]) -> [FrontendClaim] {
    claims.sort { $0.key < $1.key }
    var winners: [FrontendClaim] = []
    winners.reserveCapacity(claims.count)
    var start = 0
    while start < claims.count {
      var end = start + 1
      while end < claims.count && claims[end].key == claims[start].key { end += 1 }
      winners.append(end == start + 1 ? claims[start] : first(of: claims[start..<end]))
      start = end
    }
    return winners
  }

  private func ownerIndex(_ claim: FrontendClaim) -> Int32 { lists[Int(claim.list)].owner }

  private func owner(_ claim: FrontendClaim) -> FrontendOwner { owners[Int(ownerIndex(claim))] }

  private mutating func first(of run: ArraySlice<FrontendClaim>) -> FrontendClaim {
    let sorted = run.sorted { a, b in
      if a.tier != b.tier { return a.tier < b.tier }
      if ownerIndex(a) != ownerIndex(b) { return owner(a).precedes(owner(b)) }
      return (a.rank, lists[Int(a.list)].port) < (b.rank, lists[Int(b.list)].port)
    }
    let winner = sorted[0]
    var previous = ownerIndex(winner)
    for claim in sorted.dropFirst()
    where ownerIndex(claim) != previous && ownerIndex(claim) != ownerIndex(winner) {
      previous = ownerIndex(claim)
      report(claim, winner)
    }
    return winner
  }

  private mutating func report(_ loser: FrontendClaim, _ winner: FrontendClaim) {
    // Two Services cannot have one clusterIP; merge refuses that, so it is a damaged state.
    let isError = loser.kind == .clusterIP && winner.kind == .clusterIP
    let reason =
      loser.tier == winner.tier
      ? "which is older or first by name and has it as \(winner.kind.rawValue)"
      : "which has it as \(winner.kind.rawValue): that goes first"
    var place = "\(loser.key)"
    if loser.tier == winner.tier && loser.tier > 1 {
      place = "\(loser.key.port)/\(loser.key.transport)"
      guard said.insert("\(owner(loser).label) \(place) \(owner(winner).label)").inserted else {
        return
      }
    }
    diagnostics.append(
      Diagnostic(
        isError ? .error : .warning, object: owner(loser).label,
        "\(loser.kind.rawValue) \(place) is left to \(owner(winner).label), \(reason)"))
  }
}
