import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps

extension LiveSession {
  /// Makes the kernel serve what the files in `pending` say now.
  func apply(at start: UInt64) throws {
    guard try takeLock() else {
      // Somebody else is changing something.
      tellBesideOfLockWait()
      deadlines.retry = Waiting.now + 10_000_000
      return
    }
    let (readings, notes) = source.takeReadings(for: self)
    if readings.isEmpty && table != nil { return }
    guard let table, !isBehind, readings.count < LiveSession.few else {
      try compareAll(readings)
      return
    }
    do {
      let before = readings.keys.map { files.ids(of: $0) }
      guard let (difference, changes, diagnostics) = try resolve(readings, with: table.change)
      else { return }
      let microseconds = (Waiting.now - start) / 1000
      if before != readings.keys.map({ files.ids(of: $0) }) { try noteFollowed(difference) }
      if difference.isEmpty && difference.broken.isEmpty && difference.mended.isEmpty { return }
      tellBeside(changes, microseconds: microseconds)
      report(difference, changes, notes + diagnostics, microseconds)
    } catch {
      // What is known in memory says nothing any more; all of it is compared again, and what did not
      // fit has larger maps.
      log.debug("the whole table is compared: \(error)")
      try compareAll()
    }
  }

  /// As `resync`, but what does not work now is tried again later: what is served goes on.
  func compareAll(_ readings: [String: FollowedFiles.Reading] = [:]) throws {
    deadlines.resync = nil
    do {
      if lock == nil { lock = try state.lockNow() }
      guard lock != nil else {
        // Whoever has it may take their time; signals and the watchdog do not wait for that.
        source.giveBack(readings, isDue: true)
        deadlines.resync = Waiting.now + 50_000_000
        return
      }
      try resync(readings)
    } catch let error as DataplaneError {
      switch error {
      case .notAttached, .unsupported, .notPermitted: throw error
      default: break
      }
      setTrouble(
        "\(Self.unserved), and is tried again: \(error)", heals: nil)
      tellBesideOfFailure()
      // Perhaps they were not taken in; to take them in again makes no difference.
      source.giveBack(readings, isDue: true)
      deadlines.retry = Waiting.now + 2_000_000_000
      table = nil
      lock = nil
      deadlines.settle = nil
      deadlines.resync = Waiting.now + 2_000_000_000
    }
  }

  /// Objects have gone over from one file to another, perhaps with no other difference: a start has
  /// to know which file has them.
  private func noteFollowed(_ difference: FollowedFiles.Difference) throws(DataplaneError) {
    followed = nil
    guard difference.isEmpty, store == nil, table?.unsaved.changes == 0 else { return }
    let record = source.record(of: files)
    try state.writeFollowed(record.encode())
    followed = record
    followedOnDisk = record
  }

  /// Takes readings in and makes the change; a file whose objects are refused keeps its last good
  /// version, and the others are tried without it.
  ///
  /// - Returns: nil when it was not done.
  func resolve(
    _ readings: [String: FollowedFiles.Reading],
    with change: (FollowedFiles.Difference) throws(DataplaneError) -> LiveTable.Result
  ) throws(DataplaneError) -> (FollowedFiles.Difference, ChangeSet, [Diagnostic])? {
    var refused: [String: [Diagnostic]] = [:]
    let hadService = files.hasService
    while true {
      let difference = files.take(readings, refused: refused)
      if hadService && !source.mayBeEmpty && !files.hasService {
        files.takeBack()
        source.giveBack(readings, isDue: false)
        setTrouble(
          "no file has a Service any more, and --allow-empty is not given: what was known last "
            + "stays in force", heals: nil)
        return nil
      }
      switch try change(difference) {
      case .made(let changes, let diagnostics):
        files.keep()
        setTrouble(nil, heals: "--allow-empty")
        setTrouble(nil, heals: "a change was refused")
        return (difference, changes, diagnostics)
      case .refused(let problems):
        files.takeBack()
        let before = refused.count
        for problem in problems {
          if let file = problem.file { refused[file, default: []].append(problem) }
        }
        // None can be named, or the same again: all of them.
        if refused.count == before {
          for name in readings.keys where refused[name] == nil { refused[name] = problems }
        }
        guard refused.count > before else {
          source.giveBack(readings, isDue: false)
          setTrouble("a change was refused: \(problems.first?.description ?? "")", heals: nil)
          return nil
        }
      }
    }
  }

  func report(
    _ difference: FollowedFiles.Difference, _ changes: ChangeSet, _ diagnostics: [Diagnostic],
    _ microseconds: UInt64
  ) {
    if changes.isChange {
      followed = changes.changes.contains { $0.action != .configured } ? nil : followed
      record.changed = UTCTime(seconds: WallClock.seconds)
      log.info(
        "changed \(changes.changes.count) object\(changes.changes.count == 1 ? "" : "s")",
        metadata: [
          "objects": "\(Self.list(changes.changes.map(\.description)))",
          "microseconds": "\(microseconds)",
        ])
    }
    for name in difference.broken {
      let problems = files.problems.first { $0.file == name }?.problems ?? []
      for problem in problems.prefix(10) { log.error("\(problem)") }
      source.tell(name, problems)
      log.error(
        "\(name) cannot be used: \(source.lastGood)",
        metadata: ["problems": "\(problems.count)"])
    }
    for name in difference.mended {
      log.notice(
        files.contains(name) ? "\(name) is good again" : "\(name), which was broken, is gone")
    }
    for diagnostic in diagnostics.prefix(20) {
      log.log(level: diagnostic.severity == .warning ? .warning : .info, "\(diagnostic)")
    }
    if !difference.broken.isEmpty || !difference.mended.isEmpty {
      followed = nil
    }
    deadlines.status = deadlines.status ?? Waiting.now + 200_000_000
  }

  private static func list(_ texts: [String]) -> String {
    texts.prefix(5).joined(separator: ", ")
      + (texts.count > 5 ? " and \(texts.count - 5) more" : "")
  }

  // MARK: The lock

  /// - Returns: whether this process may change something now.
  private func takeLock() throws -> Bool {
    // A disk that cannot be written to keeps the lock from those who wait for it, but nothing else.
    if lock != nil { return !isLockWanted || storeFails }
    // Not in a variable: who opens the state directory anew has to let go of it first.
    lock = try state.lockNow()
    guard lock != nil else { return false }
    guard let table else { return true }
    // Others may have written while it was free.
    if try state.objectsOnDisk()?.digest != table.digestOnDisk
      || state.readSettings() != table.settings || table.dataplane.tables.isUnfinished
    {
      try compareAll()
    }
    return lock != nil
  }
}
