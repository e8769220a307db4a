/// How many entries the maps of one family have room for.
public struct Capacities: Hashable, Sendable, CustomStringConvertible {
  /// Service ports.
  public var services: Int
  /// Frontends: keys, frontend records and lists.
  public var frontends: Int
  /// Backends that lists may hold together.
  public var backends: Int

  public init(services: Int = 65_536, frontends: Int = 262_144, backends: Int = 1_048_576) {
    self.services = services
    self.frontends = frontends
    self.backends = backends
  }

  public var description: String {
    "\(services) service ports, \(frontends) frontends, \(backends) backends"
  }

  /// What `table` takes at rest, of one family.
  init(demandOf table: ServiceTable, _ family: IPFamily) {
    let frontends = table.frontends.filter { $0.key.address.family == family }
    let kept = table.keptEndpoints.count { $0.backend.address.family == family }
    let needed = FamilyState.needed(by: frontends)
    self.init(
      services: needed.services, frontends: frontends.count,
      backends: max(needed.backends + kept, kept * Self.backendsPerKept))
  }

  /// At least twice of what is too small for `demand`, and some more than it takes.
  fileprivate func grown(to demand: Capacities, within limits: Capacities) -> Capacities {
    func size(_ room: Int, _ demand: Int, _ limit: Int) -> Int {
      demand <= room ? room : max(room, min(limit, max(2 * room, demand + demand / 128)))
    }
    return Capacities(
      services: size(services, demand.services, limits.services),
      frontends: size(frontends, demand.frontends, limits.frontends),
      backends: size(backends, demand.backends, limits.backends))
  }

  fileprivate func doubled(within limits: Capacities) -> Capacities {
    Capacities(
      services: max(services, min(limits.services, 2 * services)),
      frontends: max(frontends, min(limits.frontends, 2 * frontends)),
      backends: max(backends, min(limits.backends, 2 * backends)))
  }

  /// The smaller one of each.
  fileprivate func limited(to limits: Capacities) -> Capacities {
    Capacities(
      services: min(services, limits.services), frontends: min(frontends, limits.frontends),
      backends: min(backends, limits.backends))
  }

  // What changes is written beside what is in use, and the old is free only after a grace
  // period. So the maps have some more room than a table may take at rest.

  /// Service port ids that exist.
  public var physicalServices: Int { services + services / 16 + 16 }
  /// Lists that exist; a table has at most one per frontend.
  public var physicalLists: Int { frontends + frontends / 16 + 16 }
  /// Slots and endpoint ids that exist.
  public var physicalBackends: Int { backends + backends / 16 + 1024 }
  /// Endpoints that may be kept. Few are at a time, and a hash has its buckets allocated whole, so
  /// this is not as many as there are slots; who keeps more than one of 32 gets larger maps.
  public var physicalKept: Int { physicalBackends / Self.backendsPerKept + 1024 }
  fileprivate static let backendsPerKept = 32

  /// The capacities of maps with these sizes: the inverse of the above.
  public init(physicalServices: Int, frontends: Int, physicalBackends: Int) {
    func largest(_ limit: Int, _ physical: (Int) -> Int) -> Int {
      var low = 0
      var high = limit
      while low < high {
        let middle = (low + high + 1) / 2
        if physical(middle) <= limit { low = middle } else { high = middle - 1 }
      }
      return low
    }
    self.init(
      services: largest(physicalServices) { Capacities(services: $0).physicalServices },
      frontends: frontends,
      backends: largest(physicalBackends) { Capacities(backends: $0).physicalBackends })
  }
}

/// What the maps of each family have room for: a node that speaks mostly one of the two need not
/// pay for both.
public struct FamilyCapacities: Hashable, Sendable, CustomStringConvertible {
  public var v4: Capacities
  public var v6: Capacities

  public init(v4: Capacities, v6: Capacities) {
    self.v4 = v4
    self.v6 = v6
  }

  /// The same for both.
  public init(_ each: Capacities) { self.init(v4: each, v6: each) }

  /// What attach makes maps for when there is no table yet. They grow, which takes half a second:
  /// IPv4 begins with room for most nodes' tables, IPv6 with less, as its slots are twice as large.
  public static let initial = FamilyCapacities(
    v4: Capacities(services: 16_384, frontends: 32_768, backends: 131_072),
    v6: Capacities(services: 2048, frontends: 4096, backends: 16_384))

  public subscript(family: IPFamily) -> Capacities {
    get { family == .v4 ? v4 : v6 }
    set { if family == .v4 { v4 = newValue } else { v6 = newValue } }
  }

  /// Of each the larger one.
  public var largest: Capacities {
    Capacities(
      services: max(v4.services, v6.services), frontends: max(v4.frontends, v6.frontends),
      backends: max(v4.backends, v6.backends))
  }

  public var description: String { v4 == v6 ? "\(v4)" : "\(v4) in IPv4, \(v6) in IPv6" }

  /// At least twice of what is too small for `table`, and some more than it takes.
  public func grown(for table: ServiceTable, within limits: Capacities) -> FamilyCapacities {
    let listed = table.frontends.reduce(0) { $0 + $1.backends.count }
    let isRoomy = IPFamily.allCases.allSatisfy { family in
      table.frontends.count <= min(self[family].services, self[family].frontends)
        && listed + Capacities.backendsPerKept * table.keptEndpoints.count <= self[family].backends
    }
    if isRoomy { return self }
    return map { family, room in
      room.grown(to: Capacities(demandOf: table, family), within: limits)
    }
  }

  /// Twice as much of everything in these families, as far as limits allow.
  public func doubled(_ families: Set<IPFamily>, within limits: Capacities) -> FamilyCapacities {
    map { family, room in families.contains(family) ? room.doubled(within: limits) : room }
  }

  /// The smaller one of each.
  public func limited(to limits: Capacities) -> FamilyCapacities {
    map { _, room in room.limited(to: limits) }
  }

  private func map(_ change: (IPFamily, Capacities) -> Capacities) -> FamilyCapacities {
    FamilyCapacities(v4: change(.v4, v4), v6: change(.v6, v6))
  }
}
