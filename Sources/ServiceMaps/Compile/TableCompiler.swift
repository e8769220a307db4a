/// Computes the table from what is known: Services and their endpoints in, frontends out.
///
/// Pure: equal objects give equal tables and equal diagnostics. What depends on the node (its
/// name, zone and addresses) will be properties of this type.
public struct TableCompiler: Sendable {
  public init() {}

  public func compile(_ known: KnownObjects) -> CompiledTable {
    let index = ObjectIndex(known)
    var diagnostics = TableCompiler.notes(on: index.orphans)
    var claims: [FrontendClaim] = []
    claims.reserveCapacity(index.services.count * 2)
    var backendLists: [[Backend]] = []
    backendLists.reserveCapacity(index.services.count)

    for (position, service) in index.services.enumerated() where !service.isSkipped {
      let source = index.source(for: service)
      for family in IPFamily.allCases {
        if let warning = TableCompiler.sourceRangesWarning(service, family) {
          diagnostics.append(warning)
        }
        let addresses = service.addresses(in: family)
        if addresses.isEmpty { continue }
        for (i, port) in service.ports.enumerated() {
          let list = Int32(backendLists.count)
          backendLists.append(
            source.candidates(for: port, of: service, family: family)
              .withoutDuplicates().inUse().backends)
          for address in addresses {
            claims.append(
              FrontendClaim(
                key: FrontendKey(
                  address: address.address, port: port.port, transport: port.transport),
                kind: address.kind, service: Int32(position), port: Int32(i), backends: list))
          }
        }
      }
    }

    let winners = TableCompiler.settle(&claims, index.services, &diagnostics)
    let frontends = winners.map { claim -> Frontend in
      let service = index.services[Int(claim.service)]
      return Frontend(
        key: claim.key, kind: claim.kind,
        service: ServicePortName(
          service: service.meta.name, port: service.ports[Int(claim.port)].name,
          transport: claim.key.transport),
        affinityTimeout: service.affinityTimeout, backends: backendLists[Int(claim.backends)])
    }
    diagnostics.sort { ($0.object ?? "", $0.message) < ($1.object ?? "", $1.message) }
    return CompiledTable(table: ServiceTable(frontends: frontends), diagnostics: diagnostics)
  }

  /// One claim per key, sorted by key; what two Services claim is reported.
  private static func settle(
    _ claims: inout [FrontendClaim], _ services: [Service], _ diagnostics: inout [Diagnostic]
  ) -> [FrontendClaim] {
    claims.sort { $0.key < $1.key }
    var winners: [FrontendClaim] = []
    winners.reserveCapacity(claims.count)
    var start = 0
    while start < claims.count {
      var end = start + 1
      while end < claims.count && claims[end].key == claims[start].key { end += 1 }
      if end == start + 1 {
        winners.append(claims[start])
      } else {
        winners.append(settleRun(claims[start..<end], services, &diagnostics))
      }
      start = end
    }
    return winners
  }

  /// The first of the claims on one key.
  private static func settleRun(
    _ run: ArraySlice<FrontendClaim>, _ services: [Service], _ diagnostics: inout [Diagnostic]
  ) -> FrontendClaim {
    let sorted = run.sorted { a, b in
      if a.service != b.service {
        return services[Int(a.service)].precedes(services[Int(b.service)])
      }
      return (a.rank, a.port) < (b.rank, b.port)
    }
    let winner = sorted[0]
    var previous = winner.service
    for claim in sorted.dropFirst() where claim.service != previous {
      previous = claim.service
      // Two Services cannot have one clusterIP; merge refuses that, so it is a damaged state.
      let isError = claim.kind == .clusterIP && winner.kind == .clusterIP
      diagnostics.append(
        Diagnostic(
          isError ? .error : .warning,
          object: "Service \(services[Int(claim.service)].meta.name)",
          "\(claim.kind.rawValue) \(claim.key) is left to Service "
            + "\(services[Int(winner.service)].meta.name), which is older or first by name and "
            + "has it as \(winner.kind.rawValue)"))
    }
    return winner
  }

  private static func sourceRangesWarning(_ service: Service, _ family: IPFamily) -> Diagnostic? {
    guard service.restrictsSources(in: family),
      service.clusterIPs.contains(where: { $0.family == family })
    else { return nil }
    let addresses = service.loadBalancerAddresses(in: family)
    if addresses.isEmpty { return nil }
    return Diagnostic(
      .warning, object: "Service \(service.meta.name)", path: "spec.loadBalancerSourceRanges",
      "not enforced yet, so the load balancer addresses "
        + addresses.map { "\($0)" }.joined(separator: ", ") + " are left alone")
  }

  private static func notes(on orphans: [EndpointSlice]) -> [Diagnostic] {
    orphans.map { slice in
      Diagnostic(
        .note, object: "EndpointSlice \(slice.meta.name)",
        "its Service \(slice.serviceName?.description ?? "") is not known; "
          + "kept for when it comes")
    }
  }
}
