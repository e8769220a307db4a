import ServiceMaps

/// What is in the maps while a case is measured: so many services, each with a frontend of every
/// mode and transport.
struct HookTable: Hashable {
  var services = 1
  var modes: [HookCase.Mode] = [.v4, .v6]
  var transports: [TransportProtocol] = [.tcp, .udp]

  /// One frontend of a service.
  struct Entry {
    /// Counts all entries of a family, from 1 on.
    var id: Int
    var service: Int
    var vip: HookAddress
    var transport: TransportProtocol
    var backends: [HookAddress]

    /// As the kernel numbers it.
    var ipProtocol: UInt8 { transport == .tcp ? 6 : 17 }
  }

  func entries(_ mode: HookCase.Mode) -> [Entry] {
    guard modes.contains(mode) else { return [] }
    var result: [Entry] = []
    result.reserveCapacity(services * transports.count)
    for service in 1...services {
      for transport in transports {
        result.append(
          Entry(
            id: result.count + 1, service: service, vip: HookPlaces.vip(service, mode),
            transport: transport,
            backends: (0..<HookPlaces.endpoints).map { HookPlaces.backend(service, $0, mode) }))
      }
    }
    return result
  }

  /// The same for socklb.
  func serviceTable() throws -> ServiceTable {
    var frontends: [Frontend] = []
    for mode in modes {
      for entry in entries(mode) {
        let vip = try entry.vip.backend
        frontends.append(
          Frontend(
            key: FrontendKey(address: vip.address, port: vip.port, transport: entry.transport),
            kind: .clusterIP,
            service: ServicePortName(
              service: NamespacedName(namespace: "bench", name: "service-\(entry.service)"),
              port: "",
              transport: entry.transport),
            backends: try entry.backends.map { try $0.backend }))
      }
    }
    return ServiceTable(frontends: frontends)
  }

  /// The maps that `attach` and `apply` would make for it.
  func capacities(for table: ServiceTable) -> FamilyCapacities {
    FamilyCapacities.initial.grown(for: table, within: Capacities(services: 131_072))
  }
}
