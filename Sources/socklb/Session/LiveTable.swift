import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Synchronization

/// What a process that follows objects keeps of the data plane: the known objects, what they compile
/// to, and the table in force, so that a change costs what it changes.
///
/// For whoever holds the lock of the state directory, from the first change on that is not on
/// disk yet until it is.
final class LiveTable {
  let dataplane: Dataplane
  let settings: [String: String]
  private(set) var known: KnownObjects
  private var resident: ResidentTable
  private var compiler: ResidentCompiler
  private var allocations: ResidentAllocations
  /// Of the objects on disk as they were written last, here or before.
  var digestOnDisk: String?
  var lastGeneration: UInt64
  /// What is not on disk yet.
  private(set) var unsaved = Unsaved()
  /// The part of it that is not in the journal either.
  private var unjournaled: [ObjectID: KnownObject?] = [:]
  /// What is on disk, or is being written there: another thread's, so that no change waits for a copy.
  let stored: StoredObjects

  struct Unsaved {
    var changes = 0
    /// What is known of them now.
    var objects: [ObjectID: KnownObject?] = [:]
    var summary = ChangeSummary()
    var inputs: [String] = []
    var former: [FormerService] = []
  }

  init(
    _ dataplane: Dataplane, _ known: KnownObjects, _ settings: [String: String],
    _ state: StateDirectory, _ cidrs: ServiceCIDRs, _ nodePorts: NodePortRange
  ) throws(DataplaneError) {
    self.dataplane = dataplane
    self.known = known
    stored = StoredObjects(known)
    self.settings = settings
    resident = try ResidentTable(dataplane.tables)
    compiler = ResidentCompiler(known, options: NodeOptions.compileOptions(settings))
    allocations = ResidentAllocations(
      known, cidrs: cidrs, nodePorts: nodePorts)
    digestOnDisk = try state.objectsOnDisk()?.digest
    lastGeneration = try state.readHistory().entries.last?.generation ?? 0
  }

  enum Result {
    /// Whoever connects now gets what the objects say.
    case made(ChangeSet, [Diagnostic])
    /// Nothing was changed.
    case refused([Diagnostic])
  }

  /// Makes a change in the kernel.
  ///
  /// - Throws: when the kernel refuses, or there is too little room in the maps. What is known here
  ///   says nothing any more then: it has to be made anew.
  func change(_ difference: FollowedFiles.Difference) throws(DataplaneError) -> Result {
    let removed = known.remove(difference.removed, &allocations)
    var changes = known.merge(difference.merged, &allocations)
    if changes.isRefused {
      known.restore(removed, &allocations)
      return .refused(changes.diagnostics.filter { $0.severity == .error })
    }
    changes.changes.removeAll { $0.action == .unchanged }
    changes.changes += removed.map { ObjectChange(id: $0.object.id, action: .deleted) }
    if changes.changes.isEmpty { return .made(changes, []) }
    let diagnostics: [Diagnostic]
    switch compiler.update(changes.changes.map(\.id), in: known) {
    case .part(let change, let old, let found):
      try write(
        change, isRestricted: (change.frontends + old).contains { !$0.sourceRanges.isEmpty })
      unsaved.summary.add(changes, from: old, to: change.frontends)
      diagnostics = found
    case .whole(let compiled):
      let old = try resident.table()
      let change = TableChange(from: old, to: compiled.table)
      try write(change, isRestricted: !compiler.restricted.isEmpty)
      unsaved.summary.add(changes, from: old.frontends, to: compiled.table.frontends)
      diagnostics = compiled.diagnostics
    }
    unsaved.changes += 1
    for change in changes.changes {
      unsaved.objects[change.id] = .some(known[change.id])
      unjournaled[change.id] = .some(known[change.id])
    }
    unsaved.inputs.append(KnownObjects.digest(ofInput: difference.merged))
    unsaved.former += resident.takeFormerServices()
    return .made(changes, diagnostics)
  }

  private func write(_ change: TableChange, isRestricted: Bool) throws(DataplaneError) {
    let restricted = isRestricted ? ServiceTable(frontends: compiler.restricted) : nil
    // Known before ranges ask for them, and forgotten only when none does any more.
    let hasRanges = restricted?.frontends.isEmpty == false
    if let restricted, hasRanges { _ = try dataplane.tables.refreshSources(for: restricted) }
    try resident.change(change)
    if let restricted, !hasRanges { _ = try dataplane.tables.refreshSources(for: restricted) }
  }

  // MARK: For whoever shows it

  var localServices: LocalServices { compiler.local }
  var healthCheckAddresses: [IPAddress]? { compiler.nodePortAddresses }
  var mapUse: [LiveMetrics.MapUse] {
    resident.use.flatMap { family, used, room in
      [
        LiveMetrics.MapUse("services", family, used: used.services, room: room.services),
        LiveMetrics.MapUse("frontends", family, used: used.frontends, room: room.frontends),
        LiveMetrics.MapUse("backends", family, used: used.backends, room: room.backends),
      ]
    }
  }

  var isUnsettled: Bool { resident.unsettled > 0 }
  func settle(hasWaited: Bool = false) throws(DataplaneError) {
    try resident.settle(hasWaited: hasWaited)
  }

  // MARK: On disk

  /// What is to be stored now. From here on changes count anew.
  func takeUnsaved() -> (unsaved: Unsaved, generation: UInt64) {
    let result = unsaved
    unsaved = Unsaved()
    unjournaled = [:]
    let next = max(lastGeneration + 1, dataplane.tables.generation / 2)
    resident.raiseGeneration(to: next)
    return (result, next)
  }

  var isJournalDue: Bool { !unjournaled.isEmpty }

  /// What is to be put into the journal now.
  func takeUnjournaled() -> [ObjectID: KnownObject?] {
    defer { unjournaled = [:] }
    return unjournaled
  }

  /// How much of it is in the journal is not known.
  func journalAnew() { unjournaled = unsaved.objects }

  /// It could not be stored.
  func putBack(_ old: Unsaved) {
    let new = unsaved
    unsaved = old
    unsaved.changes += new.changes
    unsaved.inputs += new.inputs
    unsaved.summary.add(new.summary)
    unsaved.former = new.former
    unsaved.objects.merge(new.objects) { $1 }
    journalAnew()
  }
}

/// Known objects that only the thread uses that stores them.
final class StoredObjects: Sendable {
  private let known: Mutex<KnownObjects>

  init(_ known: KnownObjects) { self.known = Mutex(known) }

  /// Brings them up to date.
  ///
  /// - Returns: what is to be written.
  func encode(_ changes: [ObjectID: KnownObject?]) -> [UInt8] {
    known.withLock { known in
      known.follow(changes)
      return known.encode()
    }
  }
}
