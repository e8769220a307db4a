import CServiceABI
import ServiceMaps
import Testing

/// What `explain` is asked, and what it makes of the answers; without a kernel.
@Suite struct ExplainTests {
  /// 10.96.0.1:80 with two endpoints, and 10.96.0.2:53/UDP with none.
  private var state: FamilyState {
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 8, frontends: 8, backends: 16))
    func record(_ address: String, _ number: Int, _ transport: TransportProtocol, _ id: UInt32)
      -> FrontendRecord
    {
      FrontendRecord(
        key: FrontendKey(address: ip(address), port: port(number), transport: transport),
        kind: .clusterIP, service: id, list: id)
    }
    state.frontends = [
      0: record("10.96.0.1", 80, .tcp, 0), 1: record("10.96.0.2", 53, .udp, 1),
      2: record("10.96.0.1", 443, .tcp, 2),
    ]
    state.services = [
      0: ServiceRecord(
        name: ServicePortName(service: name("shop/web"), port: "http", transport: .tcp),
        affinityTimeout: 100),
      1: ServiceRecord(
        name: ServicePortName(service: name("kube-system/dns"), port: "dns", transport: .udp)),
      2: ServiceRecord(
        name: ServicePortName(service: name("shop/web"), port: "https", transport: .tcp)),
    ]
    state.lists = [
      0: SlotRange(base: 0, count: 2), 1: SlotRange(base: 2, count: 0),
      2: SlotRange(base: 0, count: 2),
    ]
    state.slots = [
      Slot(backend: backend("10.0.0.2", 80), endpoint: 4, generation: 1),
      Slot(backend: backend("10.0.0.1", 80), endpoint: 5, generation: 1),
    ]
    return state
  }

  private func keys(_ text: String) -> [String]? {
    ExplainTarget(text)?.keys(in: [state]).map(\.description)
  }

  @Test func targets() {
    #expect(keys("10.96.0.1:80/tcp") == ["10.96.0.1:80/TCP"])
    #expect(keys("10.96.0.1:80/UDP") == ["10.96.0.1:80/UDP"], "not served, and asked for")
    #expect(keys("10.96.0.2:53") == ["10.96.0.2:53/UDP"], "the protocol that is served")
    #expect(keys("10.96.0.2:54") == ["10.96.0.2:54/TCP"], "else TCP")
    #expect(keys("[::ffff:10.96.0.1]:80") == ["10.96.0.1:80/TCP"])
    #expect(keys("[fd00::1]:80/udp") == ["[fd00::1]:80/UDP"])
    #expect(keys("10.96.0.1") == ["10.96.0.1:80/TCP", "10.96.0.1:443/TCP"])
    #expect(keys("10.96.0.9") == [])
    #expect(keys("shop/web") == ["10.96.0.1:80/TCP", "10.96.0.1:443/TCP"])
    #expect(keys("shop/web:https") == ["10.96.0.1:443/TCP"])
    #expect(keys("shop/web:80") == ["10.96.0.1:80/TCP"])
    #expect(keys("shop/web:80/udp") == [])
    #expect(keys("kube-system/dns/udp") == ["10.96.0.2:53/UDP"])
    #expect(keys("web") == [], "in default")
    for text in ["", "a/b/c/d", "10.96.0.1:0", "10.96.0.1:80/icmp", "shop/Web", "-:", "1.2.3.4:x"] {
      #expect(ExplainTarget(text) == nil, "\(text)")
    }
  }

  @Test func wire() throws {
    let key = FrontendKey(address: ip("10.96.0.1"), port: port(80), transport: .tcp)
    let question = ExplainQuestion(
      key: key, namespace: 7, cgroup: 8, bound: ip("10.0.0.9"), seed: 9
    ).wire
    #expect(question.netns == 7 && question.cgroup == 8 && question.seed == 9)
    #expect(question.vip_be.2 == UInt32(0xffff).bigEndian)
    #expect(question.vip_be.3 == UInt32(0x0a60_0001).bigEndian)
    #expect(question.bound_be.0 == UInt32(0x0a00_0009).bigEndian)
    #expect(question.vip_port_be == UInt16(80).bigEndian && question.protocol == 6)
    var answer = svc_answer()
    #expect(try #require(ExplainAnswer(wire: answer, entry: nil)).reason == nil, "no Service's")
    answer.is_service = 1
    answer.why = UInt8(SVC_WHY_GUARDED.rawValue)
    answer.error = 111
    let guarded = try #require(ExplainAnswer(wire: answer, entry: nil))
    #expect(guarded.reason == .guarded && guarded.found == nil && guarded.error == 111)
    answer.is_found = 1
    answer.why = UInt8(SVC_WHY_AFFINITY.rawValue)
    answer.target = 3 << 32 | 4
    answer.range = 5 << 32 | 6
    answer.backend_be = (0, 0, UInt32(0xffff).bigEndian, UInt32(0x0a00_0001).bigEndian)
    answer.backend_port_be = UInt16(80).bigEndian
    answer.has_affinity = 1
    answer.affinity_key.client = 12
    let found = try #require(ExplainAnswer(wire: answer, entry: nil))
    #expect(found.found?.service == 3 && found.found?.list == SlotRange(base: 5, count: 6))
    #expect(found.backend == backend("10.0.0.1", 80) && found.client?.id == 12)
    answer.why = 99
    #expect(ExplainAnswer(wire: answer, entry: nil) == nil, "of another release")
  }

  private func explain(
    _ address: String, _ answer: ExplainAnswer, seed: UInt64? = nil, known: KnownObjects? = nil,
    _ transport: TransportProtocol = .tcp
  ) -> Explanation {
    let parts = address.split(separator: ":")
    return Explanation(
      answer,
      to: ExplainQuestion(
        key: FrontendKey(
          address: ip(String(parts[0])), port: port(Int(parts[1]) ?? 0), transport: transport),
        namespace: 1),
      states: [state], objects: known.map { ExplainedObjects($0, CompileOptions()) }, seed: seed)
  }

  private func answer(
    _ reason: TraceDecision.Reason, _ frontend: UInt32, _ count: UInt32, _ chosen: Backend?,
    client: ExplainAnswer.Client? = nil
  ) -> ExplainAnswer {
    ExplainAnswer(
      reason: reason,
      found: .init(frontend: frontend, service: frontend, list: SlotRange(base: 0, count: count)),
      backend: chosen, client: client)
  }

  @Test func chances() {
    let second = backend("10.0.0.2", 80)
    let drawn = explain("10.96.0.1:443", answer(.random, 2, 2, second))
    #expect(drawn.candidates.map(\.backend) == [backend("10.0.0.1", 80), second], "sorted")
    #expect(drawn.candidates.allSatisfy { $0.chance == 1 && $0.outOf == 2 })
    #expect(drawn.backend == nil, "without a seed nothing was drawn")
    #expect(explain("10.96.0.1:443", answer(.random, 2, 2, second), seed: 3).backend == second)
    let turn = explain("10.96.0.1:443", answer(.roundRobin, 2, 2, second), seed: 3)
    #expect(turn.candidates.map(\.chance) == [0, 1] && turn.backend == second && turn.seed == nil)
    let refused = explain("10.96.0.1:443", answer(.sourceRanges, 2, 2, nil))
    #expect(refused.result == .refused && refused.candidates.map(\.chance) == [0, 0])
  }

  @Test func affinity() {
    func client(_ endpoint: UInt32, _ generation: UInt32, age: UInt64) -> ExplainAnswer.Client {
      .init(
        id: 1, isCgroup: false,
        entry: .init(endpoint: endpoint, generation: generation, age: age))
    }
    let held = explain(
      "10.96.0.1:80", answer(.affinity, 0, 2, backend("10.0.0.1", 80), client: client(5, 1, age: 3))
    )
    #expect(held.affinity?.backend == backend("10.0.0.1", 80) && held.affinity?.timeout == 100)
    let gone = explain("10.96.0.1:80", answer(.random, 0, 2, nil, client: client(5, 9, age: 3)))
    #expect(gone.affinity?.client?.entry != nil && gone.affinity?.backend == nil)
    #expect(explain("10.96.0.1:443", answer(.random, 2, 2, nil)).affinity == nil)
  }

  @Test func nearMisses() {
    func near(
      _ address: String, _ transport: TransportProtocol = .tcp, _ known: KnownObjects? = nil
    )
      -> [String]
    {
      explain(address, ExplainAnswer(reason: nil), known: known, transport).near.map {
        "\($0.relation.rawValue) \($0.service)"
      }
    }
    #expect(near("10.96.0.2:53") == ["other-protocol kube-system/dns:dns"])
    #expect(
      near("10.96.0.1:81") == ["other-port shop/web:http", "other-port shop/web:https"])
    #expect(near("10.0.0.2:80") == ["backend shop/web:http", "backend shop/web:https"])
    #expect(near("10.0.0.2:81").first == "backend-address shop/web:http")
    #expect(near("10.0.0.3:80") == [])
    var known = KnownObjects()
    _ = known.merge(
      manifests([
        service("shop/db") { $0.isHeadless = true },
        slice("shop/db-1", of: "db", ["10.0.0.9"]),
        service("shop/out") {
          $0.kind = .loadBalancer
          $0.clusterIPs = [ip("10.96.0.7")]
          $0.loadBalancerIngress = [.init(address: ip("192.0.2.1"), isVIP: false)]
        },
      ]))
    #expect(near("10.0.0.9:5432", .tcp, known) == ["endpoint-of-unserved shop/db"])
    #expect(near("192.0.2.1:80", .tcp, known) == ["unserved shop/out"])
    #expect(near("192.0.2.2:80", .tcp, known) == [])
  }

  @Test func names() throws {
    var known = KnownObjects()
    _ = known.merge(
      manifests([
        service("shop/db") { $0.isHeadless = true },
        slice("shop/db-1", of: "db", ["10.0.0.9"]),
      ]))
    let objects = ExplainedObjects(known, CompileOptions())
    func missing(_ text: String) -> ExplainReport.Unserved? {
      ExplainTarget(text)?.missing(in: [state], objects)
    }
    let headless = try #require(missing("shop/db"))
    #expect(headless.isKnown && headless.why.hasSuffix("its name leads to 10.0.0.9"))
    let elsewhere = try #require(missing("web"))
    #expect(!elsewhere.isKnown && elsewhere.why.hasSuffix("there is shop/web"))
    #expect(missing("shop/nothing")?.why == "there is no such Service")
  }

  @Test func json() throws {
    let client = ExplainClient(
      process: SocketProcess(pid: 7, command: "a\"b"), namespace: 1, coverage: .problem("why"))
    let report = ExplainReport(
      client: client,
      explanations: [
        explain("10.96.0.1:443", answer(.random, 2, 2, backend("10.0.0.2", 80)), seed: 3)
      ])
    let text = String(decoding: report.render(as: .json), as: UTF8.self)
    #expect(text.contains("\"pid\":7,\"command\":\"a\\\"b\""))
    #expect(text.contains("\"covered\":false,\"problem\":\"why\""))
    #expect(text.contains("\"probability\":0.500000"))
    #expect(text.contains("\"seed\":3,\"backend\":{\"address\":\"10.0.0.2\",\"port\":80}"))
    #expect(!report.render(as: .yaml).isEmpty)
  }

  @Test func text() {
    func text(_ explanation: Explanation) -> String {
      let report = ExplainReport(
        client: ExplainClient(namespace: 1, bound: ip("10.0.0.9")), explanations: [explanation])
      return String(decoding: report.render(), as: UTF8.self)
    }
    var drawn = explain("10.96.0.1:80", answer(.random, 0, 2, backend("10.0.0.2", 80)))
    #expect(
      text(drawn) == """
        Client:    network namespace 1, bound to 10.0.0.9
        Covered:   not known

        10.96.0.1:80/TCP  shop/web:http  ClusterIP
            Result:    one of 2 endpoints, drawn at random
            Endpoints: 10.0.0.1:80  1 in 2
                       10.0.0.2:80  1 in 2
            Affinity:  for 100 s

        """)
    drawn.hasDrifted = true
    #expect(
      text(drawn).hasSuffix(
        "Note:      the objects ask for other endpoints than the kernel has: `socklb verify`\n"))
    var empty = explain("10.96.0.2:53", answer(.noEndpoints, 1, 0, nil), .udp)
    #expect(
      text(empty).contains(
        "Result:    refused: no endpoints (ECONNREFUSED)\n    UDP:       a socket stays"))
    empty.udpChoice = .datagram
    #expect(text(empty).contains("each datagram of an unconnected socket chooses anew"))
    empty.staying = [.init(backend: backend("10.0.0.1", 53), isConnected: true, age: 9)]
    #expect(
      text(empty).contains(
        "Stay:      a connected socket of the process stays with 10.0.0.1:53, which it has had for 9 s"
      ))
  }
}
