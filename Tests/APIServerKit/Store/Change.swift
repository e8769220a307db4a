/// One entry of the history of a kind of objects.
struct Change: Sendable {
  enum Kind: Sendable { case added, modified, deleted }

  let kind: Kind
  /// The new version; of a deletion the last one with the resourceVersion of the deletion.
  let object: StoredObject
  let previous: StoredObject?

  var resourceVersion: UInt64 { object.resourceVersion }
}

/// All objects of one kind and what happened to them.
final class Table {
  let resource: APIResource
  private(set) var objects: [String: StoredObject] = [:]
  private(set) var log: [Change] = []
  /// How many changes were forgotten before the first one of the log.
  private(set) var logStart = 0
  /// The newest change that was forgotten.
  private(set) var forgotten: UInt64
  /// Watches from before this one are refused: the server's cache begins here.
  var watchFloor: UInt64
  private var sorted: [StoredObject]?
  let capacity: Int

  init(_ resource: APIResource, revision: UInt64, capacity: Int) {
    self.resource = resource
    (forgotten, watchFloor) = (revision, revision)
    self.capacity = capacity
  }

  /// The newest version that a cache of this resource alone knows of.
  var seen: UInt64 { max(log.last?.resourceVersion ?? 0, watchFloor) }

  var logEnd: Int { logStart + log.count }

  func apply(_ change: Change) {
    let key = change.object.key
    objects[key] = change.kind == .deleted ? nil : change.object
    sorted = nil
    log.append(change)
    guard log.count > 2 * capacity else { return }
    let count = log.count - capacity
    forgotten = log[count - 1].resourceVersion
    watchFloor = max(watchFloor, forgotten)
    log.removeFirst(count)
    logStart += count
  }

  /// In the order of their keys' bytes.
  func inOrder() -> [StoredObject] {
    if let sorted { return sorted }
    let result = Self.inOrder(objects)
    sorted = result
    return result
  }

  private static func inOrder(_ objects: [String: StoredObject]) -> [StoredObject] {
    objects.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map(\.value)
  }

  /// What there was at a revision, nil when the log does not reach back so far.
  func inOrder(at revision: UInt64) -> [StoredObject]? {
    guard let last = log.last, last.resourceVersion > revision else {
      return revision >= forgotten ? inOrder() : nil
    }
    guard revision >= forgotten else { return nil }
    var past = objects
    for change in log.reversed() {
      if change.resourceVersion <= revision { break }
      past[change.object.key] = change.previous
    }
    return Self.inOrder(past)
  }

  /// The place in the log behind all changes up to a revision.
  func logIndex(after revision: UInt64) -> Int {
    var (low, high) = (0, log.count)
    while low < high {
      let middle = (low + high) / 2
      if log[middle].resourceVersion <= revision { low = middle + 1 } else { high = middle }
    }
    return logStart + low
  }

  /// Takes over a backup: nothing is known of what was before it.
  func restore(_ backup: [String: StoredObject], revision: UInt64) {
    objects = backup
    sorted = nil
    logStart += log.count + 1
    log = []
    (forgotten, watchFloor) = (revision, revision)
  }
}
