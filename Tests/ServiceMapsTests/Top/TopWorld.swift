import ServiceMaps

/// A table, and samples of what is counted on it.
enum TopWorld {
  static let web = ServicePortName(service: name("shop/web"), port: "http", transport: .tcp)
  static let empty = ServicePortName(service: name("shop/empty"), port: "", transport: .tcp)
  static let local = ServicePortName(service: name("shop/local"), port: "", transport: .tcp)
  static let dns = ServicePortName(service: name("shop/dns"), port: "dns", transport: .udp)
  static let backends = [backend("10.0.0.1", 8080), backend("10.0.0.2", 8080)]

  /// web has two backends, and one that is kept; empty and local have none; dns has one.
  static func state(
    web: Bool = true, listed: Int = 2, _ change: (inout FamilyState) -> Void = { _ in }
  ) -> FamilyState {
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 16, frontends: 16, backends: 16))
    let names: [(UInt32, ServicePortName, EmptyVerdict)] = [
      (1, Self.web, .refuse), (2, empty, .refuse), (3, local, .drop), (4, dns, .refuse),
    ]
    for (id, service, whenEmpty) in names where web || id != 1 {
      state.services[id] = ServiceRecord(name: service)
      state.frontends[id] = FrontendRecord(
        key: FrontendKey(
          address: ip("10.96.0.\(id)"), port: port(80), transport: service.transport),
        kind: .clusterIP, whenEmpty: whenEmpty, service: id, list: id)
    }
    state.slots = [
      Slot(backend: backends[0], endpoint: 0, generation: 1),
      Slot(backend: backends[1], endpoint: 1, generation: 1),
      Slot(backend: backend("10.0.0.9", 53), endpoint: 9, generation: 1),
    ]
    state.lists[1] = SlotRange(base: 0, count: UInt32(listed))
    state.lists[2] = SlotRange(base: 0, count: 0)
    state.lists[3] = SlotRange(base: 0, count: 0)
    state.lists[4] = SlotRange(base: 2, count: 1)
    state.endpoints = (0..<10).map { EndpointRecord(generation: 1, service: $0 == 9 ? 4 : 1) }
    change(&state)
    return state
  }

  static func flow(
    _ backend: Backend, service: UInt32 = 1, endpoint: UInt32, generation: UInt32 = 1,
    _ transport: TransportProtocol = .tcp
  ) -> SocketFlow {
    SocketFlow(
      vip: ServiceMapsTests.backend("10.96.0.\(service)", 80), backend: backend,
      transport: transport, service: service, endpoint: endpoint, generation: generation)
  }

  /// `counts` of the two backends of web.
  static func sample(
    _ seconds: Double, _ counters: [ServicePortName: ServiceCounters] = [:],
    _ counts: [PathCounts] = [], live: [UInt64] = [], states: [FamilyState] = [state()],
    epoch: Int = 0, uncounted: UInt64 = 0
  ) -> TopSample {
    var paths: [PathID: (flow: SocketFlow, counts: PathCounts)] = [:]
    for (index, counts) in counts.enumerated() {
      let flow = flow(backends[index], endpoint: UInt32(index))
      paths[PathID(of: flow)] = (flow, counts)
    }
    var sockets: [PathID: PathSockets] = [:]
    for (index, count) in live.enumerated() {
      let flow = flow(backends[index], endpoint: UInt32(index))
      sockets[PathID(of: flow)] = PathSockets(flow: flow, count: count)
    }
    return TopSample(
      time: UInt64(seconds * 1e9), services: TopServices(states), counters: counters,
      paths: paths, pathsEpoch: epoch, sockets: sockets, uncounted: uncounted)
  }

  static func table(
    _ before: TopSample, _ after: TopSample, _ order: TopTable.Order = .rate, limit: Int? = nil,
    of services: String...
  ) -> TopTable {
    TopTable(
      from: before, to: after,
      TopTable.Options(
        order: order, services: services.map { right(SocketServiceFilter($0)) }, limit: limit))
  }
}

extension TopTable {
  func row(_ name: ServicePortName) -> Row { right(rows.first { $0.service == name }) }
}

extension PathCounts {
  /// Established, each in this bucket.
  static func established(_ count: UInt64, bucket: Int, failed: UInt64 = 0) -> PathCounts {
    var buckets = [UInt64](repeating: 0, count: 28)
    buckets[bucket] = count
    return PathCounts(
      begun: count + failed, established: count, failed: failed,
      took: LatencyHistogram(buckets: buckets))
  }
}
