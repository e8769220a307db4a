/// Service ports with everything that they shall have from now on; all others stay as they are.
public struct TableChange: Sendable {
  /// Those that change. One without a frontend below goes.
  public let services: Set<ServicePortName>
  public let frontends: [Frontend]
  /// Of `services`: all endpoints that serve and are not listed.
  public let keptEndpoints: [KeptEndpoint]
  public let addedGuards: [IPAddress]
  public let removedGuards: [IPAddress]

  /// - Parameter services: those of `frontends` and `keptEndpoints` are added.
  public init(
    services: Set<ServicePortName>, frontends: [Frontend], keptEndpoints: [KeptEndpoint] = [],
    addedGuards: [IPAddress] = [], removedGuards: [IPAddress] = []
  ) {
    self.services = services.union(frontends.lazy.map(\.service))
      .union(keptEndpoints.lazy.map(\.service))
    self.frontends = frontends
    self.keptEndpoints = keptEndpoints
    self.addedGuards = addedGuards
    self.removedGuards = removedGuards
  }

  /// What leads from one table to another.
  public init(from old: ServiceTable, to new: ServiceTable) {
    var before: [ServicePortName: [Frontend]] = [:]
    for frontend in old.frontends { before[frontend.service, default: []].append(frontend) }
    var after: [ServicePortName: [Frontend]] = [:]
    for frontend in new.frontends { after[frontend.service, default: []].append(frontend) }
    var names = Set(before.keys.filter { after[$0] == nil })
    for (name, frontends) in after where before[name] != frontends { names.insert(name) }
    let keptBefore = Set(old.keptEndpoints)
    names.formUnion(keptBefore.symmetricDifference(new.keptEndpoints).lazy.map(\.service))
    let guardsBefore = Set(old.guardedAddresses)
    let guardsAfter = Set(new.guardedAddresses)
    self.init(
      services: names,
      frontends: new.frontends.filter { names.contains($0.service) },
      keptEndpoints: new.keptEndpoints.filter { names.contains($0.service) },
      addedGuards: guardsAfter.subtracting(guardsBefore).sorted(),
      removedGuards: guardsBefore.subtracting(guardsAfter).sorted())
  }
}

extension ServiceTable {
  /// The table with a change made.
  public func changed(by change: TableChange) -> ServiceTable {
    ServiceTable(
      frontends: frontends.filter { !change.services.contains($0.service) } + change.frontends,
      guardedAddresses: Array(
        Set(guardedAddresses).subtracting(change.removedGuards).union(change.addedGuards)),
      keptEndpoints: keptEndpoints.filter { !change.services.contains($0.service) }
        + change.keptEndpoints)
  }
}
