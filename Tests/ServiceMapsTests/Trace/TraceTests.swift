import CServiceABI
import ServiceMaps
import Testing

/// Decisions and outcomes: read from the wire, joined, written as lines.
@Suite struct TraceTests {
  private let vip = IPAddress("10.96.0.10")!
  private let web = ServicePortName(
    service: NamespacedName(namespace: "shop", name: "web"), port: "http", transport: .tcp)

  private func decision(
    _ cookie: UInt64 = 7, at time: UInt64 = 1_000, _ reason: TraceDecision.Reason = .random,
    hook: TraceDecision.Hook = .connect4, transport: UInt8 = 6
  ) -> TraceDecision {
    TraceDecision(
      time: time, cookie: cookie, cgroup: 3, process: SocketProcess(pid: 812, command: "cu rl"),
      namespace: 4, hook: hook, transport: transport, vip: vip, vipPort: 80,
      backend: reason.error == nil
        ? Backend(address: IPAddress("10.244.0.3")!, port: Port(8080)!) : nil,
      service: 5, reason: reason, candidates: reason.error == nil ? 3 : 0)
  }

  private func line(
    _ line: TraceJoin.Line, _ format: TraceRender.Format = .text, service: Bool = true
  ) -> String {
    var render = TraceRender(format, clockOffset: 1_795_293_065_123_456_000)
    render.write(
      line, service ? web : nil, owner: nil,
      TraceRender.Place(namespaceName: "host", namespaceInode: 4_026_531_840))
    return String(decoding: render.take(), as: UTF8.self)
  }

  @Test func wire() throws {
    var wire = svc_trace_event()
    wire.time = 9
    wire.cookie = 8
    wire.vip_be = (0, 0, UInt32(0xffff).bigEndian, UInt32(0x0a60_000a).bigEndian)
    wire.vip_port_be = UInt16(80).bigEndian
    wire.hook = UInt8(SVC_TRACE_SENDMSG6.rawValue)
    wire.why = UInt8(SVC_WHY_POLICY.rawValue)
    wire.protocol = 17
    wire.command = (UInt64(0x6469_6700_0101_0101).bigEndian, 1)
    let read = try #require(TraceDecision(wire: wire))
    #expect(read.vip == vip && read.vipPort == 80 && read.backend == nil)
    #expect(read.hook == .sendmsg6 && read.reason == .policy && read.transport == 17)
    #expect(read.process.command == "dig" && read.time == 9 && read.cookie == 8)
    wire.why = 200
    #expect(TraceDecision(wire: wire) == nil, "of another release")

    var outcome = svc_trace_outcome()
    outcome.result = SVC_RESULT_FAILED.rawValue
    for (error, result) in [
      (0, TraceOutcome.Result.givenUp), (111, .refused), (110, .timedOut), (113, .failed),
    ] {
      outcome.error = UInt32(error)
      #expect(TraceOutcome(wire: outcome)?.result == result)
    }
  }

  @Test func filters_on_the_wire() {
    var filter = TraceFilter()
    filter.services = [SocketServiceFilter("shop/web")!]
    filter.backend = SocketBackendFilter("10.244.0.3:8080")
    var wanted = TraceNames.Wanted()
    wanted.services = [.v4: [1, 2], .v6: [3]]
    wanted.addresses = [vip]
    let wire = filter.wire(wanted, owner: 99)
    #expect(wire.services == 3 && wire.addresses == 1 && wire.owner == 99)
    #expect(wire.service.0 == 1 && wire.service.1 == 2 && wire.service.2 == 0x8000_0003)
    #expect(wire.address_be.0.3 == UInt32(0x0a60_000a).bigEndian)
    #expect(wire.backend_be.2 == UInt32(0xffff).bigEndian)
    #expect(wire.backend_port_be == UInt16(8080).bigEndian)
    let filtered = SVC_TRACE_FILTERED.rawValue
    let by = SVC_TRACE_BY_SERVICE.rawValue | SVC_TRACE_BY_BACKEND.rawValue
    #expect(wire.flags == by | filtered)
    // Programs look at no filter unless this says that there is one.
    #expect(TraceFilter().wire(wanted, owner: 1).flags == 0)
    var one = TraceFilter()
    one.pid = 7
    #expect(one.wire(wanted, owner: 1).flags == filtered)
    one = TraceFilter()
    one.namespace = 7
    #expect(one.wire(wanted, owner: 1).flags == filtered)
    one = TraceFilter()
    one.sample = TraceSample("1/64")
    #expect(one.wire(wanted, owner: 1).flags == filtered)
    one = TraceFilter()
    one.cgroup = TraceFilter.CgroupPlace(id: 7, level: 1)
    #expect(one.wire(wanted, owner: 1).flags == filtered)
    wanted.services = [.v4: Array(0..<100)]
    #expect(filter.wire(wanted, owner: 1).services == UInt32(TraceFilter.mostServices))
    #expect(TraceSample("1/64")?.of == 64)
    for text in ["64", "2/64", "1/0", "1/", "1/x", "1/64/2"] { #expect(TraceSample(text) == nil) }
  }

  @Test func a_decision_waits_for_its_outcome() {
    var join = TraceJoin()
    #expect(join.add(decision()).isEmpty)
    #expect(join.add(decision(8, .noEndpoints)).count == 1, "nothing comes of a refusal")
    #expect(join.add(decision(9, hook: .sendmsg4, transport: 17)).count == 1, "nor of a datagram")
    #expect(join.add(decision(9, hook: .connect4, transport: 17)).count == 1)
    let outcome = TraceOutcome(.established, nanoseconds: 310_000)
    let known = join.add(outcome, of: decision(at: 1_100, .unknown), at: 2_000)
    #expect(known.decision.reason == .random && known.outcome == outcome && known.later == nil)
    let end = join.add(TraceOutcome(.closed), of: decision(at: 1_100, .unknown), at: 9_000)
    #expect(end.later == 9_000)
  }

  @Test func a_decision_does_not_wait_for_ever() {
    var join = TraceJoin()
    for cookie in 1...3 { _ = join.add(decision(UInt64(cookie), at: UInt64(cookie) * 100)) }
    _ = join.add(TraceOutcome(.established), of: decision(2, at: 250), at: 300)
    let lines = join.expire(before: 300) { TraceOutcome($0.cookie == 1 ? .connecting : .notSent) }
    #expect(lines.map(\.decision.cookie) == [1])
    #expect(lines.first?.outcome?.result == .connecting)
    let late = join.add(TraceOutcome(.timedOut), of: decision(1, at: 120), at: 5_000)
    #expect(late.later == 5_000)
    #expect(join.expire(before: .max) { _ in nil }.map(\.decision.cookie) == [3])
    #expect(join.add(decision(5)).isEmpty)
    #expect(join.add(decision(5, at: 2_000)).count == 1, "it has connected again")
  }

  @Test func failures_come_with_their_decision() {
    var join = TraceJoin(failuresOnly: true)
    let failed = join.add(TraceOutcome(.refused), of: decision(at: 1_100), at: 2_000)
    #expect(failed.later == nil)
  }

  @Test func text() {
    let start = "20:31:05.123457 host 812/cu_rl connect4 10.96.0.10:80/TCP shop/web:http -> "
    let good = TraceJoin.Line(
      decision: decision(),
      outcome: TraceOutcome(.established, nanoseconds: 310_400))
    #expect(
      line(good) == start + "10.244.0.3:8080 (random, 1 of 3): established after 310 µs\n")
    let refused = TraceJoin.Line(decision: decision(7, .noEndpoints))
    #expect(line(refused) == start + "refused: no endpoints (ECONNREFUSED)\n")
    let late = TraceJoin.Line(
      decision: decision(7, .unknown),
      outcome: TraceOutcome(.timedOut, nanoseconds: 12_300_000_000, retransmissions: 3),
      later: 1_000)
    #expect(
      line(late)
        == start.replacing("connect4", with: "outcome")
        + "10.244.0.3:8080: timed out after 12.3 s, 3 retransmissions\n")
    let sticky = TraceJoin.Line(decision: decision(7, .sticky))
    #expect(
      line(sticky, service: false).hasSuffix(
        "/TCP - -> 10.244.0.3:8080 (the socket's, from before; there are 3)\n"))
  }

  @Test func json() {
    let reset = TraceJoin.Line(
      decision: decision(),
      outcome: TraceOutcome(.reset, nanoseconds: 5, error: 104, sent: 3, received: 4))
    #expect(
      line(reset, .json)
        == #"{"type":"decision","time":"2026-11-21T20:31:05.123457Z","cookie":7,"pid":812,"#
        + #""command":"cu rl","pod":null,"cgroupID":3,"networkNamespace":{"name":"host","#
        + #""inode":4026531840,"cookie":4},"hook":"connect4","protocol":"TCP","#
        + #""vip":{"address":"10.96.0.10","port":80},"service":"shop/web","portName":"http","#
        + #""backend":{"address":"10.244.0.3","port":8080},"why":"random","candidates":3,"#
        + #""error":null,"outcome":{"result":"reset","nanoseconds":5,"error":"ECONNRESET","#
        + #""retransmissions":0,"bytesSent":3,"bytesReceived":4}}"# + "\n")
  }
}
