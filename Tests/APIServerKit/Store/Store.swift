import NIOConcurrencyHelpers

/// The objects, with one count of revisions for all of them. May be called from any thread.
final class Store: @unchecked Sendable {
  private let lock = NIOLock()
  private var tables: [Table]
  private var revision: UInt64
  /// Lists from before this one are refused.
  private var compacted: UInt64
  /// The cache of a server that lags stands still here.
  private var frozen: UInt64?
  private let admission: Admission
  /// Called after each change, without the lock.
  private var observers: [@Sendable () -> Void] = []

  init(revision: UInt64, capacity: Int) {
    self.revision = revision
    compacted = revision
    tables = APIResource.all.map { Table($0, revision: revision, capacity: capacity) }
    admission = Admission()
  }

  func observe(_ observer: @escaping @Sendable () -> Void) {
    lock.withLock { observers.append(observer) }
  }

  private func onChange() { for observer in lock.withLock({ observers }) { observer() } }

  var current: UInt64 { lock.withLock { revision } }
  var compactedRevision: UInt64 { lock.withLock { compacted } }

  // MARK: Reading

  func object(_ index: Int, _ key: String) -> StoredObject? {
    lock.withLock { tables[index].objects[key] }
  }

  /// What is true now.
  func all(_ index: Int) -> [StoredObject] { lock.withLock { tables[index].inOrder() } }

  func list(_ index: Int, _ query: ListQuery) throws(APIStatus) -> Page {
    let view: Result<View, APIStatus> = lock.withLock {
      Result { () throws(APIStatus) in try self.view(index, query) }
    }
    return try view.get().page(query)
  }

  private func view(_ index: Int, _ query: ListQuery) throws(APIStatus) -> View {
    let table = tables[index]
    if let token = query.continueToken {
      guard token.revision > 0 else {
        return View(objects: table.inOrder(), revision: revision, start: token.start)
      }
      let asked = UInt64(token.revision)
      guard asked >= compacted, let past = table.inOrder(at: asked) else { throw token.expired() }
      return View(objects: past, revision: asked, start: token.start)
    }
    switch query.wanted {
    case .latest: return View(objects: table.inOrder(), revision: revision)
    case .any:
      // The cache knows of no other resources' changes.
      let seen = frozen ?? table.seen
      return View(objects: table.inOrder(at: seen) ?? table.inOrder(), revision: seen)
    case .notOlderThan(let asked):
      let seen = frozen ?? revision
      guard asked <= seen else { throw .tooLarge(asked, seen) }
      return View(objects: table.inOrder(at: seen) ?? table.inOrder(), revision: seen)
    case .exactly(let asked):
      guard asked <= revision else { throw .tooLarge(asked, revision) }
      guard asked >= compacted, let past = table.inOrder(at: asked) else {
        throw .expired("The resourceVersion for the provided list is too old.")
      }
      return View(objects: past, revision: asked)
    }
  }

  /// The objects a watch begins with, and its place in the log.
  struct WatchStart {
    var initial: [StoredObject] = []
    var cursor: Int
    var revision: UInt64
  }

  /// - Parameter asked: nil to begin with all objects there are.
  func watch(_ index: Int, from asked: UInt64?, atLeast: UInt64 = 0) throws(APIStatus) -> WatchStart
  {
    let start: Result<WatchStart, APIStatus> = lock.withLock {
      let table = tables[index]
      let seen = frozen ?? revision
      guard let asked else {
        guard atLeast <= seen else { return .failure(.tooLarge(atLeast, seen)) }
        return .success(
          WatchStart(
            initial: table.inOrder(at: seen) ?? table.inOrder(),
            cursor: table.logIndex(after: seen), revision: seen))
      }
      guard asked >= table.watchFloor else { return .failure(.tooOld(asked, table.watchFloor)) }
      return .success(WatchStart(cursor: table.logIndex(after: asked), revision: asked))
    }
    return try start.get()
  }

  /// The next changes for a watch.
  /// - Returns: nil when it was so slow that they are forgotten.
  func changes(_ index: Int, from cursor: Int, atMost count: Int)
    -> (changes: ArraySlice<Change>, cursor: Int, seen: UInt64?)?
  {
    lock.withLock {
      let table = tables[index]
      guard cursor >= table.logStart else { return nil }
      var end = min(cursor + count, table.logEnd)
      if let frozen { end = min(end, max(cursor, table.logIndex(after: frozen))) }
      let changes = table.log[max(0, cursor - table.logStart)..<max(0, end - table.logStart)]
      let isAll = end == table.logEnd || frozen != nil && changes.isEmpty
      return (changes, end, isAll ? frozen ?? revision : nil)
    }
  }

  // MARK: Changes of the test's own

  /// Forgets history: lists and, if wanted, watches of before are refused.
  func compact(watches: Bool) {
    lock.withLock {
      compacted = revision
      if watches { for table in tables { table.watchFloor = revision } }
    }
  }

  func dropCache() { lock.withLock { for table in tables { table.watchFloor = revision } } }

  func freeze(_ isFrozen: Bool) {
    lock.withLock { frozen = isFrozen ? frozen ?? revision : nil }
    if !isFrozen { onChange() }
  }

  /// Counts on, as if something else had been written.
  func advance(by count: UInt64) { lock.withLock { revision += count } }

  func backup() -> Backup {
    lock.withLock { Backup(revision: revision, objects: tables.map(\.objects)) }
  }

  func restore(_ backup: Backup, bumpsRevision: Bool) {
    lock.withLock {
      revision = bumpsRevision ? max(revision, backup.revision) + 100_000 : backup.revision
      compacted = revision
      frozen = nil
      for (table, objects) in zip(tables, backup.objects) {
        table.restore(objects, revision: revision)
      }
    }
  }

  // MARK: Writing

  /// Reads an object, makes another one of it, and stores that, all at once.
  /// - Parameter change: gets what there is, nil for nothing; its result is stored, nil removes.
  func write(
    _ index: Int, _ key: String, manager: String = "kit",
    _ change: (JSON?) throws(APIStatus) -> JSON?
  ) throws(APIStatus) -> StoredObject? {
    let result: Result<StoredObject?, APIStatus> = lock.withLock {
      Result { () throws(APIStatus) in try self.write(locked: index, key, manager, change) }
    }
    let stored = try result.get()
    onChange()
    return stored
  }

  private func write(
    locked index: Int, _ key: String, _ manager: String,
    _ change: (JSON?) throws(APIStatus) -> JSON?
  ) throws(APIStatus) -> StoredObject? {
    let table = tables[index]
    let old = table.objects[key]
    let oldTree = old?.json
    guard var tree = try change(oldTree) else {
      guard let old else { return nil }
      revision += 1
      let last = old.with(resourceVersion: revision, of: table.resource)
      table.apply(Change(kind: .deleted, object: last, previous: old))
      return last
    }
    tree = admission.finished(tree, old: oldTree, table.resource, manager)
    if let old, let oldTree, admission.isSame(tree, oldTree) { return old }
    revision += 1
    let object = StoredObject(tree, of: table.resource, resourceVersion: revision)
    table.apply(Change(kind: old == nil ? .added : .modified, object: object, previous: old))
    return object
  }
}

/// A copy of all objects at one time.
public struct Backup: Sendable {
  public let revision: UInt64
  let objects: [[String: StoredObject]]
}
