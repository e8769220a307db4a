public import ServiceMaps

/// How this kernel lets sockets be ended.
public enum TerminationWay: Sendable, Equatable, CustomStringConvertible {
  /// The kfunc, inside an iterator (6.5).
  case sockDestroy
  /// The netlink request of `ss --kill`, one per socket.
  case sockDiag
  /// Not at all: why.
  case none(String)

  public var description: String {
    switch self {
    case .sockDestroy: "bpf_sock_destroy"
    case .sockDiag: "sock_diag"
    case .none(let reason): "none: " + reason
    }
  }
}

/// What came of ending sockets whose backend went away.
public struct EndedSockets: Sendable, Equatable {
  public struct Counts: Sendable, Equatable {
    public var udp = 0
    public var tcp = 0
    /// Sockets that the kernel would not end, or that it cannot end at all.
    public var failed = 0

    public init() {}
  }

  public var services: [NamespacedName: Counts] = [:]
  /// Why some of them are still there; nil when none is.
  public var reason: String?

  public init() {}

  public var isEmpty: Bool { services.isEmpty }

  mutating func count(_ name: ServicePortName, tcp: Bool) {
    services[name.service, default: Counts()].udp += tcp ? 0 : 1
    services[name.service, default: Counts()].tcp += tcp ? 1 : 0
  }

  mutating func countFailure(_ name: ServicePortName, _ reason: String) {
    services[name.service, default: Counts()].failed += 1
    self.reason = reason
  }

  /// A line for each service and protocol.
  public var lines: [String] {
    sorted.flatMap { name, counts in
      [(counts.udp, "UDP"), (counts.tcp, "TCP")].filter { $0.0 > 0 }.map { count, transport in
        "ended \(count) \(transport) socket\(count == 1 ? "" : "s") of \(name) whose backend "
          + "went away"
      }
    }
  }

  /// A line for each service with sockets that could not be ended.
  public var warnings: [String] {
    sorted.filter { $0.1.failed > 0 }.map { name, counts in
      "warning: \(counts.failed) socket\(counts.failed == 1 ? "" : "s") of \(name) still "
        + "use\(counts.failed == 1 ? "s" : "") a backend that went away: \(reason ?? "")"
    }
  }

  public var sorted: [(NamespacedName, Counts)] {
    services.sorted { $0.key.description < $1.key.description }.map { ($0.key, $0.value) }
  }
}
