import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Threads

extension LiveSession {
  // MARK: One for each state directory

  /// - Returns: what makes this process the only one; nil when it was ended while it waited.
  func becomeTheOne() throws -> StateLock? {
    var hasSaid = false
    while true {
      if let lock = try state.lockRun() {
        // Whoever looks finds this process, not the one before.
        do { try state.writeRun(record.encode()) } catch {
          log.warning("\(state.path)/run cannot be written: \(error)")
        }
        return lock
      }
      let other = state.readRun().flatMap { RunRecord(decoding: $0) }
      let who =
        other.map { "process \($0.pid) follows \($0.directory) since \($0.started)" }
        ?? "another process does"
      guard options.wait else {
        let message =
          "another `socklb run` is at work for \(state.path): \(who); stop it, or wait for its end "
          + "with --wait"
        log.error("\(message)")
        throw Exit.alreadyRunning
      }
      if !hasSaid {
        log.notice("waiting for another `socklb run`: \(who)")
        manager.say("STATUS=waiting for another socklb run: \(who)")
        hasSaid = true
      }
      // Locks have no event; whoever waits for months does not mind 200 ms.
      let found = FollowWait(signals, nil, nil, waker, nanoseconds: 200_000_000)
      if found.signals && signals.takeSignals().contains(where: { $0 != .hangUp }) { return nil }
      if manager.watchdogNanoseconds != nil { manager.say("WATCHDOG=1") }
    }
  }

  // MARK: Start

  /// Attaches or adopts, and makes the kernel serve what the directory says.
  func start() throws {
    try KernelVersion.check()
    try Capabilities.checkAttach()
    lock = try state.lock {
      Output.message("waiting for another socklb that changes \(state.path)")
    }
    try AttachSession(
      common: options.common, node: options.node, capacity: options.capacity,
      history: options.history, attach: options.attach
    ).run()
    stateWatch = try StateWatch(state)
    try begin()
  }

  private func begin() throws {
    followedOnDisk = try state.readFollowed().flatMap { FollowRecord(decoding: $0) }
    let (known, _) = try KnownStore.load(state)
    let (readings, notes) = try source.begin(known, followedOnDisk, for: self)
    for diagnostic in notes.prefix(100) {
      log.log(level: diagnostic.severity == .warning ? .warning : .info, "\(diagnostic)")
    }
    if source.isKnownAtStart {
      try resync(readings)
    } else {
      // `attach` has made sure that what was served is served; what is on disk may be behind that.
      lock = nil
    }
    say()
  }

  /// Compares all of it: what is known, what the files have, and what is in the maps.
  ///
  /// - Parameter readings: what is new in files.
  func resync(_ readings: [String: FollowedFiles.Reading] = [:]) throws {
    try storeAll()
    var told = ChangeSet()
    let since = Waiting.now
    defer { tellBesideOfAll(told, since: since) }
    table = nil
    lock = nil
    let session = try WriteSession(options.common, node: options.node, history: options.history)
    lock = session.lock
    var made: Change?
    let start = Waiting.now
    var refused: Set<String> = []
    var excluded: Set<String> = []
    func compare() throws(DataplaneError) -> LiveTable.Result {
      while true {
        var known = session.known
        let changes = self.compare(&known, without: excluded)
        if !changes.isRefused {
          let compiled = TableCompiler(options: session.options).compile(known)
          made = Change(known: known, changes: changes, table: compiled.table)
          return .made(changes, compiled.diagnostics)
        }
        let problems = changes.diagnostics.filter { $0.severity == .error }
        let named = Set(problems.compactMap(\.file)).subtracting(excluded)
        let new = named.filter { readings[$0] != nil }.subtracting(refused)
        refused.formUnion(new)
        if !new.isEmpty || named.isEmpty { return .refused(problems) }
        // What was good is refused now, because of what others have made known: the rest goes on.
        for problem in problems.prefix(10) { log.error("\(problem)") }
        excluded.formUnion(named)
      }
    }
    let result = try resolve(readings) { _ throws(DataplaneError) in try compare() }
    // What is new cannot be served; what there was is.
    for _ in 0..<3 where made == nil { _ = try compare() }
    if excluded.isEmpty {
      setTrouble(nil, heals: "is refused now")
    } else {
      setTrouble(
        "what \(excluded.sorted().joined(separator: ", ")) has is refused now, and tried again",
        heals: nil)
      deadlines.resync = Waiting.now + 5_000_000_000
    }
    let change =
      made
      ?? Change(
        known: session.known, changes: ChangeSet(),
        table: TableCompiler(options: session.options).compile(session.known).table)
    let record = source.record(of: files)
    let either = record.union(followedOnDisk)
    if either != followedOnDisk { try state.writeFollowed(either.encode()) }
    let note = HistoryNote(
      command: "run", input: KnownObjects.digest(ofInput: files.objects))
    do {
      for line in try session.commit(change, note).lines { log.info("\(line)") }
      setTrouble(nil, heals: Self.unserved)
      isBehind = false
    } catch {
      guard case .capacity = error else { throw error }
      // It may fit when something else goes.
      setTrouble("\(Self.unserved), it does not fit: \(error)", heals: nil)
      isBehind = true
      try keep(session.known)
      return
    }
    if either != record { try state.writeFollowed(record.encode()) }
    followedOnDisk = record
    followed = record
    try keep(change.known)
    if let (difference, changes, diagnostics) = result {
      var reported = changes
      reported.changes.removeAll { $0.action == .unchanged }
      report(difference, reported, diagnostics, (Waiting.now - start) / 1000)
      told = reported
      followed = record
    }
  }

  /// Everything in memory is made anew; the lock is held.
  private func keep(_ known: KnownObjects) throws(DataplaneError) {
    // Larger maps may be in their place.
    let dataplane = try Dataplane(pin: options.common.pin)
    table = try LiveTable(
      dataplane, known, state.readSettings(), state, source.cidrs,
      options.allocation.serviceNodePortRange)
    deadlines.settle = nil
    hasJournal = false
    deadlines.trim = Waiting.now + Self.untilTrim
    Waker.returnMemory()
  }

  /// What the files have against what is known.
  ///
  /// - Parameter excluded: files whose objects are left as they are.
  private func compare(_ known: inout KnownObjects, without excluded: Set<String>) -> ChangeSet {
    var allocations = ResidentAllocations()
    var gone: Set<ObjectID> = []
    for (_, ids) in followedOnDisk?.files ?? [:] {
      for id in ids where files.object(id) == nil { gone.insert(id) }
    }
    if source.isWholeTruth(files) {
      for id in known.objects.keys where files.object(id) == nil { gone.insert(id) }
    }
    let removed = known.remove(Array(gone), &allocations)
    let before = known
    let merged = files.objects(without: excluded).filter { before[$0.object.id]?.json != $0.json }
    var changes = known.merge(
      merged, cidrs: source.cidrs, nodePorts: options.allocation.serviceNodePortRange)
    changes.changes += removed.map { ObjectChange(id: $0.object.id, action: .deleted) }
    return changes
  }

  // MARK: End

  /// What is made is stored; the data plane stays as it is.
  func finish() throws {
    source.end()
    manager.say("STOPPING=1", "STATUS=ending")
    beside.end()
    try storeAll()
    try giveLockBack(until: nil)
    _ = saying?.result()
    try? state.removeRun()
    if options.detachOnExit { try Detach.detach(options.common) }
  }
}
