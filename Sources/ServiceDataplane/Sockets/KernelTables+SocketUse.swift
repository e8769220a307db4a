import BPFLoader
import CServiceABI

extension KernelTables {
  /// What sockets remember, and what came of it where memory was short (enum svc_event).
  public struct SocketUse: Sendable, Equatable {
    /// Sockets that have a record in `sockets` now.
    public var records: Int
    public var capacity: Int
    /// Flows that went into socket storage because all records of the socket's set were taken.
    public var setFull: UInt64 = 0
    /// Two VIPs of one socket had to share a backend: replies show the one written to last.
    public var sharedBackends: UInt64 = 0
    /// VIPs that a socket with very many of them no longer remembers.
    public var flowsGivenUp: UInt64 = 0
    /// Calls that were refused with ENOMEM.
    public var noMemory: UInt64 = 0
    /// How often the counters of one backend have missed SVC_TALLY_CARRY connects or datagrams,
    /// because the kernel had no memory to count them.
    public var talliesLost: UInt64 = 0
  }

  /// Counted since attach, over all processors.
  public func socketUse() throws(DataplaneError) -> SocketUse {
    var counts = [UInt64](repeating: 0, count: Int(SVC_EVENTS.rawValue))
    do {
      try events.forEach { event, values in
        if Int(event) < counts.count { counts[Int(event)] = values.reduce(0, &+) }
      }
    } catch {
      throw .bpf(error)
    }
    func count(_ event: svc_event) -> UInt64 { counts[Int(event.rawValue)] }
    return SocketUse(
      records: sockets.taken, capacity: sockets.count, setFull: count(SVC_EVENT_SET_FULL),
      sharedBackends: count(SVC_EVENT_SHARED_BACKEND),
      flowsGivenUp: count(SVC_EVENT_FLOW_GIVEN_UP), noMemory: count(SVC_EVENT_NO_MEMORY),
      talliesLost: count(SVC_EVENT_TALLY_LOST))
  }
}
