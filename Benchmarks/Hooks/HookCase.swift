import HookKit

/// One kind of traffic, and what its hooks may cost.
struct HookCase {
  enum Mode {
    case v4, v6
    /// IPv4 through an AF_INET6 socket.
    case mapped
  }

  enum Destination: Equatable {
    /// One VIP; without socklb the same traffic goes to one of its backends.
    case service
    /// An address that no Service has.
    case stranger
    /// The backends themselves, past their Service.
    case pod
    /// So many VIPs in turn.
    case services(Int)

    var isService: Bool { self != .stranger && self != .pod }
  }

  var name: String
  var kind: hk_kind
  var mode = Mode.v4
  var to: Destination
  /// The one socket has used a Service before.
  var usedService = false
  /// Nanoseconds of program time, net of empty programs: the bars.
  var must: Int?
  var aim: Int?
  /// Nanoseconds of thread CPU that it may cost more than with no program at all.
  var mustCPU: Int?

  static let manyServices = 10_000

  static let all: [HookCase] = [
    HookCase(name: "tcp4 service", kind: HK_CONNECTION, to: .service, must: 220, aim: 150),
    HookCase(
      name: "tcp4 no service", kind: HK_CONNECTION, to: .stranger, must: 60, aim: 40, mustCPU: 350),
    HookCase(name: "tcp4 past the service", kind: HK_CONNECTION, to: .pod),
    HookCase(name: "tcp6 service", kind: HK_CONNECTION, mode: .v6, to: .service),
    HookCase(name: "tcp6 no service", kind: HK_CONNECTION, mode: .v6, to: .stranger),
    HookCase(name: "tcp mapped service", kind: HK_CONNECTION, mode: .mapped, to: .service),
    HookCase(name: "tcp mapped no service", kind: HK_CONNECTION, mode: .mapped, to: .stranger),

    HookCase(name: "sendmsg4 hit", kind: HK_SEND, to: .service, must: 100, aim: 60),
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

    HookCase(name: "connect4 udp hit, one socket", kind: HK_CONNECT, to: .service),
    HookCase(name: "connect4 udp miss, one socket", kind: HK_CONNECT, to: .stranger),
    HookCase(name: "connect4 udp hit, new sockets", kind: HK_NEW_CONNECT, to: .service),
    HookCase(name: "connect4 udp miss, new sockets", kind: HK_NEW_CONNECT, to: .stranger),
    HookCase(name: "sendto4 hit, new sockets", kind: HK_NEW_SEND, to: .service),
    HookCase(name: "sendto4 miss, new sockets", kind: HK_NEW_SEND, to: .stranger),
    HookCase(name: "socket and close", kind: HK_SOCKET, to: .stranger),

    HookCase(name: "connect6 udp hit, one socket", kind: HK_CONNECT, mode: .v6, to: .service),
    HookCase(name: "connect6 udp miss, one socket", kind: HK_CONNECT, mode: .v6, to: .stranger),
    HookCase(name: "sendmsg6 hit", kind: HK_SEND, mode: .v6, to: .service),
    HookCase(name: "sendmsg6 miss", kind: HK_SEND, mode: .v6, to: .stranger),
    HookCase(name: "recvmsg6 hit", kind: HK_RECEIVE, mode: .v6, to: .service),
    HookCase(name: "recvmsg6 miss", kind: HK_RECEIVE, mode: .v6, to: .stranger),
    HookCase(name: "getpeername6 hit", kind: HK_PEER_NAME, mode: .v6, to: .service),
    HookCase(name: "mapped connect udp hit", kind: HK_CONNECT, mode: .mapped, to: .service),
    HookCase(name: "mapped connect udp miss", kind: HK_CONNECT, mode: .mapped, to: .stranger),
    HookCase(name: "mapped send hit", kind: HK_SEND, mode: .mapped, to: .service),
    HookCase(name: "mapped receive hit", kind: HK_RECEIVE, mode: .mapped, to: .service),

    HookCase(
      name: "10,000 VIPs, new udp sockets", kind: HK_NEW_CONNECT, to: .services(manyServices)),
  ]

  /// Whether each operation is one that socklb counts when it goes to a Service.
  var isCounted: Bool {
    [HK_CONNECTION, HK_CONNECT, HK_NEW_CONNECT, HK_SEND, HK_NEW_SEND].contains(kind)
  }

  /// Whether one socket does it all, and so stays with one backend.
  var isOneSocket: Bool { [HK_SEND, HK_RECEIVE, HK_PEER_NAME].contains(kind) }

  /// Whether each operation makes a socket. Thread CPU of these differs so much from reading to
  /// reading that only many short ones, soon after each other, tell anything.
  private var makesSockets: Bool {
    [HK_CONNECTION, HK_NEW_CONNECT, HK_NEW_SEND, HK_SOCKET].contains(kind)
  }
  static let share = 8

  func rounds(_ options: HookOptions) -> Int {
    options.rounds * (makesSockets ? must != nil || kind == HK_SOCKET ? Self.share : 2 : 1)
  }

  func count(_ options: HookOptions) -> Int {
    makesSockets ? max(options.count / Self.share, 1) : options.count
  }

  var services: Int {
    switch to {
    case .stranger, .pod, .service: 1
    case .services(let count): count
    }
  }
}
