/// One decision of a hook: who asked for what, and what became of it.
public struct TraceDecision: Hashable, Sendable {
  /// The hook that decided; the raw value is the contract of `trace`.
  public enum Hook: String, Hashable, Sendable {
    case connect4, connect6, sendmsg4, sendmsg6

    var isConnect: Bool { self == .connect4 || self == .connect6 }
  }

  /// How a backend was chosen, or why there is none; the raw value is the contract of `trace`.
  public enum Reason: String, Hashable, Sendable, CaseIterable {
    case unknown
    /// Drawn, all alike.
    case random
    case roundRobin = "round-robin"
    /// The list has no other one.
    case onlyOne = "only-one"
    /// Session affinity: the client's backend.
    case affinity
    /// The socket's backend, from before.
    case sticky
    /// There is no endpoint.
    case noEndpoints = "no-endpoints"
    /// A traffic policy keeps the endpoints away.
    case policy
    /// The client is in none of the source ranges.
    case sourceRanges = "source-ranges"
    /// A port of a Service's address that is no port of the Service.
    case guarded = "no-such-port"
    /// The kernel had no memory to remember the translation.
    case noMemory = "no-memory"

    /// The error that the call returns; nil: it goes on to a backend.
    public var error: String? {
      switch self {
      case .noEndpoints, .guarded: "ECONNREFUSED"
      case .policy: "EHOSTUNREACH"
      case .sourceRanges: "EACCES"
      case .noMemory: "ENOMEM"
      case .unknown, .random, .roundRobin, .onlyOne, .affinity, .sticky: nil
      }
    }

    var text: String {
      switch self {
      case .unknown: "how is not known"
      case .random: "random"
      case .roundRobin: "round robin"
      case .onlyOne: "the only one"
      case .affinity: "session affinity"
      case .sticky: "the socket's, from before"
      case .noEndpoints: "no endpoints"
      case .policy: "a traffic policy keeps the endpoints away"
      case .sourceRanges: "outside of the source ranges"
      case .guarded: "no such port of the Service"
      case .noMemory: "no memory"
      }
    }
  }

  /// CLOCK_MONOTONIC, in nanoseconds.
  public var time: UInt64
  /// Of the socket; unique as long as the machine runs.
  public var cookie: UInt64
  public var cgroup: UInt64
  /// In the first pid namespace.
  public var process: SocketProcess
  /// Cookie of the socket's network namespace.
  public var namespace: UInt64
  public var hook: Hook
  /// The IP protocol number.
  public var transport: UInt8
  public var vip: IPAddress
  public var vipPort: UInt16
  /// nil: refused.
  public var backend: Backend?
  /// The id of the service port, in the maps of the VIP's family; means nothing when the port is
  /// no Service's.
  public var service: UInt32
  public var reason: Reason
  /// How many endpoints there were to choose from; 0: not known.
  public var candidates: UInt32

  public init(
    time: UInt64, cookie: UInt64, cgroup: UInt64 = 0, process: SocketProcess,
    namespace: UInt64 = 0, hook: Hook, transport: UInt8, vip: IPAddress, vipPort: UInt16,
    backend: Backend?, service: UInt32, reason: Reason, candidates: UInt32 = 0
  ) {
    self.time = time
    self.cookie = cookie
    self.cgroup = cgroup
    self.process = process
    self.namespace = namespace
    self.hook = hook
    self.transport = transport
    self.vip = vip
    self.vipPort = vipPort
    self.backend = backend
    self.service = service
    self.reason = reason
    self.candidates = candidates
  }

  /// A TCP connection is being made: what becomes of it is yet to be seen.
  var hasOutcome: Bool {
    backend != nil && hook.isConnect && transport == TransportProtocol.tcp.rawValue
  }
}

/// What became of a TCP connection that was sent to a backend.
public struct TraceOutcome: Hashable, Sendable {
  /// The raw value is the contract of `trace`.
  public enum Result: String, Hashable, Sendable {
    case established
    /// The backend, or something on the way, said no.
    case refused
    case timedOut = "timed-out"
    /// Any other error of the kernel's.
    case failed
    /// The application closed the socket before there was an answer.
    case givenUp = "given-up"
    /// No SYN was sent: mostly there is no route to the backend.
    case notSent = "not-sent"
    /// An established connection ended with an error.
    case reset
    /// An established connection ended as it should.
    case closed
    /// There is no answer yet.
    case connecting
  }

  public var result: Result
  /// Since the SYN; of `reset` and `closed` since the connection was established.
  public var nanoseconds: UInt64
  /// errno; 0: none.
  public var error: UInt32
  public var retransmissions: UInt32
  /// Bytes; of `reset` and `closed`.
  public var sent: UInt64
  public var received: UInt64

  public init(
    _ result: Result, nanoseconds: UInt64 = 0, error: UInt32 = 0, retransmissions: UInt32 = 0,
    sent: UInt64 = 0, received: UInt64 = 0
  ) {
    self.result = result
    self.nanoseconds = nanoseconds
    self.error = error
    self.retransmissions = retransmissions
    self.sent = sent
    self.received = received
  }

  /// Nothing was wrong with it.
  var isEnd: Bool { result == .reset || result == .closed }
}
