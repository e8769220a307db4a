import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps

/// A directory of manifests: which of its files are to be read, and when.
final class DirectorySource: LiveSource {
  private let followed: FollowedDirectory
  private let options: Run
  private let log: Logger
  private var schedule = FollowSchedule()
  /// Names that were due while somebody else had the lock, or whose going would leave nothing.
  private var pending: Set<String> = []
  private var heldBack: Set<String> = []
  private var heldBackUntil: UInt64?
  /// Since when files are not there, which may be about to come back.
  private var missing: [String: UInt64] = [:]
  private var needsScan: String?
  private var poll: UInt64?

  init(_ path: String, _ options: Run, _ log: Logger) throws(DataplaneError) {
    followed = try FollowedDirectory(path, isRecursive: options.recursive)
    self.options = options
    self.log = log
  }

  var title: String { followed.path }
  var lastGood: String { "the objects of its last good version stay in force" }
  var cidrs: ServiceCIDRs { options.allocation.cidrs }
  var mayBeEmpty: Bool { options.allowEmpty }
  var isKnownAtStart: Bool { true }
  var directory: FollowedDirectory? { followed }
  var next: UInt64? { [schedule.next, poll, heldBackUntil].compactMap { $0 }.min() }
  var isDue: Bool { !pending.isEmpty }

  func record(of files: FollowedFiles) -> FollowRecord {
    FollowRecord(directory: followed.path, files: files.record)
  }

  func isWholeTruth(_ files: FollowedFiles) -> Bool {
    // A file that cannot be read and was never read may have any of the others.
    options.prune && followed.isThere && (options.allowEmpty || files.hasService)
      && !files.hasUnknown
  }

  func summary(of files: FollowedFiles) -> String {
    "\(files.fileCount) files, \(files.objectCount) objects"
  }

  func metrics(isServed: Bool) -> [LiveMetrics.Source] {
    [LiveMetrics.Source("manifests", isComplete: isServed, isConnected: followed.isThere)]
  }

  func tell(_ name: String, _ problems: [Diagnostic]) {}

  func end() {}

  // MARK: Start

  func begin(
    _ known: KnownObjects, _ record: FollowRecord?, for session: LiveSession
  ) throws -> Taken {
    for (name, ids) in record?.files ?? [:] {
      session.files.adopt(
        name,
        ids.compactMap { id in
          known[id].map {
            ManifestObject($0, origin: ManifestObject.Origin(file: name, document: 1, line: 1))
          }
        })
    }
    guard let names = scanDirectory(for: session) else { return ([:], []) }
    // Those that had something and are not listed are looked for, too.
    var (readings, notes) = read(Set(names).union(session.files.names), for: session)
    if !missing.isEmpty {
      // Those that are gone may be about to come back; the others are gone when this is ready.
      session.pause(FollowSchedule.patienceWithGone)
      let (more, others) = read(Set(missing.keys), for: session)
      readings.merge(more) { $1 }
      notes += others
    }
    return (readings, notes)
  }

  // MARK: What happens to files

  func noteEvents(of session: LiveSession) {
    let now = Waiting.now
    for event in followed.events() {
      switch event {
      case .complete(let name): schedule.note(.complete, of: name, at: now)
      case .unfinished(let name): schedule.note(.unfinished, of: name, at: now)
      case .gone(let name): if session.files.contains(name) { noteGone(name, at: now) }
      case .attributes(let name):
        if session.files.isBroken(name) { schedule.note(.complete, of: name, at: now) }
      case .links:
        for name in followed.changedLinks() { schedule.note(.complete, of: name, at: now) }
      case .everything(let why): needsScan = why
      }
    }
    if !heldBack.isEmpty { heldBackUntil = now + 1_000_000_000 }
  }

  func lookAtAll(_ why: String) { needsScan = why }

  func work(at now: UInt64, for session: LiveSession) {
    if let due = poll, due <= now {
      poll = now + 2_000_000_000
      needsScan = "inotify does not see all of it"
    }
    if let due = heldBackUntil, due <= now {
      heldBackUntil = nil
      pending.formUnion(heldBack)
    }
    if needsScan != nil { scan(for: session) }
    pending.formUnion(schedule.take(at: now))
  }

  /// Looks at all files, and reads those that may have changed.
  private func scan(for session: LiveSession) {
    log.debug("looking at all files", metadata: ["why": "\(needsScan ?? "")"])
    needsScan = nil
    let now = Waiting.now
    // Another one in its place may be about to be filled.
    let wasThere = followed.isThere && !followed.isAnother
    guard let names = scanDirectory(for: session) else { return }
    let present = Set(names)
    let gone = session.files.names.filter { !present.contains($0) }
    if wasThere {
      for name in gone { noteGone(name, at: now) }
    } else if !gone.isEmpty {
      // They may be about to come, one after the other.
      heldBack.formUnion(gone)
      heldBackUntil = now + 1_000_000_000
    }
    for name in followed.changed(among: names) where !schedule.isBeingWritten(name) {
      schedule.note(.complete, of: name, at: now)
    }
  }

  private func noteGone(_ name: String, at now: UInt64) {
    missing[name] = missing[name] ?? now
    schedule.note(.gone, of: name, at: now)
  }

  /// - Returns: nil when the directory cannot be read; what is known stays.
  private func scanDirectory(for session: LiveSession) -> [String]? {
    do {
      let names = try followed.scan()
      session.setTrouble(
        names == nil
          ? "\(followed.path) is no directory now; what is known stays in force until it is there"
          : nil, heals: "is no directory")
      if names != nil { session.setTrouble(nil, heals: "cannot be followed") }
      if let reason = followed.pollingReason {
        if poll == nil { log.notice("looking every 2 s: \(reason)") }
        poll = Waiting.now + 2_000_000_000
      } else {
        poll = nil
      }
      return names
    } catch {
      session.setTrouble("\(followed.path) cannot be followed: \(error)", heals: nil)
      poll = Waiting.now + 2_000_000_000
      return nil
    }
  }

  // MARK: What is in them

  func takeReadings(for session: LiveSession) -> Taken {
    let names = pending
    pending = []
    heldBack.subtract(names)
    return read(names, for: session)
  }

  /// Reads and decodes; what is still being written, or is what it was, is left out.
  private func read(_ names: Set<String>, for session: LiveSession) -> Taken {
    var readings: [String: FollowedFiles.Reading] = [:]
    var notes: [Diagnostic] = []
    for name in names {
      switch followed.read(name) {
      case .same: break
      case .gone:
        // With the directory, nothing goes.
        if !followed.isThere {
          heldBack.insert(name)
        } else if session.files.contains(name), isGoneForGood(name) {
          readings[name] = .gone
        }
        continue
      case .unstable: schedule.note(.unfinished, of: name, at: Waiting.now)
      case .unreadable(let problem): readings[name] = .unreadable(problem)
      case .file(let file):
        let decoded = decodeManifests([file])
        notes += decoded.diagnostics.filter { $0.severity != .error }
        readings[name] = .decoded(decoded)
      }
      missing[name] = nil
    }
    return (readings, notes)
  }

  /// What is renamed away and written anew is back within a moment, whoever noticed that it is gone.
  private func isGoneForGood(_ name: String) -> Bool {
    let now = Waiting.now
    let since = missing[name] ?? now
    guard now >= since + FollowSchedule.patienceWithGone else {
      missing[name] = since
      schedule.note(.gone, of: name, at: since)
      return false
    }
    missing[name] = nil
    return true
  }

  /// What was read and not taken in is read again.
  func giveBack(_ readings: [String: FollowedFiles.Reading], isDue: Bool) {
    for (name, reading) in readings {
      if isDue {
        followed.readAgain(name)
        pending.insert(name)
        continue
      }
      if case .gone = reading {} else { followed.readAgain(name) }
      heldBack.insert(name)
    }
  }
}
