import HookKit

/// One kind of traffic, and what its hooks may cost.
struct HookCase {
  enum Mode {
    case v4, v6
    /// IPv4 through an AF_INET6 socket.
    case mapped
  }

  enum Destination: Equatable {
    /// One VIP; without translation the same traffic goes to its backends.
    case service
    /// All VIPs of the table, in an order that is not theirs.
    case services
    /// An address that no Service has.
    case stranger
    /// A backend itself, past its Service.
    case pod

    var isService: Bool { self == .service || self == .services }
  }

  var name: String
  var kind: hk_kind
  var mode = Mode.v4
  var to: Destination
  /// The socket has used a Service before.
  var usedService = false
  var table = HookTable()
  /// Nanoseconds of program time, net of empty programs: the bars.
  var must: Int?
  var aim: Int?
  /// Nanoseconds of thread CPU that it may cost more than with no program at all.
  var mustCPU: Int?
  /// Also with a reader of the trace.
  var isTraced = false

  static let all = single + HookGrowth.cases

  private static let single: [HookCase] = [
    HookCase(
      name: "tcp4 service", kind: HK_CONNECTION, to: .service, must: 220, aim: 150,
      isTraced: true),
    HookCase(
      name: "tcp4 no service", kind: HK_CONNECTION, to: .stranger, must: 60, aim: 40, mustCPU: 350),
    HookCase(name: "tcp4 past the service", kind: HK_CONNECTION, to: .pod),
    HookCase(name: "tcp6 service", kind: HK_CONNECTION, mode: .v6, to: .service),
    HookCase(name: "tcp6 no service", kind: HK_CONNECTION, mode: .v6, to: .stranger),
    HookCase(name: "tcp mapped service", kind: HK_CONNECTION, mode: .mapped, to: .service),
    HookCase(name: "tcp mapped no service", kind: HK_CONNECTION, mode: .mapped, to: .stranger),

    HookCase(
      name: "sendmsg4 hit", kind: HK_SEND, to: .service, must: 100, aim: 60, isTraced: true),
    HookCase(name: "sendmsg4 miss", kind: HK_SEND, to: .stranger, must: 30, aim: 20),
    HookCase(
      name: "sendmsg4 miss, used a service", kind: HK_SEND, to: .stranger, usedService: true),
    HookCase(name: "sendmsg4 past the service", kind: HK_SEND, to: .pod),
    HookCase(name: "recvmsg4 hit", kind: HK_RECEIVE, to: .service, must: 60, aim: 40),
    HookCase(name: "recvmsg4 miss", kind: HK_RECEIVE, to: .stranger, must: 25, aim: 15),
    HookCase(
      name: "recvmsg4 miss, used a service", kind: HK_RECEIVE, to: .stranger, usedService: true),
    HookCase(name: "getpeername4 hit", kind: HK_PEER_NAME, to: .service, must: 50, aim: 35),
    HookCase(name: "getpeername4 miss", kind: HK_PEER_NAME, to: .stranger),

    HookCase(
      name: "connect4 udp hit, one socket", kind: HK_CONNECT, to: .service, must: 75, aim: 55,
      isTraced: true),
    // Next to the one that it is compared with: the machine's state changes.
    HookCase(
      name: "connect6 udp hit, one socket", kind: HK_CONNECT, mode: .v6, to: .service,
      isTraced: true),
    HookCase(
      name: "connect4 udp miss, one socket", kind: HK_CONNECT, to: .stranger, must: 30, aim: 25),
    HookCase(
      name: "connect4 udp miss, used a service", kind: HK_AFTER_CONNECT, to: .stranger,
      usedService: true, must: 30, aim: 25),
    HookCase(
      name: "connect4 udp past the service, used it", kind: HK_AFTER_CONNECT, to: .pod,
      usedService: true),
    HookCase(
      name: "connect4 udp hit, new sockets", kind: HK_NEW_CONNECT, to: .service, isTraced: true),
    HookCase(name: "connect4 udp miss, new sockets", kind: HK_NEW_CONNECT, to: .stranger),
    HookCase(name: "sendto4 hit, new sockets", kind: HK_NEW_SEND, to: .service),
    HookCase(name: "sendto4 miss, new sockets", kind: HK_NEW_SEND, to: .stranger),
    HookCase(name: "socket and close", kind: HK_SOCKET, to: .stranger),

    HookCase(name: "connect6 udp miss, one socket", kind: HK_CONNECT, mode: .v6, to: .stranger),
    HookCase(
      name: "sendmsg6 hit", kind: HK_SEND, mode: .v6, to: .service, isTraced: true),
    HookCase(name: "sendmsg6 miss", kind: HK_SEND, mode: .v6, to: .stranger),
    HookCase(name: "recvmsg6 hit", kind: HK_RECEIVE, mode: .v6, to: .service),
    HookCase(name: "recvmsg6 miss", kind: HK_RECEIVE, mode: .v6, to: .stranger),
    HookCase(name: "getpeername6 hit", kind: HK_PEER_NAME, mode: .v6, to: .service),
    HookCase(name: "mapped connect udp hit", kind: HK_CONNECT, mode: .mapped, to: .service),
    HookCase(name: "mapped connect udp miss", kind: HK_CONNECT, mode: .mapped, to: .stranger),
    HookCase(name: "mapped send hit", kind: HK_SEND, mode: .mapped, to: .service),
    HookCase(name: "mapped receive hit", kind: HK_RECEIVE, mode: .mapped, to: .service),
  ]

  /// Those that do something else than nothing for such traffic.
  var variants: [HookVariant] {
    HookVariant.allCases.filter { variant in
      switch variant {
      case .none, .empty, .ours: true
      case .traced: isTraced
      case .floor: mode != .mapped && isCounted
      // That layout would show the VIP that the socket used before: it refuses to be measured.
      case .peers: mode != .mapped && !(usedService && to == .pod)
      }
    }
  }

  /// Whether each operation is one that socklb counts when it goes to a Service.
  var isCounted: Bool {
    [HK_CONNECTION, HK_CONNECT, HK_AFTER_CONNECT, HK_NEW_CONNECT, HK_SEND, HK_NEW_SEND]
      .contains(kind)
  }

  /// Whether one socket does it all, and so stays with one backend.
  var isOneSocket: Bool { [HK_SEND, HK_RECEIVE, HK_PEER_NAME].contains(kind) }

  /// Whether each operation makes a socket. Thread CPU of these differs so much from reading to
  /// reading that only many short ones, soon after each other, tell anything.
  private var makesSockets: Bool {
    [HK_CONNECTION, HK_NEW_CONNECT, HK_NEW_SEND, HK_SOCKET].contains(kind)
  }
  static let share = 8

  private var isGrowth: Bool { HookGrowth.size(of: name) != nil }

  func rounds(_ options: HookOptions) -> Int {
    if !makesSockets || (isGrowth && kind == HK_CONNECTION) { return options.rounds }
    return options.rounds * (must != nil || kind == HK_SOCKET ? 3 : 2)
  }

  func count(_ options: HookOptions) -> Int {
    makesSockets ? max(options.count / Self.share, 1) : options.count
  }

  /// Operations before a clock runs. Attaching programs and turning statistics on leave caches cold,
  /// those of addresses above all.
  func warm(_ options: HookOptions) -> Int {
    if kind == HK_CONNECTION { return 256 }
    return makesSockets ? 512 : to == .services ? 2048 : max(options.count / Self.share, 64)
  }
}

/// The same traffic with more and more services of ten endpoints.
enum HookGrowth {
  private static let kinds: [(name: String, kind: hk_kind, isTCP: Bool)] = [
    ("one socket", HK_CONNECT, false), ("new sockets", HK_NEW_CONNECT, false),
    ("", HK_CONNECTION, true),
  ]

  static let cases: [HookCase] = [
    (HookCase.Mode.v4, "4", [1, 1000, 10_000, 100_000]), (.v6, "6", [1, 100_000]),
  ].flatMap { mode, family, sizes in
    kinds.flatMap { kind in
      sizes.flatMap { services in
        [HookCase.Destination.service, .services].compactMap { to in
          if services == 1 && to == .services { return nil }
          let words = [
            (kind.isTCP ? "tcp" : "udp") + family, kind.name,
            services == 1 ? "" : to == .service ? "hot" : "random",
          ]
          return HookCase(
            name: words.filter { !$0.isEmpty }.joined(separator: " ") + " @ \(services)",
            kind: kind.kind, mode: mode, to: to,
            table: services == 1
              ? HookTable()
              : HookTable(
                services: services, modes: [mode], transports: [kind.isTCP ? .tcp : .udp]))
        }
      }
    }
  }

  /// How many services a case of these has; nil: it is not one of these.
  static func size(of name: String) -> Int? {
    let parts = name.split(separator: " @ ")
    return parts.count == 2 ? Int(parts[1]) : nil
  }
}
