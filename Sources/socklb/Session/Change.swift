import ArgumentParser
import ServiceDataplane
import ServiceMaps
import Threads

/// What `apply`, `delete` and `diff` have in common: from known objects and a change to a table.
struct Change {
  var known: KnownObjects
  var changes: ChangeSet
  var table: ServiceTable

  /// Changes `known` and computes the table. Everything there is to say is said; when the input
  /// is refused, this throws with exit code 65 and nothing has happened.
  init(
    _ known: KnownObjects, options: CompileOptions,
    _ body: (inout KnownObjects) -> ChangeSet
  ) throws {
    var known = known
    changes = body(&known)
    Output.diagnostics(changes.diagnostics)
    if changes.isRefused { throw Exit.badManifest }
    let compiled = TableCompiler(options: options).compile(known)
    Output.diagnostics(compiled.diagnostics)
    if compiled.diagnostics.contains(where: { $0.severity == .error }) { throw Exit.badManifest }
    self.known = known
    table = compiled.table
  }

  /// A change that was computed elsewhere, and about which all is said.
  init(known: KnownObjects, changes: ChangeSet, table: ServiceTable) {
    self.known = known
    self.changes = changes
    self.table = table
  }

  /// Reads and decodes what -f names; refuses it as a whole when anything is wrong with it.
  static func decode(_ options: ManifestOptions) throws -> [ManifestObject] {
    guard !options.filenames.isEmpty else {
      throw ValidationError("-f FILE, -f DIRECTORY or -f - is needed")
    }
    let input = ManifestReader.read(options.filenames, recursive: options.recursive)
    let decoded = decodeManifests(input.files)
    var diagnostics = input.problems + decoded.diagnostics
    if diagnostics.contains(where: { $0.severity == .error }) {
      // What is wrong between objects belongs into the same report.
      var alone = KnownObjects()
      diagnostics += alone.merge(decoded.objects).diagnostics.filter { $0.severity == .error }
    }
    Output.diagnostics(diagnostics)
    let errors = diagnostics.count { $0.severity == .error }
    if errors > 0 {
      Output.error("\(errors) problem\(errors == 1 ? "" : "s") in the input; nothing was changed")
      throw Exit.badManifest
    }
    return decoded.objects
  }
}

/// Everything a writer holds: the lock, the data plane, and what was known before.
struct WriteSession {
  let common: CommonOptions
  let lock: StateLock?
  let dataplane: Dataplane
  let known: KnownObjects
  let options: CompileOptions
  private let knownBytes: [UInt8]?
  private let keptSettings: [String: String]
  private let settings: [String: String]

  /// - Parameter decoded: objects that were read already, and may be known.
  /// - Throws: when nothing is attached, or the pins belong to another state.
  init(
    _ common: CommonOptions, node: NodeOptions? = nil, history: HistoryOptions? = nil,
    mayStartAnew: Bool = false, reusing decoded: [ManifestObject] = []
  ) throws(DataplaneError) {
    self.common = common
    try Capabilities.checkWriting()
    // Before the lock, which would make the state directory.
    guard Dataplane.isAttached(pin: common.pin) else { throw .notAttached(pin: common.pin) }
    let state = common.stateDirectory
    _ = try Upgrade.migrate(common, mayBegin: false)
    let found = try Dataplane(pin: common.pin)
    try found.checkLayout()
    try state.checkOwner(of: found)
    lock = try state.lock {
      Output.message("waiting for another socklb that changes \(state.path)")
    }
    // Again, now that nobody else can detach and attach in between.
    var current = try Dataplane(pin: common.pin)
    try state.checkOwner(of: current)
    if let (what, finished) = try current.finishInterrupted() {
      Output.message("finished \(what)")
      current = finished
    }
    dataplane = current
    try KnownStore.takeInJournal(state)
    (known, knownBytes) = try KnownStore.load(state, reusing: decoded)
    // attach has written it, if only without an object.
    guard knownBytes != nil || mayStartAnew else {
      throw WriteSession.lostObjects(state)
    }
    if dataplane.tables.isUnfinished {
      Output.message("note: another socklb was interrupted; this one goes on where it stopped")
    }
    for problem in try dataplane.missingHooks() {
      Output.message(
        "warning: \(problem); run `socklb attach`, which attaches what is missing")
    }
    if knownBytes != nil { try WriteSession.finishInterrupted(state, dataplane, known) }
    keptSettings = try state.readSettings()
    let given = node?.settings(over: keptSettings) ?? keptSettings
    settings = history?.settings(over: given) ?? given
    options = NodeOptions.compileOptions(settings)
  }

  /// Makes a change last: on disk first, so that a crash in between is mended by whoever comes
  /// next, then in the kernel. When the kernel fails, both go back.
  ///
  /// - Parameter note: what the history is to say of it.
  /// - Returns: which sockets were ended, because their backend is gone with this change, or with
  ///   one whose writer was killed.
  func commit(_ change: Change, _ note: HistoryNote) throws(DataplaneError) -> EndedSockets {
    let limits = Limits(settings).capacities ?? dataplane.tables.capacities.largest
    // What is to be stored is written while the plan is made.
    let known = change.known
    let isStored = change.changes.isChange || knownBytes == nil
    let before = self.dataplane
    let (planned, bytes) = inParallel(
      { plan(before, change.table, within: limits) }, { isStored ? known.encode() : nil })
    let (prepared, dataplane, hasGrown) = try planned.get()
    if hasGrown { Output.message("grew the maps: room for \(dataplane.tables.capacities)") }
    let state = common.stateDirectory
    let wasUnfinished = dataplane.tables.isUnfinished
    let entry = entry(of: change, note, bytes, prepared)
    if let entry { try begin(entry) }
    do {
      if let bytes { try state.writeObjects(bytes) }
    } catch {
      try? state.forgetPending()
      throw error
    }
    do {
      if settings != keptSettings { try state.writeSettings(settings) }
      // Known before ranges ask for them, and forgotten only when none does any more.
      let isRestricted = change.table.frontends.contains { !$0.sourceRanges.isEmpty }
      if isRestricted { _ = try dataplane.tables.refreshSources(for: change.table) }
      try dataplane.tables.commit(prepared)
      if !isRestricted { _ = try dataplane.tables.refreshSources(for: change.table) }
    } catch {
      if settings != keptSettings { try? state.writeSettings(keptSettings) }
      if bytes != nil {
        if let knownBytes {
          try? state.writeObjects(knownBytes)
        } else {
          try? state.removeObjects()
        }
      }
      if let back = try? dataplane.tables.prepare(prepared.before) {
        try? dataplane.tables.commit(back)
      }
      // What was half written before is so again.
      if wasUnfinished { dataplane.tables.markUnfinished() }
      // Last: until then a writer that is killed leaves what the next one can tell.
      try? state.forgetPending()
      throw error
    }
    if let entry { record(entry) }
    // Only memory: the next change tries again.
    try? dataplane.clearAbandonedTraces()
    return endLostSockets(of: dataplane, after: prepared)
  }

  private typealias Planned = (KernelTables.Preparation, Dataplane, hasGrown: Bool)

  private func plan(
    _ dataplane: Dataplane, _ table: ServiceTable, within limits: Capacities
  ) -> Result<Planned, DataplaneError> {
    do throws(DataplaneError) {
      return .success(try dataplane.prepare(table, within: limits))
    } catch {
      return .failure(error)
    }
  }

  /// What the history is to say; nil when nothing changes.
  private func entry(
    of change: Change, _ note: HistoryNote, _ bytes: [UInt8]?, _ prepared: KernelTables.Preparation
  ) -> HistoryEntry? {
    if bytes == nil && prepared.isEmpty { return nil }
    let summary = ChangeSummary(change.changes, from: prepared.before, to: change.table)
    guard bytes != nil || !summary.isEmpty, let stored = bytes ?? knownBytes,
      let (digest, count) = KnownObjects.digest(ofEncoded: stored)
    else { return nil }
    return HistoryEntry(
      generation: 0, time: UTCTime(seconds: WallClock.seconds), command: note.command,
      summary: summary, input: note.input, objects: digest, objectCount: count,
      bytes: stored.count)
  }

  private func begin(_ entry: HistoryEntry) throws(DataplaneError) {
    let state = common.stateDirectory
    try WriteSession.adoptUnknown(state, dataplane.tables, keptSettings)
    let before = knownBytes.flatMap { KnownObjects.digest(ofEncoded: $0) }?.digest ?? "none"
    try state.begin(PendingChange(entry: entry, before: before, settings: settings))
  }

  /// The change is made, whatever comes of this: the next writer records it.
  private func record(_ entry: HistoryEntry) {
    do { try WriteSession.record(entry, common.stateDirectory, dataplane.tables, settings) } catch {
      Output.message("warning: the change is made, but not in the history: \(error)")
    }
  }

  /// The change is made, whatever comes of this.
  private func endLostSockets(
    of dataplane: Dataplane, after prepared: KernelTables.Preparation
  ) -> EndedSockets {
    do {
      let ended = try dataplane.endLostSockets(after: prepared)
      for warning in ended.warnings { Output.message(warning) }
      try dataplane.sweepSockets()
      return ended
    } catch {
      Output.message("warning: sockets whose backend went away were not ended: \(error)")
      return EndedSockets()
    }
  }
}
