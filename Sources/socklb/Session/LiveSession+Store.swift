import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Threads

extension LiveSession {
  /// What is done when changes have been made: they are stored, and the lock is given back.
  func settle(at now: UInt64) throws {
    guard let table, lock != nil, store == nil else { return }
    if table.unsaved.changes > 0 {
      if let due = deadlines.store, due > now, !isLockWanted { return }
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
    let followed = self.followed ?? FollowRecord(directory: directory.path, files: files.record)
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
    if let failure = outcome.failure {
      if let storing { table.putBack(storing) }
      setTrouble("the state directory cannot be written: \(failure)", heals: nil)
      deadlines.store = Waiting.now + 1_000_000_000
    } else {
      setTrouble(nil, heals: "the state directory cannot be written")
      table.digestOnDisk = outcome.digest
      if outcome.generation > 0 { table.lastGeneration = outcome.generation }
      log.debug("stored", metadata: ["milliseconds": "\(outcome.nanoseconds / 1_000_000)"])
      // A large state is not written all the time: a tenth of the time at most.
      deadlines.store = Waiting.now + min(outcome.nanoseconds * 9, 30_000_000_000)
    }
    storing = nil
  }

  /// Everything is on disk when this returns, as far as it can be.
  func storeAll() throws {
    try finishStore()
    guard let table, lock != nil, table.unsaved.changes > 0 else { return }
    deadlines.store = nil
    startStore(table)
    try finishStore()
  }
}
