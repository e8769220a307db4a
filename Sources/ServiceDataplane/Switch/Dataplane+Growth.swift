import BPFLoader
import BPFObject
public import ServiceMaps

/// Larger maps in place of those that a table does not fit into, while connects go on.
///
/// 1. New maps are made, filled with what the old ones hold, and pinned in `DIR/next`, which
///    appears by one rename. From here on whoever comes next can finish.
/// 2. Links are given programs that use them, one after the other. Meanwhile some programs read the
///    old maps and some the new, and both say the same: the table is not changed in between, and
///    indexes and ids are the same, so sockets, affinity and kept endpoints notice nothing.
/// 3. After a grace period nothing counts into the old maps; what they counted goes into `past`.
/// 4. The pins in `DIR/next` take the place of those in `DIR/maps`.
extension Dataplane {
  /// Makes the maps as large as `capacities`. Only for whoever holds the lock.
  ///
  /// - Returns: the data plane with the new maps.
  /// - Throws: when the kernel refuses, for want of memory for example. Then nothing has changed,
  ///   unless links were being switched already; `finishInterrupted` goes on with that.
  public func grow(to capacities: FamilyCapacities) throws(DataplaneError) -> Dataplane {
    try grow(to: capacities) { _ in }
  }

  /// A point at which a growth can be killed, and has to be finished by whoever comes next.
  package enum GrowthStep: Hashable, Sendable {
    case published
    /// So many links.
    case switched(Int)
    case counted
    /// So many pins.
    case renamed(Int)
  }

  /// - Parameter after: called after each step; when it throws, everything stays as it is then.
  package func grow(
    to capacities: FamilyCapacities, after: (GrowthStep) throws(DataplaneError) -> Void
  ) throws(DataplaneError) -> Dataplane {
    // Programs are loaded, which a change of the table alone does not need.
    try Capabilities.checkAttach()
    // Elements are copied as they are, which they may be only if they mean the same.
    if try Dataplane.migrate(pin: pin) != nil {
      return try Dataplane(pin: pin).grow(to: capacities, after: after)
    }
    try PinLayout.removePins(layout.nextBuilding)
    let object = try loadPrograms(CompiledObject.socklb.elf, capacities) {
      KernelTables.tableMaps.contains($0) ? nil : layout.pin(ofMap: $0)
    }
    let larger = try KernelTables { name throws(BPFError) in try object.map(name) }
    do {
      try bpf { () throws(BPFError) in try larger.copy(from: tables) }
      try Files.makeDirectories(layout.nextBuilding)
      for name in KernelTables.tableMaps {
        let pin = layout.nextBuilding + "/" + name
        try bpf { () throws(BPFError) in try object.map(name).pin(at: pin) }
        // Whoever may read the old one may read the new.
        if let access = Files.access(layout.map(name)) {
          try Files.setAccess(pin, access.mode & 0o777, group: access.group)
        }
      }
      try Files.rename(layout.nextBuilding, to: layout.next)
    } catch {
      try? PinLayout.removePins(layout.nextBuilding)
      throw error
    }
    try after(.published)
    try finishGrowth(object, after)
    return try Dataplane(pin: pin)
  }

  /// Steps 2 to 4. Whatever of it was done already does no harm when it is done again.
  private func finishGrowth(
    _ object: borrowing LoadedObject, _ after: (GrowthStep) throws(DataplaneError) -> Void
  ) throws(DataplaneError) {
    do {
      _ = try switchLinks(to: object, always: true) { (count) throws(DataplaneError) in
        try after(.switched(count))
      }
    } catch let refused {
      let isAllThere = KernelTables.tableMaps.allSatisfy {
        Files.exists(layout.next + "/" + $0)
      }
      if !tables.isSwitching && isAllThere { try undoGrowth(object) }
      throw refused
    }
    try bpf { () throws(BPFError) in try tables.grace.wait() }
    let names = KernelTables.tableMaps.filter { Files.exists(layout.next + "/" + $0) }
    // All are there still: the old counters are, too.
    if names.count == KernelTables.tableMaps.count {
      let larger = try KernelTables { name throws(BPFError) in try object.map(name) }
      try bpf { () throws(BPFError) in try larger.takeOverCounters(from: tables) }
    }
    try after(.counted)
    tables.raiseMapSet()
    for (number, name) in names.enumerated() {
      try Files.rename(layout.next + "/" + name, to: layout.map(name))
      try after(.renamed(number + 1))
    }
    try Files.removeDirectory(layout.next)
    tables.raiseMapSet()
    tables.setVersion(.current)
    tables.setGrownAt(UInt64(max(0, WallClock.seconds)))
    tables.setSwitching(false)
  }

  /// No link has programs that use the larger maps any more.
  private func undoGrowth(_ object: borrowing LoadedObject) throws(DataplaneError) {
    try bpf { () throws(BPFError) in try tables.grace.wait() }
    let larger = try KernelTables { name throws(BPFError) in try object.map(name) }
    // First: killed after this, what the larger maps counted is lost, but never counted twice.
    try Files.rename(layout.next, to: layout.nextBuilding)
    try bpf { () throws(BPFError) in try tables.takeOverCounters(from: larger) }
    try PinLayout.removePins(layout.nextBuilding)
  }

  /// Finishes what a command did that was killed while links were given other programs. Only
  /// for whoever holds the lock, before anything else.
  ///
  /// - Returns: what was finished, and the data plane as it is then; nil when there was nothing.
  public func finishInterrupted() throws(DataplaneError) -> (what: String, dataplane: Dataplane)? {
    try PinLayout.removePins(layout.nextBuilding)
    if Files.isDirectory(layout.next) {
      let object = try loadPrograms {
        let larger = layout.next + "/" + $0
        return Files.exists(larger) ? larger : layout.pin(ofMap: $0)
      }
      try finishGrowth(object) { _ in }
      return ("maps that were about to be replaced by larger ones", try Dataplane(pin: pin))
    }
    guard tables.isSwitching else { return nil }
    _ = try upgrade()
    return ("an upgrade that was interrupted", self)
  }

  // MARK: When

  /// Plans a change, in larger maps if it does not fit into those there are.
  ///
  /// - Parameter limits: how far the maps may grow.
  /// - Returns: what to commit, the data plane to commit it to, and whether its maps were grown.
  /// - Throws: `.capacity` when the table is larger than the limits; then nothing has changed.
  public func prepare(
    _ table: ServiceTable, within limits: Capacities
  ) throws(DataplaneError) -> (KernelTables.Preparation, Dataplane, hasGrown: Bool) {
    let shortages = FamilyState.shortages(of: table, capacities: limits)
    guard shortages.isEmpty else { throw .capacity(CapacityError(shortages: shortages)) }
    let room = tables.capacities
    var larger = room.grown(for: table, within: limits)
    var inParts: KernelTables.Preparation?
    if larger == room {
      do {
        let preparation = try tables.prepare(table)
        inParts = preparation
        // Not in one step: it fits, but hardly. A change is written beside what is in use.
        larger = room.doubled(preparation.crowded, within: limits)
        if larger == room { return (preparation, self, false) }
      } catch {
        // Keys that crowd together do so no more in a larger table.
        guard case .capacity(let shortage) = error else { throw error }
        larger = room.doubled(Set(shortage.shortages.map(\.family)), within: limits)
        if larger == room { throw error }
      }
    }
    do {
      let grown = try grow(to: larger)
      return (try grown.tables.prepare(table), grown, true)
    } catch {
      // It need not grow, and nothing has changed.
      guard let inParts, !tables.isSwitching, !Files.exists(layout.next) else { throw error }
      return (inParts, self, false)
    }
  }
}
