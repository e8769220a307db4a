import ServiceDataplane
import ServiceMaps
import SocketKit

/// How a backend is chosen where a Service asks for more than chance.
let policyTests: [KernelTest] =
  Variant.allCases.flatMap { variant in
    let vip = variant.vip(1)
    return [
      KernelTest("round_robin_\(variant)_takes_the_backends_in_turn") { sandbox in
        let pods = try Pods(variant, SK_TCP, 1...4)
        try sandbox.attach([try frontend(vip, .tcp, pods.places).with(algorithm: .roundRobin)])
        var order: [Place] = []
        for _ in 0..<12 { order.append(try whoAnswers(vip, pods)) }
        try checkEqual(Set(order).count, 4, "backends in 12 connects")
        for turn in 4..<12 { try checkEqual(order[turn], order[turn - 4], "connect \(turn)") }
      },
      KernelTest("affinity_\(variant)_holds_tcp_and_udp_clients") { sandbox in
        let pods = try Pods(variant, SK_TCP, 1...8)
        let resolvers = try Pods(variant, SK_UDP, 1...8)
        try sandbox.attach([
          try frontend(vip, .tcp, pods.places).with(affinity: 100),
          try frontend(vip, .udp, resolvers.places).with(affinity: 100),
        ])
        try checkEqual(Set(try (0..<30).map { _ in try whoAnswers(vip, pods) }).count, 1, "TCP")
        var udp = Set<Place>()
        for _ in 0..<30 {
          try Socket(variant, SK_UDP).send("x", to: vip)
          udp.insert(try resolvers.receive().pod)
          let connected = try Socket(variant, SK_UDP)
          try connected.connect(vip)
          try connected.send("x")
          udp.insert(try resolvers.receive().pod)
        }
        try checkEqual(udp.count, 1, "UDP")
      },
      KernelTest("affinity_\(variant)_replaces_a_backend_that_went_at_once") { sandbox in
        let pods = try Pods(variant, SK_TCP, 1...8)
        let dataplane = try sandbox.attach([
          try frontend(vip, .tcp, pods.places).with(affinity: 100)
        ])
        let first = try whoAnswers(vip, pods)
        // The backends before it go: it stands elsewhere in the list, and is still the one.
        let fewer = pods.places.filter { $0 >= first }
        try dataplane.serve([try frontend(vip, .tcp, fewer).with(affinity: 100)])
        try checkEqual(try whoAnswers(vip, pods), first, "the backend after others went")
        let without = pods.places.filter { $0 != first }
        try dataplane.serve([try frontend(vip, .tcp, without).with(affinity: 100)])
        let second = try whoAnswers(vip, pods)
        try check(second != first, "\(first) is gone")
        for _ in 0..<20 { try checkEqual(try whoAnswers(vip, pods), second, "the new backend") }
      },
    ]
  } + affinityTests

/// Session affinity, apart from families.
private let affinityTests: [KernelTest] = [
  KernelTest("affinity_is_shared_by_the_frontends_of_a_service_port_only") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...8)
    try sandbox.attach([
      try frontend(Variant.v4.vip(1), .tcp, pods.places).with(affinity: 100),
      try frontend(Variant.v4.vip(2), .tcp, pods.places).with(affinity: 100),
      try frontend(Variant.v4.vip(3), .tcp, portName: "b", pods.places)
        .with(affinity: 100, algorithm: .roundRobin),
    ])
    let held = try whoAnswers(Variant.v4.vip(1), pods)
    for _ in 0..<10 { try checkEqual(try whoAnswers(Variant.v4.vip(2), pods), held, "same port") }
    _ = try whoAnswers(Variant.v4.vip(3), pods)
    let entries = try affinity(of: sandbox)
    try checkEqual(entries.map(\.service.port), ["", "b"], "one entry per service port")
  },
  KernelTest("affinity_ends_after_its_timeout_and_is_refreshed_by_use") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...4)
    let vip = Variant.v4.vip(1)
    // Round robin beside it: whoever chooses anew gets another backend for certain.
    try sandbox.attach([
      try frontend(vip, .tcp, pods.places).with(affinity: 1, algorithm: .roundRobin)
    ])
    let first = try whoAnswers(vip, pods)
    for _ in 0..<6 {
      sk_sleep(400)
      try checkEqual(try whoAnswers(vip, pods), first, "used within the timeout")
    }
    sk_sleep(1200)
    try checkEqual(try affinity(of: sandbox).map(\.timeLeft), [0], "time left")
    try check(try whoAnswers(vip, pods) != first, "the timeout is over")
  },
  KernelTest("affinity_can_be_switched_on_and_off_on_a_live_service") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...8)
    let vip = Variant.v4.vip(1)
    func spread() throws -> Int { Set(try (0..<40).map { _ in try whoAnswers(vip, pods) }).count }
    let plain = try frontend(vip, .tcp, pods.places)
    let dataplane = try sandbox.attach([plain])
    try check(try spread() > 1, "no affinity: several backends")
    try dataplane.serve([plain.with(affinity: 100)])
    try checkEqual(try spread(), 1, "with affinity")
    try dataplane.serve([plain])
    try check(try spread() > 1, "switched off: several backends")
    try dataplane.serve([plain.with(affinity: 100)])
    try checkEqual(try spread(), 1, "switched on again")
  },
  KernelTest("affinity_outlives_unrelated_updates") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...8)
    let vip = Variant.v4.vip(1)
    let held = try frontend(vip, .tcp, pods.places).with(affinity: 100)
    let dataplane = try sandbox.attach([held])
    let first = try whoAnswers(vip, pods)
    for number in 2..<40 {
      try dataplane.serve([
        held, try frontend(Variant.v4.vip(number), .tcp, of: "test/s\(number)", pods.places),
      ])
      try checkEqual(try whoAnswers(vip, pods), first, "after update \(number)")
    }
  },
  KernelTest("affinity_knows_network_namespaces_apart") { sandbox in
    let vip = Variant.v4.vip(1)
    let pods = try Pods(.v4, SK_TCP, 1...8)
    try sandbox.attach([try frontend(vip, .tcp, pods.places).with(affinity: 100)])
    _ = try whoAnswers(vip, pods)
    // Another pod on the same node, with the same addresses on its own loopback.
    try CallFailed.check(sk_new_namespaces(), "another network namespace")
    try CallFailed.check(sk_loopback_up(), "loopback")
    for number in 1...8 {
      let address = Variant.v4.pod(number).address
      try CallFailed.check(sk_add_address(address, 32), "adding \(address)")
    }
    _ = try whoAnswers(vip, try Pods(.v4, SK_TCP, 1...8))
    let entries = try affinity(of: sandbox)
    try checkEqual(Set(entries.map(\.client)).count, 2, "clients")
    try check(entries.allSatisfy { !$0.isCgroup }, "clients are namespaces")
  },
  KernelTest("affinity_on_the_host_network_can_go_by_cgroup") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...8)
    let vip = Variant.v4.vip(1)
    let held = try frontend(vip, .tcp, pods.places).with(affinity: 100)
    try sandbox.attach(
      ServiceTable(frontends: [held]),
      settings: KernelTables.Settings(
        hostNetworkNamespace: KernelTables.Settings.ownNetworkNamespace,
        hostAffinityByCgroup: true))
    for name in ["a", "b"] {
      try Sandbox.join(try sandbox.makeCgroup(name))
      let first = try whoAnswers(vip, pods)
      for _ in 0..<5 { try checkEqual(try whoAnswers(vip, pods), first, "in cgroup \(name)") }
    }
    try Sandbox.join(sandbox.cgroup)
    let entries = try affinity(of: sandbox)
    try checkEqual(entries.map(\.isCgroup), [true, true], "two cgroups")
  },
]

private func affinity(of sandbox: Sandbox) throws -> [KernelTables.AffinityEntry] {
  let tables = try Dataplane(pin: sandbox.pin).tables
  return try tables.readAffinity(tables.readStates())
}

/// Connects a new socket, and says which pod was reached.
func whoAnswers(_ vip: Place, _ pods: Pods) throws -> Place {
  let client = try Socket(pods.variant, SK_TCP)
  try client.connect(vip)
  return try pods.accept().pod
}

extension Frontend {
  func with(
    affinity: UInt32? = nil, algorithm: Algorithm = .random, whenEmpty: EmptyVerdict = .refuse,
    kind: FrontendKind = .clusterIP, sourceRanges: [String] = []
  ) -> Frontend {
    var copy = self
    copy.affinityTimeout = affinity
    copy.algorithm = algorithm
    copy.whenEmpty = whenEmpty
    copy.kind = kind
    copy.sourceRanges = sourceRanges.compactMap { IPPrefix($0) }.sorted()
    return copy
  }
}
