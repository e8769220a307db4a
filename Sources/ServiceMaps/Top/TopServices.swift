/// The service ports that `top` shows, and what the ids in counts and sockets mean.
public struct TopServices: Sendable {
  /// One service port as it is served now.
  public struct Served: Hashable, Sendable {
    /// In any of its lists; sorted, each once.
    public var listed: [IPFamily: [Backend]] = [:]
    /// Families in which its frontends have different lists: some backends serve more of them than
    /// others, so there is no share that would be fair.
    public var isMixed: Set<IPFamily> = []
    public var frontends = 0
    /// Frontends that have no backend.
    public var emptyFrontends = 0
    /// What clients of those get.
    public var whenEmpty = EmptyVerdict.refuse
    /// The number of the port, at its clusterIP where it has one.
    public var number: Port?

    public init() {}

    var endpoints: Int { listed.values.reduce(0) { $0 + $1.count } }
  }

  public private(set) var served: [ServicePortName: Served] = [:]
  private var flows: [IPFamily: FlowServices] = [:]

  public init() {}

  public init(_ states: [FamilyState]) {
    for state in states {
      flows[state.family] = FlowServices(state)
      var lists: [UInt32: Set<UInt32>] = [:]
      for service in state.services.values where served[service.name] == nil {
        served[service.name] = Served()
      }
      for record in state.frontends.values {
        guard let name = state.services[record.service]?.name else { continue }
        let isEmpty = state.slotsOfList(record.list).isEmpty
        served[name]?.frontends += 1
        if served[name]?.number == nil || record.kind == .clusterIP {
          served[name]?.number = record.key.port
        }
        if isEmpty {
          served[name]?.emptyFrontends += 1
          served[name]?.whenEmpty = record.whenEmpty
        } else {
          lists[record.service, default: []].insert(record.list)
        }
      }
      for (service, lists) in lists {
        guard let name = state.services[service]?.name else { continue }
        let backends = lists.map { Set(state.slotsOfList($0).lazy.map(\.backend)) }
        served[name]?.listed[state.family] = Set(backends.joined()).sorted()
        if let first = backends.first, backends.contains(where: { $0 != first }) {
          served[name]?.isMixed.insert(state.family)
        }
      }
    }
  }

  /// nil: its service is gone, and its id may be another one's by now.
  func name(of flow: SocketFlow) -> ServicePortName? {
    flows[flow.vip.address.family]?.name(of: flow)
  }

  func state(of flow: SocketFlow) -> SocketDump.BackendState {
    flows[flow.vip.address.family]?.backendState(of: flow) ?? .gone
  }
}

/// Everything that was counted up to one moment.
public struct TopSample: Sendable {
  /// CLOCK_MONOTONIC, nanoseconds.
  public var time: UInt64
  public var services: TopServices
  public var counters: [ServicePortName: ServiceCounters]
  /// TCP connections, with the flow of the first one.
  public var paths: [PathID: (flow: SocketFlow, counts: PathCounts)]
  /// Raised when `paths` was counted from zero again.
  public var pathsEpoch: Int
  public var sockets: [PathID: PathSockets]
  /// Connections that could not be counted, since the start.
  public var uncounted: UInt64

  public init(
    time: UInt64, services: TopServices, counters: [ServicePortName: ServiceCounters] = [:],
    paths: [PathID: (flow: SocketFlow, counts: PathCounts)] = [:], pathsEpoch: Int = 0,
    sockets: [PathID: PathSockets] = [:], uncounted: UInt64 = 0
  ) {
    self.time = time
    self.services = services
    self.counters = counters
    self.paths = paths
    self.pathsEpoch = pathsEpoch
    self.sockets = sockets
    self.uncounted = uncounted
  }
}
