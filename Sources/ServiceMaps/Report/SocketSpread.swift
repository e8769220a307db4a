/// How the sockets that use services now are spread over backends.
public struct SocketSpread: Sendable, Hashable {
  /// What sockets were sent to, and asked for.
  struct Flow: Hashable, Sendable {
    var frontend: FrontendKey
    var backend: Backend
  }

  private(set) var sockets: [Flow: Int] = [:]
  /// Of a frontend, backends that sockets are with although no list has them now.
  private(set) var strays: [FrontendKey: [Backend]] = [:]
  public private(set) var total = 0

  public init(_ dump: SocketDump) {
    for row in dump.rows {
      let key = FrontendKey(
        address: row.flow.vip.address, port: row.flow.vip.port, transport: row.flow.transport)
      let flow = Flow(frontend: key, backend: row.flow.backend)
      total += 1
      sockets[flow, default: 0] += 1
      if row.backendState != .listed, sockets[flow] == 1 {
        strays[key, default: []].append(row.flow.backend)
      }
    }
  }

  /// Those that asked for one of these frontends and were sent to this backend.
  func count(_ frontends: [FrontendKey], _ backend: Backend) -> Int {
    frontends.reduce(0) { $0 + (sockets[Flow(frontend: $1, backend: backend)] ?? 0) }
  }

  /// Backends that are in no list of these frontends any more, and still have sockets; sorted.
  func strays(of frontends: [FrontendKey], besides listed: [Backend]) -> [Backend] {
    Set(frontends.flatMap { strays[$0] ?? [] }).subtracting(listed).sorted()
  }
}
