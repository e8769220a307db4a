/// When to look at a file to which something happened.
///
/// What is complete is looked at soon, and together with what comes right after it; what somebody
/// is still writing is left alone until it is closed, and what has gone may come back: editors
/// rename. Nothing waits for ever. Times are nanoseconds of a clock that only goes forward.
public struct FollowSchedule: Sendable {
  public enum Happening: Hashable, Sendable {
    /// Closed after it was written, or it got this name: it is whole.
    case complete
    /// It was made, or written to, and is not closed yet.
    case unfinished
    /// Nothing has this name any more.
    case gone
  }

  /// So much quiet after the first change in a while, and after one of many.
  public static let quietWhenIdle: UInt64 = 1_000_000
  public static let quietWhenBusy: UInt64 = 8_000_000
  /// How long after a batch the next one counts as one of many.
  public static let busyTime: UInt64 = 20_000_000
  /// However many changes come, the first of them is looked at after this.
  public static let longestWait: UInt64 = 50_000_000
  /// A file that is renamed away and written anew is back by then.
  public static let patienceWithGone: UInt64 = 50_000_000
  /// Some writers never close: what nobody has written to for so long is looked at, and what is
  /// written all the time after `longestUnfinished`.
  public static let patienceWithWriters: UInt64 = 1_000_000_000
  public static let longestUnfinished: UInt64 = 10_000_000_000

  private struct Waiting {
    var isGone: Bool
    var first: UInt64
    var due: UInt64
  }

  private var complete: Set<String> = []
  private var firstComplete: UInt64 = 0
  private var completeDue: UInt64 = 0
  private var waiting: [String: Waiting] = [:]
  private var lastTaken: UInt64?

  public init() {}

  public var isEmpty: Bool { complete.isEmpty && waiting.isEmpty }

  public mutating func note(_ happening: Happening, of name: String, at now: UInt64) {
    switch happening {
    case .complete:
      waiting[name] = nil
      if complete.isEmpty { firstComplete = now }
      complete.insert(name)
      let isBusy = lastTaken.map { now < $0 &+ Self.busyTime } ?? false
      let quiet = isBusy ? Self.quietWhenBusy : Self.quietWhenIdle
      completeDue = min(now &+ quiet, firstComplete &+ Self.longestWait)
    case .unfinished:
      complete.remove(name)
      let first = waiting[name].flatMap { $0.isGone ? nil : $0.first } ?? now
      waiting[name] = Waiting(
        isGone: false, first: first,
        due: min(now &+ Self.patienceWithWriters, first &+ Self.longestUnfinished))
    case .gone:
      complete.remove(name)
      // Gone again and again, it is gone since the first time.
      if waiting[name]?.isGone == true { return }
      waiting[name] = Waiting(isGone: true, first: now, due: now &+ Self.patienceWithGone)
    }
  }

  /// Somebody has begun to write it, and has not closed it yet.
  public func isBeingWritten(_ name: String) -> Bool { waiting[name]?.isGone == false }

  /// When there is something to look at next; nil: not before something happens.
  public var next: UInt64? {
    let others = waiting.values.lazy.map(\.due).min()
    if complete.isEmpty { return others }
    return min(completeDue, others ?? .max)
  }

  /// What is to be looked at now, sorted.
  public mutating func take(at now: UInt64) -> [String] {
    var result: [String] = []
    if !complete.isEmpty && completeDue <= now {
      result = Array(complete)
      complete.removeAll(keepingCapacity: true)
      lastTaken = now
    }
    if waiting.isEmpty { return result.sorted() }
    let due = waiting.filter { $0.value.due <= now }.map(\.key)
    for name in due { waiting[name] = nil }
    return (result + due).sorted()
  }

  /// All that is known is looked at anyway.
  public mutating func clear() {
    complete.removeAll()
    waiting.removeAll()
  }
}
