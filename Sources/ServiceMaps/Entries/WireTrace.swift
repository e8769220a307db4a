public import CServiceABI

extension TraceDecision {
  /// - Returns: nil when another release wrote it.
  public init?(wire: svc_trace_event) {
    guard let hook = Hook(wire: wire.hook), let reason = Reason(wire: wire.why) else { return nil }
    self.init(
      time: wire.time, cookie: wire.cookie, cgroup: wire.cgroup,
      process: SocketProcess(pid: wire.pid, command: WireText.read(wire.command)),
      namespace: wire.netns, hook: hook, transport: wire.protocol,
      vip: IPAddress(words: wire.vip_be), vipPort: UInt16(bigEndian: wire.vip_port_be),
      backend: Port(UInt16(bigEndian: wire.backend_port_be)).map {
        Backend(address: IPAddress(words: wire.backend_be), port: $0)
      }, service: wire.service, reason: reason, candidates: wire.candidates)
  }
}

extension TraceDecision.Hook {
  init?(wire: UInt8) {
    switch UInt32(wire) {
    case SVC_TRACE_CONNECT4.rawValue: self = .connect4
    case SVC_TRACE_CONNECT6.rawValue: self = .connect6
    case SVC_TRACE_SENDMSG4.rawValue: self = .sendmsg4
    case SVC_TRACE_SENDMSG6.rawValue: self = .sendmsg6
    default: return nil
    }
  }
}

extension TraceDecision.Reason {
  init?(wire: UInt8) {
    switch UInt32(wire) {
    case SVC_WHY_UNKNOWN.rawValue: self = .unknown
    case SVC_WHY_RANDOM.rawValue: self = .random
    case SVC_WHY_ROUND_ROBIN.rawValue: self = .roundRobin
    case SVC_WHY_ONLY_ONE.rawValue: self = .onlyOne
    case SVC_WHY_AFFINITY.rawValue: self = .affinity
    case SVC_WHY_STICKY.rawValue: self = .sticky
    case SVC_WHY_NO_ENDPOINTS.rawValue: self = .noEndpoints
    case SVC_WHY_POLICY.rawValue: self = .policy
    case SVC_WHY_SOURCE_RANGES.rawValue: self = .sourceRanges
    case SVC_WHY_GUARDED.rawValue: self = .guarded
    case SVC_WHY_NO_MEMORY.rawValue: self = .noMemory
    default: return nil
    }
  }
}

extension TraceOutcome {
  private static let refusedError: UInt32 = 111
  private static let timeoutError: UInt32 = 110

  /// - Returns: nil when another release wrote it.
  public init?(wire: svc_trace_outcome) {
    let result: Result
    switch wire.result {
    case SVC_RESULT_ESTABLISHED.rawValue: result = .established
    case SVC_RESULT_RESET.rawValue: result = .reset
    case SVC_RESULT_CLOSED.rawValue: result = .closed
    case SVC_RESULT_FAILED.rawValue:
      switch wire.error {
      case 0: result = .givenUp
      case Self.refusedError: result = .refused
      case Self.timeoutError: result = .timedOut
      default: result = .failed
      }
    default: return nil
    }
    let isEnd = result == .reset || result == .closed
    self.init(
      result, nanoseconds: wire.nanoseconds, error: wire.error,
      retransmissions: wire.retransmissions, sent: isEnd ? wire.sent : 0,
      received: isEnd ? wire.received : 0)
  }
}

extension TraceFilter {
  /// How many service ports a filter may mean, and addresses of Services.
  public static let mostServices = Int(SVC_TRACE_SERVICES)
  public static let mostAddresses = Int(SVC_TRACE_ADDRESSES)

  /// - Parameter wanted: what `services` come to; cut off where the kernel has no room.
  public func wire(_ wanted: TraceNames.Wanted, owner: UInt32) -> svc_tracer {
    var tracer = svc_tracer()
    tracer.owner = UInt64(owner)
    tracer.pid = pid ?? 0
    tracer.cgroup = cgroup?.id ?? 0
    tracer.cgroup_level = cgroup?.level ?? 0
    tracer.netns = namespace ?? 0
    tracer.sample = sample?.of ?? 0
    if failuresOnly { tracer.flags |= SVC_TRACE_FAILURES.rawValue }
    if let backend {
      tracer.flags |= SVC_TRACE_BY_BACKEND.rawValue
      tracer.backend_be = backend.address.words
      tracer.backend_port_be = (backend.port?.number ?? 0).bigEndian
    }
    let isFiltered =
      pid != nil || cgroup != nil || namespace != nil || sample != nil || backend != nil
      || !services.isEmpty
    if isFiltered { tracer.flags |= SVC_TRACE_FILTERED.rawValue }
    if services.isEmpty { return tracer }
    tracer.flags |= SVC_TRACE_BY_SERVICE.rawValue
    let ids =
      (wanted.services[.v4] ?? []) + (wanted.services[.v6] ?? []).map { $0 | UInt32(SVC_TRACE_V6) }
    tracer.services = UInt32(min(ids.count, Self.mostServices))
    WireArray.fill(&tracer.service, ids.prefix(Self.mostServices))
    tracer.addresses = UInt32(min(wanted.addresses.count, Self.mostAddresses))
    WireArray.fill(&tracer.address_be, wanted.addresses.prefix(Self.mostAddresses).map(\.words))
    return tracer
  }
}

extension IPAddress {
  /// Four words in network order; IPv4 is ::ffff:a.b.c.d.
  var words: (UInt32, UInt32, UInt32, UInt32) {
    func word(_ half: UInt64, _ shift: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: half >> shift).bigEndian
    }
    guard family == .v6 else { return (0, 0, UInt32(0xffff).bigEndian, word(low, 0)) }
    return (word(high, 32), word(high, 0), word(low, 32), word(low, 0))
  }
}
