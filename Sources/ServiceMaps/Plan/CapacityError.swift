/// A table that the maps have no room for. Nothing has been written.
public struct CapacityError: Error, Hashable, Sendable, CustomStringConvertible {
  public struct Shortage: Hashable, Sendable, CustomStringConvertible {
    public var family: IPFamily
    /// "service ports", "frontends" or "backends".
    public var what: String
    public var needed: Int
    public var room: Int
    /// The option of `attach` that sets the room.
    public var option: String

    public var description: String {
      "\(family): \(needed) \(what) are needed, there is room for \(room) (\(option))"
    }
  }

  public var shortages: [Shortage]

  public init(shortages: [Shortage]) { self.shortages = shortages }

  public var description: String {
    "the table does not fit into the maps: "
      + shortages.map(\.description).joined(separator: "; ")
      + "; give `socklb attach` larger limits"
  }
}

extension FamilyState {
  /// What `table` needs at rest and maps of these capacities do not have.
  public static func shortages(
    of table: ServiceTable, capacities: Capacities
  ) -> [CapacityError.Shortage] {
    IPFamily.allCases.flatMap { family in
      shortages(of: table.frontends(of: family), family: family, capacities: capacities)
    }
  }

  /// What `frontends` need at rest and the maps do not have.
  ///
  /// Kept endpoints are not asked for: where room is short, they give way.
  ///
  /// - Parameter frontends: those of this family.
  static func shortages(
    of frontends: [Frontend], family: IPFamily, capacities: Capacities
  ) -> [CapacityError.Shortage] {
    let all = frontends.span
    var listed = 0
    for position in all.indices { listed += all[position].backends.count }
    if frontends.count <= min(capacities.services, capacities.frontends)
      && listed <= capacities.backends
    {
      return []
    }
    let needed = needed(by: frontends)
    var result: [CapacityError.Shortage] = []
    func check(_ what: String, _ needed: Int, _ room: Int, _ option: String) {
      guard needed > room else { return }
      result.append(
        .init(family: family, what: what, needed: needed, room: room, option: option))
    }
    check("service ports", needed.services, capacities.services, "--max-services")
    check("frontends", frontends.count, capacities.frontends, "--max-frontends")
    check("backends", needed.backends, capacities.backends, "--max-backends")
    return result
  }

  /// How many service ports `frontends` have, and how many slots their lists take; equal lists of a
  /// service port are one.
  static func needed(by frontends: [Frontend]) -> (services: Int, backends: Int) {
    var lists: [ServicePortName: [[Backend]]] = [:]
    lists.reserveCapacity(frontends.count)
    var backends = 0
    for frontend in frontends {
      if lists[frontend.service]?.contains(frontend.backends) == true { continue }
      lists[frontend.service, default: []].append(frontend.backends)
      backends += frontend.backends.count
    }
    return (lists.count, backends)
  }
}

extension ServiceTable {
  /// Those of IPv4 come first. Not copied where there are no others.
  func frontends(of family: IPFamily) -> [Frontend] {
    let all = frontends.span
    var (border, end) = (0, all.count)
    while border < end {
      let middle = (border + end) / 2
      if all[middle].key.address.family == .v4 { border = middle + 1 } else { end = middle }
    }
    let range = family == .v4 ? 0..<border : border..<all.count
    return range.count == all.count ? frontends : Array(frontends[range])
  }
}
