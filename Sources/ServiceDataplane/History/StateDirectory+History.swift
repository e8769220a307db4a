public import ServiceMaps

/// The changes that were made, and the objects to go back to:
///
///     DIR/pending                  what a writer is about to do, or was when it was killed
///     DIR/history/log              one line per change, oldest first; replaced as a whole
///     DIR/history/12.objects       the known objects after generation 12
///
/// An `objects` file is never written twice: its name in `history` is a second link to it. Order,
/// so that a kill at any point leaves what can be read: ARCHITECTURE.md, "State on disk".
extension StateDirectory {
  private var pendingFile: String { path + "/pending" }
  private var directory: String { path + "/history" }
  private var logFile: String { directory + "/log" }
  private func objectsFile(of generation: UInt64) -> String {
    directory + "/\(generation).objects"
  }

  // MARK: Reading

  /// What was written last; takes no lock.
  public func readHistory() throws(DataplaneError) -> HistoryLog {
    HistoryLog(decoding: try Files.read(logFile) ?? [])
  }

  /// The known objects after a change, encoded; nil when they are not kept any more.
  public func readObjects(of entry: HistoryEntry) throws(DataplaneError) -> [UInt8]? {
    try Files.read(objectsFile(of: entry.generation))
  }

  /// The generations whose objects are kept.
  public func keptGenerations() throws(DataplaneError) -> Set<UInt64> {
    Set(try Files.list(directory).compactMap(StateDirectory.generation))
  }

  private static func generation(ofFile name: String) -> UInt64? {
    name.hasSuffix(".objects") ? UInt64(name.dropLast(".objects".count)) : nil
  }

  /// What the last line of `objects` says, without reading the rest.
  public struct ObjectsOnDisk: Hashable, Sendable {
    public var digest: String
    public var count: Int
    public var bytes: Int
  }

  /// nil when there is no such file, or its end is damaged.
  public func objectsOnDisk() throws(DataplaneError) -> ObjectsOnDisk? {
    guard let end = try Files.end(of: objectsFile, bytes: 256),
      let (digest, count) = KnownObjects.digest(ofEncoded: end.bytes)
    else { return nil }
    return ObjectsOnDisk(digest: digest, count: count, bytes: end.size)
  }

  /// What a writer is about to do now, or was when it was killed; nil also when that was killed
  /// before it did anything.
  public func readPending() throws(DataplaneError) -> PendingChange? {
    try Files.read(pendingFile).flatMap { PendingChange(decoding: $0) }
  }

  // MARK: Writing, with the lock

  /// Before `objects` and the kernel are changed.
  ///
  /// Not synced: after a power failure the kernel's tables are gone too, and if this is lost the
  /// next writer finds objects that it does not know, and records these.
  public func begin(_ change: PendingChange) throws(DataplaneError) {
    try Files.replaceLazily(pendingFile, with: change.encode())
  }

  /// The change was taken back, or has never begun.
  public func forgetPending() throws(DataplaneError) { try Files.remove(pendingFile) }

  /// After `objects` and the kernel were changed.
  public func record(
    _ entry: HistoryEntry, keeping retention: HistoryLog.Retention
  ) throws(DataplaneError) {
    try Files.makeDirectories(directory)
    try Files.link(objectsFile, as: objectsFile(of: entry.generation))
    var log = try readHistory()
    log.append(entry)
    // This syncs the directory, with the link in it.
    try Files.replace(logFile, with: log.encode())
    try forgetPending()
    try tidyHistory(log, retention)
  }

  /// Removes what is not to be kept, and what a killed writer left over.
  private func tidyHistory(
    _ log: HistoryLog, _ retention: HistoryLog.Retention
  ) throws(DataplaneError) {
    let kept = log.kept(retention)
    for name in try Files.list(directory) where name != "log" {
      if let generation = StateDirectory.generation(ofFile: name), kept.contains(generation) {
        continue
      }
      try Files.remove(directory + "/" + name)
    }
  }

  /// Forgets all changes, and the objects of past generations.
  public func removeHistory() throws(DataplaneError) {
    try forgetPending()
    for name in try Files.list(directory) { try Files.remove(directory + "/" + name) }
    try Files.removeDirectory(directory)
  }
}
