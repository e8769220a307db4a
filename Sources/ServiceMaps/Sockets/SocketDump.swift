/// The sockets that use services now: one row per socket and flow, sorted.
public struct SocketDump: Sendable {
  /// One flow of one socket, and everything that is known of them.
  public struct Row: Hashable, Sendable {
    public var cookie: UInt64
    /// Sorted by pid; empty: no process has the socket open. It is the kernel's own, or on its way
    /// between two processes.
    public var processes: [SocketProcess]
    /// nil when no process shows it.
    public var namespace: NetworkNamespace?
    /// Name of the network namespace: `host`, that in /run/netns, or nil.
    public var namespaceName: String?
    /// The Pod of the first process that is in one.
    public var pod: PodOfProcess?
    public var localAddress: IPAddress?
    public var localPort: UInt16
    /// As `ss` writes it, nil when no process shows it.
    public var state: String?
    public var flow: SocketFlow
    /// nil: the service is gone.
    public var service: ServicePortName?
    public var backendState: BackendState
    /// Seconds.
    public var age: UInt64
  }

  /// The raw value is the contract of `dump sockets`.
  public enum BackendState: String, Hashable, Sendable {
    /// New sockets are sent there.
    case listed
    /// It serves, but no list of its service holds it: a policy, or it is terminating.
    case kept
    /// It does not serve for the service any more.
    case gone
  }

  public private(set) var rows: [Row]

  /// Joins what the kernel says of sockets with what the maps say of services.
  ///
  /// - Parameters:
  ///   - users: of each socket that a process has open and that remembers something.
  ///   - records: all there are; those of no user's socket have no process.
  ///   - states: read after the two, so that what they name was there before.
  ///   - now: of the walk that found the users.
  public init(
    users: [SocketUser], records: [SocketRecord] = [], states: [FamilyState],
    places: SocketPlaces = SocketPlaces(), now: KernelClocks
  ) {
    let services = Dictionary(
      states.map { ($0.family, FlowServices($0)) }, uniquingKeysWith: { first, _ in first })
    func row(_ cookie: UInt64, _ flow: SocketFlow) -> Row {
      let found = services[flow.vip.address.family]
      return Row(
        cookie: cookie, processes: [], localPort: 0, flow: flow, service: found?.name(of: flow),
        backendState: found?.backendState(of: flow) ?? .gone, age: now.age(since: flow.since))
    }

    // The processes that share a socket were not all asked at the same moment.
    struct Identity: Hashable {
      var cookie: UInt64
      var transport: TransportProtocol
      var vip: Backend
      var isConnected: Bool
    }
    var found: [Identity: Row] = [:]
    var namespaces: [UInt32: NetworkNamespace] = [:]
    for user in users {
      namespaces[UInt32(truncatingIfNeeded: user.namespace.cookie)] = user.namespace
      guard let flow = user.flow else { continue }
      let identity = Identity(
        cookie: user.cookie, transport: flow.transport, vip: flow.vip,
        isConnected: flow.isConnected)
      var row = found[identity] ?? row(user.cookie, flow)
      row.namespace = user.namespace
      row.localAddress = user.localAddress
      row.localPort = user.localPort
      row.state = Self.state(user.state, of: flow)
      // A process may have it at several descriptors.
      if !row.processes.contains(user.process) { row.processes.append(user.process) }
      found[identity] = row
    }

    let seen = Set(users.lazy.map(\.cookie))
    rows = Array(found.values)
    for record in records where !seen.contains(record.cookie) {
      var row = row(record.cookie, record.flow)
      row.namespace = namespaces[record.flow.namespace]
      rows.append(row)
    }
    for index in rows.indices {
      rows[index].processes.sort()
      if let namespace = rows[index].namespace {
        rows[index].namespaceName =
          places.isHost(namespace) ? "host" : places.names[namespace.inode]
      } else if places.hostCookie != 0,
        rows[index].flow.namespace == UInt32(truncatingIfNeeded: places.hostCookie)
      {
        rows[index].namespaceName = "host"
      }
      rows[index].pod = rows[index].processes.lazy.compactMap { places.pods[$0.pid] }.first
    }
    rows.sort(by: Self.isBefore)
  }

  /// By place, processes, local address, VIP: the same sockets come in the same order.
  private static func isBefore(_ a: Row, _ b: Row) -> Bool {
    let (placeA, placeB) = (a.place, b.place)
    if placeA != placeB { return placeA < placeB }
    if a.processes != b.processes { return a.processes.lexicographicallyPrecedes(b.processes) }
    if a.flow.transport != b.flow.transport { return a.flow.transport < b.flow.transport }
    if a.localAddress != b.localAddress {
      guard let first = a.localAddress, let second = b.localAddress else {
        return a.localAddress == nil
      }
      return first < second
    }
    if a.localPort != b.localPort { return a.localPort < b.localPort }
    if a.flow.vip != b.flow.vip { return a.flow.vip < b.flow.vip }
    if a.flow.backend != b.flow.backend { return a.flow.backend < b.flow.backend }
    return a.cookie < b.cookie
  }

  /// What `ss` calls the state of a socket (include/net/tcp_states.h).
  static func state(_ number: UInt8, of flow: SocketFlow) -> String {
    if flow.transport == .udp { return flow.isConnected ? "ESTAB" : "UNCONN" }
    return switch number {
    case 1: "ESTAB"
    case 2: "SYN-SENT"
    case 3: "SYN-RECV"
    case 4: "FIN-WAIT-1"
    case 5: "FIN-WAIT-2"
    case 6: "TIME-WAIT"
    case 7: "CLOSE"
    case 8: "CLOSE-WAIT"
    case 9: "LAST-ACK"
    case 10: "LISTEN"
    case 11: "CLOSING"
    default: "state-\(number)"
    }
  }

  // MARK: Filters

  /// Which rows are wanted. What is empty lets everything through; of several values of one kind one
  /// is enough.
  public struct Filter: Sendable {
    public var services: [SocketServiceFilter]
    public var backends: [SocketBackendFilter]
    public var pids: Set<UInt32>

    public init(
      services: [SocketServiceFilter] = [], backends: [SocketBackendFilter] = [],
      pids: Set<UInt32> = []
    ) {
      self.services = services
      self.backends = backends
      self.pids = pids
    }

    func admits(_ row: Row) -> Bool {
      (services.isEmpty || services.contains { $0.admits(row) })
        && (backends.isEmpty || backends.contains { $0.admits(row.flow.backend) })
        && (pids.isEmpty || row.processes.contains { pids.contains($0.pid) })
    }
  }

  public func filtered(_ filter: Filter) -> SocketDump {
    var copy = self
    copy.rows.removeAll { !filter.admits($0) }
    return copy
  }
}
