import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Threads

extension LiveSession {
  /// What is done when changes have been made: they are stored, and the lock is given back.
  func settle(at now: UInt64) throws {
    guard let table, lock != nil, store == nil, journal == nil else { return }
    if table.unsaved.changes > 0 {
      if let due = deadlines.store, due > now, !isLockWanted || storeFails {
        if table.isJournalDue, (deadlines.journal ?? 0) <= now { startJournal(table) }
        return
      }
      deadlines.store = nil
      startStore(table)
      return
    }
    if isLockWanted {
      isLockWanted = false
      try giveLockBack(until: now + 60_000_000)
      return
    }
    // Others wait for half a second at most; what follows at once finds the lock taken already.
    guard let due = deadlines.settle else {
      deadlines.settle = now + 500_000_000
      return
    }
    guard due <= now else { return }
    try giveLockBack(until: nil)
  }

  /// Nothing is left to do for whoever takes it next.
  func giveLockBack(until time: UInt64?) throws(DataplaneError) {
    if lock != nil, let table, table.isUnsettled { try table.settle() }
    lock = nil
    deadlines.settle = nil
    deadlines.retry = time
  }

  private func startStore(_ table: LiveTable) {
    let (unsaved, generation) = table.takeUnsaved()
    let followed = self.followed ?? source.record(of: files)
    self.followed = followed
    let now = Waiting.now
    let isSweepDue = deadlines.sweep <= now
    if isSweepDue { deadlines.sweep = now + 10_000_000_000 }
    let job = LiveStore(
      state: state, dataplane: table.dataplane, settings: table.settings,
      stored: table.stored, objects: unsaved.objects,
      summary: unsaved.summary, inputs: unsaved.inputs, former: unsaved.former,
      generation: generation, digestBefore: table.digestOnDisk, changes: unsaved.changes,
      followed: followed, followedOnDisk: followedOnDisk, isSweepDue: isSweepDue)
    storing = unsaved
    deadlines.settle = nil
    let waker = waker
    do {
      store = try Background({ job.run() }, whenDone: { waker.wake() })
    } catch {
      // No thread is to be had: then it takes its time here.
      take(job.run(), table)
    }
  }

  // MARK: The journal

  private func startJournal(_ table: LiveTable) {
    // Without objects on disk there is nothing that a journal could be about.
    guard let digest = table.digestOnDisk else { return }
    let followed = (self.followed ?? source.record(of: files)).union(followedOnDisk)
    let job = LiveJournal(
      state: state, changes: table.takeUnjournaled(), digest: hasJournal ? nil : digest,
      followed: followed == followedOnDisk ? nil : followed)
    let waker = waker
    do {
      journal = try Background({ job.run() }, whenDone: { waker.wake() })
    } catch {
      take(job.run(), table)
    }
  }

  /// It is on disk, or will not be.
  func finishJournal() {
    guard let journal else { return }
    self.journal = nil
    if let outcome = journal.result(), let table { take(outcome, table) }
  }

  private func take(_ outcome: LiveJournal.Outcome, _ table: LiveTable) {
    if let followed = outcome.followed { followedOnDisk = followed }
    if let size = outcome.size {
      hasJournal = true
      if size > LiveJournal.largest { deadlines.store = nil }
      setTrouble(nil, heals: "the journal cannot be written")
    } else {
      // How much of it there is nobody knows: another one is begun, or the objects are stored whole.
      setTrouble("the journal cannot be written: \(outcome.problem)", heals: nil)
      table.journalAnew()
      hasJournal = false
      deadlines.journal = Waiting.now + 1_000_000_000
      deadlines.store = min(deadlines.store ?? .max, Waiting.now + 1_000_000_000)
    }
  }

  /// The store has ended.
  func finishStore() throws {
    guard let store else { return }
    self.store = nil
    guard let outcome = store.result(), let table else { return }
    take(outcome, table)
    // Nothing was changed since.
    if outcome.hasWaited && table.unsaved.changes == 0 && table.isUnsettled && lock != nil {
      try table.settle(hasWaited: true)
    }
  }

  private func take(_ outcome: LiveStore.Outcome, _ table: LiveTable) {
    for line in outcome.ended.lines { log.info("\(line)") }
    for warning in outcome.warnings { log.warning("\(warning)") }
    followedOnDisk = outcome.followed
    tellBeside(outcome)
    storeFails = outcome.failure != nil
    if let failure = outcome.failure {
      if let storing { table.putBack(storing) }
      setTrouble("the state directory cannot be written: \(failure)", heals: nil)
      deadlines.store = Waiting.now + 1_000_000_000
      deadlines.journal = deadlines.store
      hasJournal = false
    } else {
      setTrouble(nil, heals: "the state directory cannot be written")
      hasJournal = false
      table.digestOnDisk = outcome.digest
      if outcome.generation > 0 { table.lastGeneration = outcome.generation }
      log.debug("stored", metadata: ["milliseconds": "\(outcome.nanoseconds / 1_000_000)"])
      // A large state is not written all the time: a tenth of the time at most.
      deadlines.store = Waiting.now + min(outcome.nanoseconds * 9, 30_000_000_000)
    }
    storing = nil
    deadlines.trim = Waiting.now + Self.untilTrim
  }

  /// Everything is on disk when this returns, as far as it can be.
  func storeAll() throws {
    finishJournal()
    try finishStore()
    guard let table, lock != nil, table.unsaved.changes > 0 else { return }
    deadlines.store = nil
    startStore(table)
    try finishStore()
  }
}
