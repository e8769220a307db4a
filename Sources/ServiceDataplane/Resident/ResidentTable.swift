public import ServiceMaps

/// The table in force, for a process that changes it again and again: it is read once, and then a
/// change costs what it changes.
///
/// Only for whoever holds the lock whenever it changes something. Others may have changed the table
/// meanwhile: the generation tells, and it is read again.
public struct ResidentTable {
  private let tables: KernelTables
  /// Empty: the maps hold what takes a plan for the whole table.
  private var families: [ResidentFamily] = []
  private var addresses = AddressCounts([])
  private var generation: UInt64 = 0
  /// Lists, ids and frontends that may wait for a grace period together.
  private static let mostUnsettled = 16_384

  /// Reads the maps.
  public init(_ tables: KernelTables) throws(DataplaneError) {
    self.tables = tables
    try read()
  }

  private mutating func read() throws(DataplaneError) {
    generation = tables.generation
    let states = try tables.readStates()
    let known = tables.isUnfinished ? [] : states.compactMap(ResidentFamily.init)
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
  public mutating func change(_ change: TableChange) throws(DataplaneError) {
    if generation != tables.generation { try read() }
    if families.contains(where: { $0.unsettled > Self.mostUnsettled }) { try settle() }
    var parts = families.compactMap { $0.plan(change) }
    if parts.count < families.count {
      try settle()
      parts = families.compactMap { $0.plan(change) }
    }
    guard parts.count == families.count, !families.isEmpty else { return try changeWhole(change) }
    guard parts.contains(where: { !$0.plan.isEmpty }) else { return }
    // Whatever goes wrong now, it is read again.
    generation = .max
    for part in parts { addresses.add(part.plan) }
    let during = addresses.filter
    for part in parts { addresses.remove(part.plan) }
    let after = addresses.filter
    try tables.write(parts.map(\.plan)) { (during, after) }
    for (index, part) in parts.enumerated() { families[index].commit(part) }
    generation = tables.generation
  }

  /// There is too little room beside what is in use, or a key goes from one service port to another.
  private mutating func changeWhole(_ change: TableChange) throws(DataplaneError) {
    let table = try table().changed(by: change)
    generation = .max
    try tables.commit(tables.prepare(table))
    try read()
  }

  /// Waits until what the last change took out of use is free.
  public mutating func settle() throws(DataplaneError) {
    try tables.waitIfPending()
    for index in families.indices { families[index].settle() }
  }
}
