import ArgumentParser
import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Threads

/// `socklb run`: keeps the data plane as a directory of manifests says.
///
/// One thread waits and changes the table. What follows a change (ending sockets, writing to disk)
/// goes on beside it (`LiveStore`). The state directory's lock is held from a change until it is on
/// disk, so every other command finds both the same.
final class LiveSession {
  let options: Run
  let log: Logger
  let state: StateDirectory
  let manager = ServiceManager()
  let directory: FollowedDirectory
  let signals: Waiting
  let waker: Waker
  let beside: Beside
  var stateWatch: StateWatch?
  var files = FollowedFiles()
  var schedule = FollowSchedule()
  var table: LiveTable?
  /// The lock of writers, while it is needed.
  var lock: StateLock?
  var store: Background<LiveStore.Outcome>?
  var storing: LiveTable.Unsaved?
  /// What it says of itself is being written: disks may take their time.
  var saying: Background<Bool>?
  var followedOnDisk: FollowRecord?
  /// nil: it has to be put together again.
  var followed: FollowRecord?
  var record: RunRecord
  var deadlines = Deadlines()
  /// Names that were due while somebody else had the lock, or whose going would leave nothing.
  var pending: Set<String> = []
  var heldBack: Set<String> = []
  /// Since when files are not there, which may be about to come back.
  var missing: [String: UInt64] = [:]
  var needsScan: String?
  var isLockWanted = false
  /// What the files say is not all in force: it did not fit.
  var isBehind = false
  var isEnding = false

  /// When something is to be done though nothing happens.
  struct Deadlines {
    var retry: UInt64?
    var poll: UInt64?
    var watchdog: UInt64?
    var settle: UInt64?
    var store: UInt64?
    var status: UInt64?
    var heldBack: UInt64?
    var resync: UInt64?
    var sweep: UInt64 = 0

    /// Whatever was due and was not put off has been done.
    mutating func forget(before now: UInt64) {
      for deadline in [
        \Deadlines.retry, \.poll, \.watchdog, \.settle, \.store, \.status, \.heldBack, \.resync,
      ] {
        if let due = self[keyPath: deadline], due <= now { self[keyPath: deadline] = nil }
      }
    }

    var next: UInt64? {
      [retry, poll, watchdog, settle, store, status, heldBack, resync].compactMap { $0 }.min()
    }
  }

  init(_ options: Run) throws(DataplaneError) {
    self.options = options
    log = LiveLog.logger(options.logFormat, options.logLevel)
    state = options.common.stateDirectory
    directory = try FollowedDirectory(options.directory, isRecursive: options.recursive)
    // Before any thread is made: threads inherit which signals are blocked.
    signals = try Waiting()
    waker = try Waker()
    beside = Beside(
      options.beside, .manifests, sourceKind: "manifests", log: log, waker: waker)
    record = RunRecord(
      pid: Waiting.ownProcessID, directory: options.directory,
      started: UTCTime(seconds: WallClock.seconds))
  }

  // MARK: The loop

  func run() throws {
    let own = try becomeTheOne()
    guard let own else { return }
    defer { withExtendedLifetime(own) {} }
    beside.begin()
    try start()
    manager.say("READY=1", "STATUS=\(status)")
    log.info("following \(directory.path)", metadata: ["files": "\(files.fileCount)"])
    deadlines.watchdog = manager.watchdogNanoseconds.map { Waiting.now + $0 }
    while !isEnding { try step() }
    try finish()
  }

  private func step() throws {
    let now = Waiting.now
    let next = [schedule.next, deadlines.next].compactMap { $0 }.min()
    let found = FollowWait(
      signals, directory, stateWatch, waker, nanoseconds: next.map { $0 > now ? $0 - now : 0 })
    if found.signals { take(signals.takeSignals()) }
    defer { tellBeside() }
    if isEnding { return }
    if found.files { note(directory.events()) }
    // Woken for something else, it must not wait for the disk.
    if found.isWoken && store?.isDone == true { try finishStore() }
    if found.state { try take(stateWatch?.events() ?? []) }
    try work(at: Waiting.now)
  }

  /// Everything that is due.
  private func work(at now: UInt64) throws {
    if let due = deadlines.watchdog, due <= now {
      manager.say("WATCHDOG=1")
      deadlines.watchdog = manager.watchdogNanoseconds.map { now + $0 }
    }
    if let due = deadlines.poll, due <= now { look(at: now) }
    if let due = deadlines.heldBack, due <= now { takeHeldBack() }
    if needsScan != nil { scan() }
    if let due = deadlines.resync, due <= now { try compareAll() }
    let isRetry = deadlines.retry.map { $0 <= now } ?? true
    let due = schedule.take(at: now)
    pending.formUnion(due)
    if !pending.isEmpty && isRetry {
      deadlines.retry = nil
      try apply(at: now)
    }
    try settle(at: Waiting.now)
    if let due = deadlines.status, due <= now { say() }
    deadlines.forget(before: now)
  }

  private func take(_ signals: [Waiting.Signal]) {
    for signal in signals {
      if signal == .hangUp {
        log.info("SIGHUP: looking at all files")
        needsScan = "SIGHUP"
      } else {
        log.info("\(signal.rawValue): ending")
        isEnding = true
      }
    }
  }

  private func take(_ events: Set<StateWatch.Event>) throws {
    if events.contains(.detached) {
      let found = try? Dataplane(pin: options.common.pin)
      if found == nil
        || (table.map { $0.dataplane.tables.instance != found?.tables.instance } ?? false)
      {
        throw DataplaneError.refused(
          "somebody has detached what this process keeps up to date",
          remedy: "start it again, and it attaches")
      }
    }
    if events.contains(.lockWanted) && lock != nil {
      isLockWanted = true
      deadlines.store = nil
    }
    if events.contains(.replaced), lock == nil, let table {
      let found = try state.objectsOnDisk()?.digest
      let settings = try state.readSettings()
      if found != table.digestOnDisk || settings != table.settings {
        log.notice(
          "another command has changed objects or settings; the directory goes before them")
        try compareAll()
      }
    }
  }

  // MARK: What happens to files

  private func note(_ events: [FollowedDirectory.Event]) {
    let now = Waiting.now
    for event in events {
      switch event {
      case .complete(let name): schedule.note(.complete, of: name, at: now)
      case .unfinished(let name): schedule.note(.unfinished, of: name, at: now)
      case .gone(let name): if files.contains(name) { noteGone(name, at: now) }
      case .attributes(let name):
        if files.isBroken(name) { schedule.note(.complete, of: name, at: now) }
      case .links:
        for name in directory.changedLinks() { schedule.note(.complete, of: name, at: now) }
      case .everything(let why): needsScan = why
      }
    }
    if !heldBack.isEmpty { deadlines.heldBack = now + 1_000_000_000 }
  }

  /// Looks at all files, and reads those that may have changed.
  private func scan() {
    log.debug("looking at all files", metadata: ["why": "\(needsScan ?? "")"])
    needsScan = nil
    let now = Waiting.now
    // Another one in its place may be about to be filled.
    let wasThere = directory.isThere && !directory.isAnother
    guard let names = scanDirectory() else { return }
    let present = Set(names)
    let gone = files.names.filter { !present.contains($0) }
    if wasThere {
      for name in gone { noteGone(name, at: now) }
    } else if !gone.isEmpty {
      // They may be about to come, one after the other.
      heldBack.formUnion(gone)
      deadlines.heldBack = now + 1_000_000_000
    }
    for name in directory.changed(among: names) where !schedule.isBeingWritten(name) {
      schedule.note(.complete, of: name, at: now)
    }
  }

  private func noteGone(_ name: String, at now: UInt64) {
    missing[name] = missing[name] ?? now
    schedule.note(.gone, of: name, at: now)
  }

  /// - Returns: nil when the directory cannot be read; what is known stays.
  func scanDirectory() -> [String]? {
    do {
      let names = try directory.scan()
      setTrouble(
        names == nil
          ? "\(directory.path) is no directory now; what is known stays in force until it is there"
          : nil, heals: "is no directory")
      if names != nil { setTrouble(nil, heals: "cannot be followed") }
      if let reason = directory.pollingReason {
        if deadlines.poll == nil { log.notice("looking every 2 s: \(reason)") }
        deadlines.poll = Waiting.now + 2_000_000_000
      } else {
        deadlines.poll = nil
      }
      return names
    } catch {
      setTrouble("\(directory.path) cannot be followed: \(error)", heals: nil)
      deadlines.poll = Waiting.now + 2_000_000_000
      return nil
    }
  }

  /// What inotify does not see.
  private func look(at now: UInt64) {
    deadlines.poll = now + 2_000_000_000
    needsScan = "inotify does not see all of it"
  }

  private func takeHeldBack() {
    deadlines.heldBack = nil
    pending.formUnion(heldBack)
  }

  // MARK: What is said

  func setTrouble(_ trouble: String?, heals: String?) {
    if let trouble {
      if record.trouble != trouble { log.error("\(trouble)") }
      record.trouble = trouble
    } else if let old = record.trouble, heals.map({ old.contains($0) }) ?? true {
      log.notice("mended: \(old)")
      record.trouble = nil
    } else {
      return
    }
    deadlines.status = deadlines.status ?? Waiting.now
  }

  var status: String {
    let broken = files.problems.count
    return "\(files.fileCount) files, \(files.objectCount) objects"
      + (broken > 0 ? ", \(broken) broken" : "") + (record.trouble.map { "; \($0)" } ?? "")
  }

  /// For `socklb status` and the service manager.
  func say() {
    tellBeside(files: files.fileCount, broken: files.problems.count)
    if let saying {
      guard saying.isDone else {
        deadlines.status = Waiting.now + 100_000_000
        return
      }
      // When the disk is full, that is said already.
      if saying.result() == false && record.trouble == nil {
        log.warning("\(state.path)/run cannot be written: `socklb status` says what was")
      }
    }
    deadlines.status = nil
    record.files = files.fileCount
    record.objects = files.objectCount
    record.broken = files.problems.prefix(20).map { file, problems in
      RunRecord.BrokenFile(
        file: file, problem: problems.first.map { Self.short($0) } ?? "cannot be used")
    }
    let (state, bytes, waker) = (state, record.encode(), waker)
    saying = try? Background(
      { (try? state.writeRun(bytes)) != nil }, whenDone: { waker.wake() })
    manager.say("STATUS=\(status)")
  }

  /// Without the name of the file.
  private static func short(_ problem: Diagnostic) -> String {
    var problem = problem
    let line = problem.line.map { "line \($0): " } ?? ""
    problem.file = nil
    return line + problem.description
  }
}
