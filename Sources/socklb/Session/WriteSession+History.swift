import ServiceDataplane
import ServiceMaps

/// What is written into the history of a change.
struct HistoryNote {
  /// `apply --prune`, `rollback to 12`
  var command: String
  /// Digest of what was given.
  var input: String
}

extension WriteSession {
  /// What a writer has begun that was killed after it had replaced the objects; nil when there is
  /// none. What was not begun, or is in the history already, is forgotten.
  static func interrupted(_ state: StateDirectory) throws(DataplaneError) -> PendingChange? {
    if let pending = try state.readPending(), let disk = try state.objectsOnDisk(),
      pending.hasHappened(objects: disk.digest, settings: try state.readSettings())
    {
      var recorded = try state.readHistory().entries.last
      recorded?.generation = pending.entry.generation
      if recorded != pending.entry { return pending }
    }
    try state.forgetPending()
    return nil
  }

  /// Makes the maps say what is known, after a command that was killed before they did: a writer,
  /// or an attach whose pins had appeared. Only for whoever holds the lock.
  ///
  /// - Returns: whether there was anything to finish.
  static func finishTable(
    _ state: StateDirectory, _ dataplane: Dataplane
  ) throws(DataplaneError) -> Bool {
    let pending = try interrupted(state)
    guard pending != nil || dataplane.tables.isUnfinished else { return false }
    try state.checkOwner(of: dataplane)
    try KnownStore.takeInJournal(state)
    let (known, bytes) = try KnownStore.load(state)
    // What is attached goes on; a lost file is not a wish to serve nothing.
    guard bytes != nil else { throw lostObjects(state) }
    if pending != nil { try finishInterrupted(state, dataplane, known) }
    if dataplane.tables.isUnfinished {
      let options = NodeOptions.compileOptions(try state.readSettings())
      // The maps were made, or grown, for this table.
      try serve(TableCompiler(options: options).compile(known).table, dataplane)
      try continueGeneration(state, dataplane.tables)
      Output.message("finished what an interrupted socklb had begun")
    }
    return true
  }

  /// The kernel follows what a killed writer has left on disk.
  ///
  /// This is its own change, with its own entry; what the command itself was called for comes
  /// after it. When it cannot be done, that change says why.
  static func finishInterrupted(
    _ state: StateDirectory, _ dataplane: Dataplane, _ known: KnownObjects
  ) throws(DataplaneError) {
    guard let pending = try interrupted(state) else { return }
    do {
      try state.writeSettings(pending.settings)
      let table = TableCompiler(options: NodeOptions.compileOptions(pending.settings))
        .compile(known).table
      try serve(table, dataplane)
      try recordInterrupted(pending, state, dataplane.tables)
    } catch {
      Output.message("warning: a change that was interrupted cannot be finished: \(error)")
    }
  }

  /// In the maps there are.
  private static func serve(
    _ table: ServiceTable, _ dataplane: Dataplane
  ) throws(DataplaneError) {
    let prepared = try dataplane.tables.prepare(table)
    // Known before ranges ask for them, and forgotten only when none does any more.
    let isRestricted = table.frontends.contains { !$0.sourceRanges.isEmpty }
    if isRestricted { _ = try dataplane.tables.refreshSources(for: table) }
    try dataplane.tables.commit(prepared)
    if !isRestricted { _ = try dataplane.tables.refreshSources(for: table) }
    let ended = try dataplane.endLostSockets(after: prepared)
    for warning in ended.warnings { Output.message(warning) }
  }

  static func lostObjects(_ state: StateDirectory) -> DataplaneError {
    .refused(
      "\(state.path)/objects is missing, which holds what is served now",
      remedy: "restore it, or apply all manifests at once with --prune. Nothing was changed, "
        + "what is attached goes on")
  }

  static func recordInterrupted(
    _ pending: PendingChange, _ state: StateDirectory, _ tables: KernelTables
  ) throws(DataplaneError) {
    try record(pending.entry, state, tables, pending.settings)
    Output.message(
      "finished a change that was interrupted: \(pending.entry.command) "
        + "(\(pending.entry.summary))")
  }

  /// Objects that no entry tells of (an older socklb, a restored file, a history that was lost)
  /// become an entry, so that one can go back to them.
  static func adoptUnknown(
    _ state: StateDirectory, _ tables: KernelTables, _ settings: [String: String]
  ) throws(DataplaneError) {
    guard let disk = try state.objectsOnDisk(), disk.count > 0 else { return }
    let log = try state.readHistory()
    if log.entries.last?.objects == disk.digest { return }
    var summary = ChangeSummary()
    if log.entries.isEmpty { summary.objects.added = disk.count }
    let entry = HistoryEntry(
      generation: 0, time: UTCTime(seconds: WallClock.seconds), command: "found",
      summary: summary, input: disk.digest, objects: disk.digest, objectCount: disk.count,
      bytes: disk.bytes)
    try record(entry, state, tables, settings)
  }

  /// Gives the change its generation and writes it down.
  static func record(
    _ entry: HistoryEntry, _ state: StateDirectory, _ tables: KernelTables,
    _ settings: [String: String]
  ) throws(DataplaneError) {
    let log = try state.readHistory()
    var entry = entry
    // A new attach counts from zero, and objects may change while the table does not.
    let next = (log.entries.last?.generation ?? 0) + 1
    entry.generation = max(next, tables.generation / 2)
    tables.raiseGeneration(to: entry.generation)
    try state.record(entry, keeping: HistoryOptions.retention(settings))
  }

  /// The kernel counts on where the history has come to, after `attach` has made new tables.
  static func continueGeneration(
    _ state: StateDirectory, _ tables: KernelTables
  ) throws(DataplaneError) {
    if let last = try state.readHistory().entries.last {
      tables.raiseGeneration(to: last.generation)
    }
  }
}
