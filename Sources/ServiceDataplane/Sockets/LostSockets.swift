import BPFLoader
import CServiceABI
import ServiceMaps

/// A socket that socklb connected to a backend that is gone.
struct LostSocket: Sendable {
  var cookie: UInt64
  var flow: svc_flow
  /// nil: its flow is in `more_flows`.
  var record: SocketStore.Record?
  var service: ServicePortName

  /// What an iterator is told of it.
  var ending: svc_ending {
    svc_ending(
      service: flow.serviceID, endpoint: flow.endpoint, generation: flow.generation,
      result: Int32(SVC_ENDING_NOT_FOUND.rawValue))
  }
}

extension KernelTables {
  /// The endpoint of a flow was released: its generation was raised.
  private func isLost(_ flow: svc_flow) -> Bool {
    let endpoints = flow.isIPv4 ? v4.endpoints : v6.endpoints
    guard flow.isCurrent, flow.isConnected, Int(flow.endpoint) < endpoints.count else {
      return false
    }
    return endpoints[flow.endpoint].generation != flow.generation
  }

  /// The sockets that have lost their backend, of services whose policy wants them ended.
  ///
  /// - Parameters:
  ///   - before: what ids stood for before the change: services may be gone since.
  ///   - moreFlows: the connected flows in `more_flows`; asked only when there may be any.
  func lostSockets(
    _ before: (UInt32, IPFamily) -> ServiceRecord?, moreFlows: () throws(BPFError) -> [svc_socket]
  ) throws(BPFError) -> [LostSocket] {
    let records = sockets.all()
    var found = records.filter { isLost($0.socket.flow) }.map {
      (socket: $0.socket, record: Optional($0))
    }
    if sockets.wasFull || records.contains(where: \.socket.flow.hasMore) {
      found += try moreFlows().filter { isLost($0.flow) }.map { ($0, nil) }
    }
    if found.isEmpty { return [] }
    let services = [IPFamily.v4: try v4.readServices(), IPFamily.v6: try v6.readServices()]
    var cookies: Set<UInt64> = []
    return found.compactMap { socket, record in
      let flow = socket.flow
      let family: IPFamily = flow.isIPv4 ? .v4 : .v6
      let service = service(
        before: before(flow.serviceID, family),
        now: services[family]?[flow.serviceID])
      let policy = service?.termination ?? .standard
      guard policy.contains(flow.isTCP ? .tcp : .udp), cookies.insert(socket.cookie).inserted
      else { return nil }
      return LostSocket(
        cookie: socket.cookie, flow: flow, record: record,
        service: service?.name
          ?? .unnamed(id: flow.serviceID, transport: flow.isTCP ? .tcp : .udp))
    }
  }

  /// The policy is the new one, unless the id stands for something else now.
  private func service(before: ServiceRecord?, now: ServiceRecord?) -> ServiceRecord? {
    if let now, before == nil || before?.name == now.name { return now }
    return before
  }
}
