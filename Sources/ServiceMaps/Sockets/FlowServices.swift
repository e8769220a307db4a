/// What the maps of one family say of the services and endpoints in flows.
struct FlowServices: Sendable {
  private let state: FamilyState
  private var serviceOfFrontend: [FrontendKey: UInt32] = [:]
  private var listed: Set<UInt32> = []

  init(_ state: FamilyState) {
    self.state = state
    serviceOfFrontend.reserveCapacity(state.frontends.count)
    for record in state.frontends.values { serviceOfFrontend[record.key] = record.service }
    for list in state.lists.keys {
      for slot in state.slotsOfList(list) { listed.insert(slot.endpoint) }
    }
  }

  private func isThere(_ flow: SocketFlow) -> Bool {
    let id = Int(flow.endpoint)
    return id < state.endpoints.count && state.endpoints[id].generation == flow.generation
      && state.endpoints[id].service == flow.service
  }

  func backendState(of flow: SocketFlow) -> SocketDump.BackendState {
    isThere(flow) ? listed.contains(flow.endpoint) ? .listed : .kept : .gone
  }

  /// The ids of services that are gone are given to others: a name is true only if the endpoint is
  /// there still, or the VIP leads to the same service as before.
  func name(of flow: SocketFlow) -> ServicePortName? {
    let key = FrontendKey(
      address: flow.vip.address, port: flow.vip.port, transport: flow.transport)
    guard isThere(flow) || serviceOfFrontend[key] == flow.service else { return nil }
    return state.services[flow.service]?.name
  }
}
