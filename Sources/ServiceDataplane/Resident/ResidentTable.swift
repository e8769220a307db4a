public import ServiceMaps

/// A service port that is gone, and what its id stood for.
public struct FormerService: Sendable {
  public var id: UInt32
  public var family: IPFamily
  public var record: ServiceRecord
}

/// The table in force, for a process that changes it again and again: it is read once, and then a
/// change costs what it changes.
///
/// `change`, `serve` and `settle` are for whoever holds the lock. Others may have changed the table
/// before that: the generation tells, and it is read again.
public struct ResidentTable {
  private let tables: KernelTables
  /// Empty: it takes a plan for the whole table.
  private var families: [ResidentFamily] = []
  private var addresses = AddressCounts([])
  /// Of the table that was read, or written last; `nil` when it has to be read again.
  private var generation: UInt64?
  /// What was read as free may have been taken out of use a moment ago, and programs see it still.
  private var isFreeSettled = false
  /// Endpoint ids that were given back since then.
  private var released = ReleasedEndpoints([])
  /// Service ports that are gone since `takeFormerServices`.
  private var former: [FormerService] = []
  /// Lists, ids and frontends that may wait for a grace period together.
  private static let mostUnsettled = 16_384

  /// Reads the maps.
  public init(_ tables: KernelTables) throws(DataplaneError) {
    self.tables = tables
    try read()
  }

  private mutating func read() throws(DataplaneError) {
    generation = tables.generation
    isFreeSettled = false
    released = ReleasedEndpoints([])
    let states = try tables.readStates()
    let known = states.compactMap(ResidentFamily.init)
    families = known.count == states.count ? known : []
    addresses = AddressCounts(states)
  }

  /// What the maps hold.
  public func table() throws(DataplaneError) -> ServiceTable {
    families.isEmpty || generation != tables.generation
      ? try tables.readSnapshot().table : ServiceTable(states: families.map(\.state))
  }

  /// Makes a change: whoever connects when it returns gets what it says.
  ///
  /// It does not wait for what it takes out of use: that is free after `settle`, which whoever has
  /// no change to make calls, and a change that finds too little room.
  ///
  /// - Throws: `.refused` when the maps were replaced by larger ones, or a writer was killed: what it
  ///   had not written yet is not known here, so `serve` has to say what the whole table is.
  ///   `.capacity` when it does not fit. After a failure while it was written, too, `serve` comes next.
  public mutating func change(_ change: TableChange) throws(DataplaneError) {
    try checkMaps()
    guard !tables.isUnfinished else {
      throw .refused(
        "a writer was killed while it changed the table, so the maps hold a part of its change",
        remedy: "write the whole table (ResidentTable.serve, or `socklb apply`)")
    }
    if generation != tables.generation { try read() }
    if !isFreeSettled || families.contains(where: { $0.unsettled > Self.mostUnsettled }) {
      try settle()
    }
    var parts = families.compactMap { $0.plan(change) }
    if parts.count < families.count {
      try settle()
      parts = families.compactMap { $0.plan(change) }
    }
    guard parts.count == families.count, !families.isEmpty else {
      // Too little room beside what is in use, or a key that goes over from another service port.
      return try serve(ServiceTable(states: tables.readStates()).changed(by: change))
    }
    guard parts.contains(where: { !$0.plan.isEmpty }) else { return }
    generation = nil
    for part in parts { addresses.add(part.plan) }
    let during = addresses.filter
    for part in parts { addresses.remove(part.plan) }
    let after = addresses.filter
    for part in parts { former += formerServices(part.plan) }
    try tables.write(parts.map(\.plan)) { (during, after) }
    for (index, part) in parts.enumerated() { families[index].commit(part) }
    released.add(parts.map(\.plan))
    generation = tables.generation
  }

  /// Makes the maps hold a table, whatever they hold; what is the same stays untouched.
  ///
  /// - Throws: `.refused` when the maps were replaced by larger ones, `.capacity` when it does not fit;
  ///   then nothing is written.
  public mutating func serve(_ table: ServiceTable) throws(DataplaneError) {
    try checkMaps()
    let preparation = try tables.prepare(table)
    generation = nil
    try tables.commit(preparation)
    try read()
  }

  /// Service ports that `change` has taken away since this was asked last: `endLostSockets` has to
  /// know them.
  public mutating func takeFormerServices() -> [FormerService] {
    defer { former = [] }
    return former
  }

  private func formerServices(_ plan: FamilyPlan) -> [FormerService] {
    guard let state = families.first(where: { $0.state.family == plan.family })?.state else {
      return []
    }
    return plan.deletedServices.compactMap { id in
      state.services[id].map { FormerService(id: id, family: plan.family, record: $0) }
    }
  }

  /// After a change that left the table as it was (`KernelTables.raiseGeneration`).
  public mutating func raiseGeneration(to value: UInt64) {
    guard generation == tables.generation else { return }
    tables.raiseGeneration(to: value)
    generation = tables.generation
  }

  /// What is in use of the maps of each family, and how much room there is; empty when that is not
  /// known.
  public var use: [(family: IPFamily, used: Capacities, room: Capacities)] {
    families.map { ($0.state.family, $0.used, $0.state.capacities) }
  }

  /// How much waits for `settle`.
  public var unsettled: Int { families.reduce(0) { $0 + $1.unsettled } }

  /// Waits until what was taken out of use is free.
  ///
  /// - Parameter hasWaited: `KernelTables.waitForPrograms` has ended that was begun after the last
  ///   change: there is nothing left to wait for.
  /// - Throws: `.refused` when the maps were replaced by larger ones.
  public mutating func settle(hasWaited: Bool = false) throws(DataplaneError) {
    try checkMaps()
    // What others have given back since is not known here.
    let isOwn = generation == tables.generation
    let released = isFreeSettled && isOwn ? released : nil
    if hasWaited && isOwn {
      try tables.endGrace(releasing: released)
    } else {
      try tables.waitIfPending(releasing: released)
    }
    self.released = ReleasedEndpoints([])
    for index in families.indices { families[index].settle() }
    isFreeSettled = true
  }

  private func checkMaps() throws(DataplaneError) {
    guard !tables.isReplaced else {
      throw .refused(
        "the maps were replaced by larger ones since they were opened",
        remedy: "open the data plane again")
    }
  }
}
