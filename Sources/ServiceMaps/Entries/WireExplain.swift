public import CServiceABI

extension ExplainQuestion {
  public var wire: svc_question {
    var wire = svc_question()
    wire.netns = namespace
    wire.cgroup = cgroup
    wire.seed = seed
    wire.vip_be = key.address.words
    wire.vip_port_be = key.port.number.bigEndian
    wire.protocol = key.transport.rawValue
    if let bound {
      // An IPv4 address lies in the last word, and is asked for in the first.
      wire.bound_be = bound.family == .v4 ? (bound.words.3, 0, 0, 0) : bound.words
    }
    return wire
  }
}

extension ExplainAnswer {
  /// - Parameter entry: what there was in `affinities`.
  /// - Returns: nil when another release wrote it.
  public init?(wire: svc_answer, entry: Entry?) {
    guard let why = TraceDecision.Reason(wire: wire.why) else { return nil }
    self.init(
      reason: wire.is_service == 0 ? nil : why,
      found: wire.is_found == 0
        ? nil
        : Found(
          frontend: wire.frontend, service: UInt32(truncatingIfNeeded: wire.target >> 32),
          list: SlotRange(word: wire.range)),
      backend: Port(UInt16(bigEndian: wire.backend_port_be)).map {
        Backend(address: IPAddress(words: wire.backend_be), port: $0)
      }, error: wire.error,
      mayBeBackend: UInt32(wire.filter) & SVC_FILTER_BACKEND.rawValue != 0,
      client: wire.has_affinity == 0
        ? nil
        : Client(id: wire.affinity_key.client, isCgroup: wire.by_cgroup != 0, entry: entry),
      jiffies: wire.jiffies)
  }
}
