import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Threads

/// Puts changes into the journal while the objects are not stored whole: on a thread of its own, so that
/// what has changed while it waited for the disk goes together.
struct LiveJournal: Sendable {
  let state: StateDirectory
  let changes: [ObjectID: KnownObject?]
  /// Of the objects that are stored whole; nil: the journal has been begun.
  let digest: String?
  /// What either version of the objects may have, where that is not on disk yet.
  let followed: FollowRecord?
  /// So large it may become before the objects are stored whole.
  static let largest = 64 << 20

  struct Outcome: Sendable {
    /// nil: it failed.
    var size: Int?
    var problem = ""
    /// It is on disk.
    var followed: FollowRecord?
  }

  func run() -> Outcome {
    let batch = ObjectJournal.batch(changes)
    var outcome = Outcome()
    do {
      // First, so that no object is known of which nobody knows that it came from a file.
      if let followed {
        try state.writeFollowed(followed.encode())
        outcome.followed = followed
      }
      if let digest {
        let bytes = ObjectJournal.header(digest) + batch
        try state.startJournal(bytes)
        outcome.size = bytes.count
      } else {
        outcome.size = try state.appendToJournal(batch)
      }
    } catch { outcome.problem = "\(error)" }
    return outcome
  }
}

/// What follows a change and must not delay the next one: sockets whose backend went are ended,
/// and the objects are written to disk, with an entry in the history. On a thread of its own.
struct LiveStore: Sendable {
  let state: StateDirectory
  let dataplane: Dataplane
  let settings: [String: String]
  let stored: StoredObjects
  let objects: [ObjectID: KnownObject?]
  let summary: ChangeSummary
  let inputs: [String]
  let former: [FormerService]
  let generation: UInt64
  let digestBefore: String?
  let changes: Int
  /// What is followed now, and what the file says.
  let followed: FollowRecord
  let followedOnDisk: FollowRecord?
  let isSweepDue: Bool

  struct Outcome: Sendable {
    var ended = EndedSockets()
    /// Of the objects that are on disk now.
    var digest: String?
    var generation: UInt64 = 0
    var followed: FollowRecord?
    var warnings: [String] = []
    /// Nothing was stored.
    var failure: DataplaneError?
    var nanoseconds: UInt64 = 0
    /// A grace period has passed since the changes that were to be stored.
    var hasWaited = false
  }

  func run() -> Outcome {
    let start = Waiting.now
    var outcome = Outcome()
    outcome.followed = followedOnDisk
    outcome.digest = digestBefore
    do {
      outcome.ended = try dataplane.endLostSockets(after: former)
      outcome.warnings += outcome.ended.warnings
      if isSweepDue {
        try dataplane.sweepSockets()
        try dataplane.clearAbandonedTraces()
      }
    } catch {
      outcome.warnings.append("sockets whose backend went away were not ended: \(error)")
    }
    if changes > 0 {
      do { try store(&outcome) } catch { outcome.failure = error }
    }
    outcome.nanoseconds = Waiting.now - start
    do {
      try dataplane.tables.waitForPrograms()
      outcome.hasWaited = true
    } catch {
      outcome.warnings.append("\(error)")
    }
    return outcome
  }

  /// First what both versions of the objects may have, then the objects, so that a kill in between
  /// leaves no object of which nobody knows that it came from a file.
  private func store(_ outcome: inout Outcome) throws(DataplaneError) {
    let bytes = stored.encode(objects)
    guard let (digest, count) = KnownObjects.digest(ofEncoded: bytes) else { return }
    let record = followed.union(followedOnDisk)
    if record != followedOnDisk {
      try state.writeFollowed(record.encode())
      outcome.followed = record
    }
    // What was changed and changed back is in the journal, perhaps without its end.
    if digest == digestBefore && summary.isEmpty { return try state.removeJournal() }
    let entry = HistoryEntry(
      generation: generation, time: UTCTime(seconds: WallClock.seconds), command: "run",
      summary: summary, input: KnownObjects.digest(ofInput: inputs), objects: digest,
      objectCount: count, bytes: bytes.count)
    try state.begin(
      PendingChange(entry: entry, before: digestBefore ?? "none", settings: settings))
    do {
      try state.writeObjects(bytes)
    } catch {
      try? state.forgetPending()
      throw error
    }
    outcome.digest = digest
    outcome.generation = generation
    do { try state.record(entry, keeping: HistoryOptions.retention(settings)) } catch {
      outcome.warnings.append("the change is made and stored, but not in the history: \(error)")
    }
    if record != followed {
      try state.writeFollowed(followed.encode())
      outcome.followed = followed
    }
  }
}
