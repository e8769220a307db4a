import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `explain` and the hooks say the same: 10,000 connects over a random table, each of which was
/// explained before.
let explainAgreementTests: [KernelTest] = [
  KernelTest("explain_agrees_with_10000_connects", timeLimit: 300) { sandbox in
    let seed = UInt64.random(in: 1 ... .max)
    do {
      var agreement = try Agreement(sandbox, seed: seed)
      for _ in 0..<10_000 { try agreement.step() }
      try agreement.checkCounts()
    } catch let failure as Failure {
      throw Failure("seed \(seed): \(failure)")
    }
  },
  KernelTest("explain_tells_of_one_moment_while_the_table_changes", timeLimit: 200) { sandbox in
    let vip = Variant.v4.vip(1)
    let tables = try (0...2).map { number in
      try frontend(
        vip, .tcp, of: "test/s\(number)", (1...3).map { Variant.v4.pod(3 * number + $0) })
    }
    let dataplane = try sandbox.attach([tables[0]])
    let writer = try Background {
      for number in 1...200 { try dataplane.serve([tables[number % 3]]) }
    }
    guard let target = ExplainTarget("172.30.0.1:80") else { throw Failure("no target") }
    var seen: Set<String> = []
    for _ in 0..<30 {
      let (report, isConsistent) = try Dataplane.explain(
        target, at: sandbox.pin, from: .here, seed: 1)
      guard let said = report.explanations.first, isConsistent else { continue }
      let service = said.service?.service.name ?? "-"
      guard let table = tables.first(where: { $0.service.service.name == service }) else {
        throw Failure("of \(service)")
      }
      try checkEqual(said.candidates.map(\.backend), table.backends, "the endpoints of \(service)")
      try check(said.backend.map(table.backends.contains) == true, "drawn for \(service)")
      seen.insert(service)
    }
    try writer.join()
    try check(seen.count > 1, "the table hardly changed: \(seen)")
  },
]

/// A table, clients, and what their connects came to.
private struct Agreement {
  /// An address to connect to, and how.
  private struct Target {
    var variant: Variant
    var place: Place
    var type: sk_type
    var key: FrontendKey
  }

  private var random: SeededNumbers
  private let explainer: Explainer
  private let states: [FamilyState]
  private var targets: [Target] = []
  private var cgroups: [(path: String, id: UInt64)] = []
  private let listeners: [Variant: Pods]
  private let receivers: [Variant: Pods]
  private let namespace = KernelTables.Settings.ownNetworkNamespace
  /// Of choices that are drawn: hits of each backend, by frontend.
  private var drawn: [FrontendKey: [Backend: Int]] = [:]
  private var reasons: [String: Int] = [:]
  private var exactDraws = 0
  private var sameTick = 0

  private static let pods = 1...12

  init(_ sandbox: Sandbox, seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    let families: [Variant] = [.v4, .v6]
    listeners = [
      .v4: try Pods(.v4, SK_TCP, Self.pods), .v6: try Pods(.v6, SK_TCP, Self.pods),
    ]
    receivers = [
      .v4: try Pods(.v4, SK_UDP, Self.pods), .v6: try Pods(.v6, SK_UDP, Self.pods),
    ]
    var frontends: [Frontend] = []
    var guarded: [IPAddress] = []
    for variant in families {
      for number in 1...32 {
        for transport in [TransportProtocol.tcp, .udp]
        where Int.random(in: 0..<4, using: &random) > 0 {
          frontends.append(
            try Self.served(variant, number, transport, using: &random))
        }
        if number % 2 == 0 { guarded += [IPAddress(variant.vip(number).address)].compactMap { $0 } }
      }
    }
    // What each connect may ask for: the frontends, their neighbours, strangers, backends.
    for variant in Variant.allCases {
      for number in 1...34 {
        for port in [80, 80, 80, 81] {
          for type in [SK_TCP, SK_UDP] {
            targets.append(try Self.target(variant, variant.vip(number, port: port), type))
          }
        }
      }
      targets.append(try Self.target(variant, variant.pod(1), SK_UDP))
    }
    cgroups = try (1...3).map { number in
      let path = try sandbox.makeCgroup("client\(number)")
      return (path, try Cgroup(path: path).id)
    }
    let dataplane = try sandbox.attach(
      ServiceTable(frontends: frontends, guardedAddresses: guarded),
      settings: KernelTables.Settings(
        hostNetworkNamespace: KernelTables.Settings.ownNetworkNamespace,
        hostAffinityByCgroup: true))
    // Without a route to a VIP, the source of an unbound socket is its first backend's address.
    _ = try dataplane.tables.refreshSources(for: ServiceTable(frontends: frontends))
    explainer = try Explainer(dataplane)
    states = try dataplane.tables.readSnapshot().states
    self.random = random
  }

  private static func served(
    _ variant: Variant, _ number: Int, _ transport: TransportProtocol,
    using random: inout SeededNumbers
  ) throws -> Frontend {
    let count = Int.random(in: 0...6, using: &random)
    let backends = pods.shuffled(using: &random).prefix(count).map { variant.pod($0) }
    // With a port name of its own: both protocols may have one address.
    let served = try frontend(
      variant.vip(number), transport, of: "test/s\(number)", portName: "\(transport)", backends)
    switch Int.random(in: 0..<10, using: &random) {
    case 0...1: return served.with(affinity: 100)
    case 2: return served.with(affinity: 100, algorithm: .roundRobin)
    case 3: return served.with(algorithm: .roundRobin)
    case 4:
      return try frontend(
        variant.vip(number), transport, of: "test/s\(number)", portName: "\(transport)", []
      ).with(whenEmpty: .drop)
    case 5:
      let low = variant == .v6 ? "fd00::4/126" : "10.0.0.4/30"
      return served.with(kind: .loadBalancer, sourceRanges: [low])
    case 6:
      let all = variant == .v6 ? "fd00::/64" : "10.0.0.0/24"
      return served.with(kind: .loadBalancer, sourceRanges: [all])
    default: return served
    }
  }

  private static func target(
    _ variant: Variant, _ place: Place, _ type: sk_type
  ) throws -> Target {
    guard let address = IPAddress(place.address), let port = Port(place.port) else {
      throw Failure("no address: \(place)")
    }
    return Target(
      variant: variant, place: place, type: type,
      key: FrontendKey(
        address: address, port: port, transport: type == SK_TCP ? .tcp : .udp))
  }

  /// One connect, and whether it does what was said of it.
  mutating func step() throws {
    let target = targets[Int.random(in: 0..<targets.count, using: &random)]
    let cgroup = cgroups[Int.random(in: 0..<cgroups.count, using: &random)]
    let own: Variant = target.variant == .mapped ? .v4 : target.variant
    let number = Int.random(in: 1...8, using: &random)
    let isBound = Int.random(in: 0..<4, using: &random) == 0
    var question = ExplainQuestion(
      key: target.key, namespace: namespace, cgroup: cgroup.id,
      bound: isBound ? IPAddress(own.pod(number).address) : nil)
    try Sandbox.join(cgroup.path)
    let client = try Socket(target.variant, target.type)
    if isBound { try client.bind(target.variant.pod(number, port: 0)) }
    let before = try explainer.ask(question)
    let said = Explanation(before, to: question, states: states, objects: nil)
    let result = client.connectError(target.place)
    reasons[said.reason?.rawValue ?? "untouched", default: 0] += 1
    let what = "\(target.key) as \(target.variant), \(said.reason?.rawValue ?? "untouched")"
    guard said.result == .translated else {
      if said.result == .refused {
        try checkEqual(UInt32(result), before.error, "errno of \(what)")
      } else if target.place == target.variant.pod(1) {
        try checkEqual(result, 0, "errno of \(what)")
      } else {
        try checkEqual(result, ENETUNREACH, "errno of \(what)")
      }
      return
    }
    try checkEqual(result, 0, "errno of \(what)")
    let backend = try backend(of: client, target, own, isBound)
    guard let candidate = said.candidates.first(where: { $0.backend == backend }) else {
      throw Failure("\(what) went to \(backend), which is no candidate")
    }
    try check(candidate.chance > 0, "\(what) went to \(backend), which has no chance")
    guard said.reason == .random else {
      try checkEqual(said.backend, backend, what)
      return
    }
    drawn[target.key, default: [:]][backend, default: 0] += 1
    if said.affinity != nil { return }
    // The sum that the hook draws with: only the time is not known to the tick.
    let after = try explainer.ask(question).jiffies
    var isDrawn = false
    for jiffies in before.jiffies...after {
      question.seed = sk_cookie(client.descriptor) &* 0x9e37_79b9_7f4a_7c15 &+ jiffies << 24
      isDrawn = try explainer.ask(question).backend == backend || isDrawn
    }
    try check(isDrawn, "\(what) went to \(backend), and no seed of that time leads there")
    exactDraws += 1
    if before.jiffies == after { sameTick += 1 }
  }

  /// Where a connected socket is sent to: all backends are addresses of this host, and a socket that
  /// connects to one of them without being bound gets it as its own. Else a server says so.
  private func backend(
    of client: Socket, _ target: Target, _ own: Variant, _ isBound: Bool
  ) throws -> Backend {
    let port = Port(own.pod(1).port)!
    var place = try client.ownName.canonical
    if target.type == SK_TCP, let pods = listeners[own] {
      try client.connectedNow()
      place = try pods.accept().pod
    } else if isBound, let pods = receivers[own] {
      try client.send("x")
      place = try pods.receive().pod
    }
    guard let address = IPAddress(place.address) else { throw Failure("no address: \(place)") }
    return Backend(address: address, port: port)
  }

  /// Everything came up, and the draws are as likely as was said.
  func checkCounts() throws {
    for reason in [
      "random", "round-robin", "only-one", "affinity", "no-endpoints", "policy", "source-ranges",
      "no-such-port", "untouched",
    ] {
      try check((reasons[reason] ?? 0) >= 10, "\(reason) hardly came up: \(reasons)")
    }
    try check(exactDraws > 300 && sameTick > exactDraws / 2, "\(sameTick) of \(exactDraws) draws")
    var chiSquared = 0.0
    var degrees = 0.0
    for (key, hits) in drawn {
      let lists = states.flatMap { state in
        state.frontends.values.filter { $0.key == key }.map { state.slotsOfList($0.list).count }
      }
      let count = hits.values.reduce(0, +)
      // With fewer the distribution is not that of χ².
      guard let size = lists.first, count >= 5 * size else { continue }
      let expected = Double(count) / Double(size)
      for hit in hits.values {
        chiSquared += (Double(hit) - expected) * (Double(hit) - expected) / expected
      }
      chiSquared += Double(size - hits.count) * expected
      degrees += Double(size - 1)
    }
    try check(degrees >= 30, "too few draws: \(degrees) degrees of freedom")
    // χ² has the mean k and the variance 2k; five standard deviations are one in a million runs.
    let deviation = (2 * degrees).squareRoot()
    try check(
      abs(chiSquared - degrees) < 5 * deviation + 10, "χ² is \(chiSquared) for \(degrees)")
  }
}

extension Socket {
  /// Waits until a TCP connection is made.
  fileprivate func connectedNow() throws {
    try check(sk_wait(descriptor, 1, 5000) == 1, "the connection was not made in 5 s")
    try CallFailed.check(sk_error(descriptor), "connect")
  }
}
