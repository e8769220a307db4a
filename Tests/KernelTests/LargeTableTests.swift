import ServiceMaps
import SocketKit

/// Many services at once.
let largeTableTests: [KernelTest] = [
  KernelTest("ten_thousand_services_each_reach_their_own_backends", inVM: false, timeLimit: 180) {
    sandbox in
    try checkLargeTable(sandbox, services: [.v4: 10_000, .v6: 1_000])
  },
  KernelTest("a_thousand_services_each_reach_their_own_backends", timeLimit: 180) { sandbox in
    try checkLargeTable(sandbox, services: [.v4: 1_000, .v6: 100])
  }.inVMOnly,
]

/// Every service has three backends of its own; its VIP is connected to once.
private func checkLargeTable(_ sandbox: Sandbox, services: [Variant: Int]) throws {
  let ports = Array(8001...8016)
  let pods = try services.map { variant, count in
    try AnyPods(variant, ports: ports, count: count * 3)
  }
  var frontends: [Frontend] = []
  func backends(_ service: Int, _ pods: AnyPods) -> [Place] {
    (1...3).map { pods.place(service * 3 + $0) }
  }
  for pods in pods {
    for service in 0..<(services[pods.variant] ?? 0) {
      frontends.append(
        try frontend(
          pods.variant.vip(service + 1), .udp, of: "test/\(pods.variant)-\(service)",
          backends(service, pods)))
    }
    // Without a backend, to see that they are counted apart.
    frontends.append(
      try frontend(pods.variant.vip(1, port: 99), .udp, of: "test/\(pods.variant)-none", []))
  }
  let dataplane = try sandbox.attach(
    frontends, capacities: Capacities(services: 16_384, frontends: 16_384, backends: 65_536))
  var spread = [0, 0, 0]
  for pods in pods {
    for service in 0..<(services[pods.variant] ?? 0) {
      let client = try Socket(pods.variant, SK_UDP)
      try client.connect(pods.variant.vip(service + 1))
      try client.send("\(service)")
      let (pod, text) = try pods.receive()
      try checkEqual(text, "\(service)", "the datagram")
      guard let index = backends(service, pods).firstIndex(of: pod) else {
        throw Failure("service \(service) reached \(pod), which is not one of its backends")
      }
      spread[index] += 1
    }
    for _ in 0..<7 {
      try checkEqual(
        try Socket(pods.variant, SK_UDP).connectError(pods.variant.vip(1, port: 99)), refused,
        "connect without a backend")
    }
  }
  let total = services.values.reduce(0, +)
  for hits in spread { try check(hits > total / 4, "uneven: \(spread)") }
  let snapshot = try dataplane.tables.readSnapshot(withCounters: true)
  try check(snapshot.table == ServiceTable(frontends: frontends), "the table read back differs")
  for (name, var counters) in snapshot.counters {
    try checkEqual(
      counters.backends.values.reduce(0, +), counters.translated, "given to backends of \(name)")
    counters.backends = [:]
    let expected =
      name.service.name.hasSuffix("-none")
      ? ServiceCounters(translated: 0, refused: 7) : ServiceCounters(translated: 1, refused: 0)
    try checkEqual(counters, expected, "the counters of \(name)")
  }
  try checkEqual(snapshot.counters.count, frontends.count, "counted services")
}
