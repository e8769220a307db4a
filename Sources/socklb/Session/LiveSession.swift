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
  let source: any LiveSource
  let signals: Waiting
  let waker: Waker
  let beside: Beside
  var stateWatch: StateWatch?
  var files = FollowedFiles()
  var table: LiveTable?
  /// The lock of writers, while it is needed.
  var lock: StateLock?
  var store: Background<LiveStore.Outcome>?
  var storing: LiveTable.Unsaved?
  var journal: Background<LiveJournal.Outcome>?
  /// A journal was begun for the objects that are on disk.
  var hasJournal = false
  /// What it says of itself is being written: disks may take their time.
  var saying: Background<Bool>?
  var followedOnDisk: FollowRecord?
  /// nil: it has to be put together again.
  var followed: FollowRecord?
  var record: RunRecord
  var deadlines = Deadlines()
  var isLockWanted = false
  /// What the files say is not all in force: it did not fit.
  var isBehind = false
  var isEnding = false
  private var isReady = false
  /// The state directory could not be written to the last time.
  var storeFails = false

  /// When something is to be done though nothing happens.
  struct Deadlines {
    var retry: UInt64?
    var watchdog: UInt64?
    var settle: UInt64?
    var store: UInt64?
    /// The journal is left alone until then.
    var journal: UInt64?
    /// Whoever waits for this process to be ready is told then, whatever is known.
    var ready: UInt64?
    /// What a comparison of everything, or storing all of it, has needed is free by then.
    var trim: UInt64?
    var status: UInt64?
    var resync: UInt64?
    var sweep: UInt64 = 0

    /// Whatever was due and was not put off has been done.
    mutating func forget(before now: UInt64) {
      for deadline in [
        \Deadlines.retry, \.watchdog, \.settle, \.store, \.journal, \.ready, \.trim, \.status,
        \.resync,
      ] {
        if let due = self[keyPath: deadline], due <= now { self[keyPath: deadline] = nil }
      }
    }

    var next: UInt64? {
      [retry, watchdog, settle, store, journal, ready, trim, status, resync].compactMap { $0 }.min()
    }
  }

  init(_ options: Run) throws(DataplaneError) {
    self.options = options
    log = LiveLog.logger(options.logFormat, options.logLevel)
    state = options.common.stateDirectory
    Waker.shareMemory()
    // Before any thread is made: threads inherit which signals are blocked.
    signals = try Waiting()
    waker = try Waker()
    source = try options.source(log, waker)
    let isCluster = options.directory == nil
    beside = Beside(
      options.beside, isCluster ? .cluster : .manifests,
      sourceKind: isCluster ? "kubernetes" : "manifests", log: log, waker: waker)
    record = RunRecord(
      pid: Waiting.ownProcessID, directory: source.title,
      started: UTCTime(seconds: WallClock.seconds))
  }

  // MARK: The loop

  func run() throws {
    let own = try becomeTheOne()
    guard let own else { return }
    defer { withExtendedLifetime(own) {} }
    // Also when something fails: nothing it has started outlives this process.
    defer { source.end() }
    beside.begin()
    try start()
    if table != nil || files.objectCount > 0 {
      sayReady()
    } else {
      manager.say("STATUS=\(status)")
      deadlines.ready = Waiting.now + 60_000_000_000
    }
    log.info("following \(source.title)", metadata: ["objects": "\(files.objectCount)"])
    deadlines.watchdog = manager.watchdogNanoseconds.map { Waiting.now + $0 }
    while !isEnding { try step() }
    try finish()
  }

  /// What is known is served. In a cluster of which nothing is known yet, that waits for the API server,
  /// but not for ever: what comes after this on a node may be what the API server waits for.
  private func sayReady() {
    deadlines.ready = nil
    isReady = true
    manager.say("READY=1", "STATUS=\(status)")
  }

  private func step() throws {
    let now = Waiting.now
    let next = [source.next, deadlines.next].compactMap { $0 }.min()
    let found = FollowWait(
      signals, source.directory, stateWatch, waker,
      nanoseconds: next.map { $0 > now ? $0 - now : 0 })
    if found.signals { take(signals.takeSignals()) }
    defer { tellBeside() }
    if isEnding { return }
    if found.files { source.noteEvents(of: self) }
    // Woken for something else, it must not wait for the disk.
    if found.isWoken && store?.isDone == true { try finishStore() }
    if found.isWoken && journal?.isDone == true { finishJournal() }
    if found.state { try take(stateWatch?.events() ?? []) }
    try work(at: Waiting.now)
  }

  /// Everything that is due.
  private func work(at now: UInt64) throws {
    if let due = deadlines.watchdog, due <= now {
      manager.say("WATCHDOG=1")
      deadlines.watchdog = manager.watchdogNanoseconds.map { now + $0 }
    }
    source.work(at: now, for: self)
    if let due = deadlines.resync, due <= now { try compareAll() }
    let isRetry = deadlines.retry.map { $0 <= now } ?? true
    if source.isDue && isRetry {
      deadlines.retry = nil
      try apply(at: now)
    }
    try settle(at: Waiting.now)
    if !isReady && (table != nil || deadlines.ready.map { $0 <= now } ?? false) { sayReady() }
    if let due = deadlines.trim, due <= now { trim(at: now) }
    if let due = deadlines.status, due <= now { say() }
    deadlines.forget(before: now)
  }

  /// It takes some milliseconds, in which no change is made: only when there are none.
  private func trim(at now: UInt64) {
    if lock == nil { Waker.returnMemory() } else { deadlines.trim = now + Self.untilTrim }
  }

  private func take(_ signals: [Waiting.Signal]) {
    for signal in signals {
      if signal == .hangUp {
        log.info("SIGHUP: looking at everything")
        source.lookAtAll("SIGHUP")
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
      if !storeFails { deadlines.store = nil }
    }
    if events.contains(.replaced), lock == nil, let table {
      let found = try state.objectsOnDisk()?.digest
      let settings = try state.readSettings()
      if found != table.digestOnDisk || settings != table.settings {
        log.notice(
          "another command has changed objects or settings; \(source.title) goes before them")
        try compareAll()
      }
    }
  }

  /// Waits, whatever happens.
  func pause(_ nanoseconds: UInt64) {
    _ = FollowWait(signals, nil, nil, waker, nanoseconds: nanoseconds)
  }

  // MARK: What is said

  /// What is said of objects that cannot be made known.
  static let unserved = "what there is cannot be served now"
  /// A burst of changes is over by then.
  static let untilTrim: UInt64 = 2_000_000_000
  /// With more changes than that at a time the whole table is compared.
  static let few = 2000

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
    return source.summary(of: files)
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
