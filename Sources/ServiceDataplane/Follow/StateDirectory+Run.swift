/// What a process that follows a directory keeps beside the objects:
///
///     DIR/run          what it says of itself (`socklb status`)
///     DIR/run.lock     held by it
///     DIR/followed     which objects are there because of which file
///     DIR/journal      what has changed since `objects` was written (`ObjectJournal`)
extension StateDirectory {
  private var runFile: String { path + "/run" }
  private var runLockFile: String { path + "/run.lock" }
  private var followedFile: String { path + "/followed" }

  /// Becomes the one process that follows a directory for this state.
  ///
  /// - Returns: nil when there is another one.
  public func lockRun() throws(DataplaneError) -> StateLock? {
    try Files.makeDirectories(path)
    guard case .mine(let descriptor) = try Files.tryLock(runLockFile) else { return nil }
    return StateLock(descriptor)
  }

  /// Whether somebody follows a directory now.
  public var isRunning: Bool { Files.isLocked(runLockFile) }

  public func readRun() -> [UInt8]? { (try? Files.read(runFile)) ?? nil }
  public func writeRun(_ bytes: [UInt8]) throws(DataplaneError) {
    try Files.replaceLazily(runFile, with: bytes)
  }
  public func removeRun() throws(DataplaneError) { try Files.remove(runFile) }

  public func readFollowed() throws(DataplaneError) -> [UInt8]? { try Files.read(followedFile) }
  public func writeFollowed(_ bytes: [UInt8]) throws(DataplaneError) {
    try Files.replace(followedFile, with: bytes)
  }

  public func removeFollowed() throws(DataplaneError) { try Files.remove(followedFile) }

  // MARK: The journal

  private var journalFile: String { path + "/journal" }

  public func readJournal() throws(DataplaneError) -> [UInt8]? { try Files.read(journalFile) }

  /// Begins a new one, with what is in it.
  public func startJournal(_ bytes: [UInt8]) throws(DataplaneError) {
    try Files.replace(journalFile, with: bytes)
  }

  /// On disk when this returns. After a failure there is no telling how much of it is.
  ///
  /// - Returns: how large it is now, in bytes.
  public func appendToJournal(_ bytes: [UInt8]) throws(DataplaneError) -> Int {
    try Files.append(journalFile, bytes)
  }

  public func removeJournal() throws(DataplaneError) { try Files.remove(journalFile) }

  /// The lock of writers, if it is to be had now.
  public func lockNow() throws(DataplaneError) -> StateLock? {
    guard case .mine(let descriptor) = try Files.tryLock(path + "/lock") else { return nil }
    return StateLock(descriptor)
  }
}

/// What others do in the state directory.
public final class StateWatch {
  private let inotify: Inotify

  public enum Event: Hashable, Sendable {
    /// Objects or settings were replaced, by whoever it was.
    case replaced
    /// Somebody has detached.
    case detached
    /// Somebody waits for the lock.
    case lockWanted
  }

  public init(_ state: StateDirectory) throws(DataplaneError) {
    inotify = try Inotify()
    let watch = inotify.watch(state.path, .everything)
    if watch < 0 { throw .failed("watching \(state.path)", errno: -watch) }
  }

  var descriptor: Int32 { inotify.descriptor }

  public func events() -> Set<Event> {
    var result: Set<Event> = []
    for event in inotify.events() {
      if event.has(.overflow) { return [.replaced, .lockWanted] }
      switch event.name {
      case "objects", "settings": if event.has([.movedTo, .delete]) { result.insert(.replaced) }
      case "instance": if event.has(.delete) { result.insert(.detached) }
      case "lock.wanted": if event.has(.closeWrite) { result.insert(.lockWanted) }
      default: break
      }
    }
    return result
  }
}

/// Everything that a process waits for that follows a directory.
public struct FollowWait: Sendable {
  public var signals = false
  public var files = false
  public var state = false
  public var isWoken = false

  /// Waits until something happens.
  ///
  /// - Parameter nanoseconds: at most so long; nil: for ever.
  public init(
    _ signals: Waiting, _ directory: FollowedDirectory?, _ state: StateWatch?, _ waker: Waker,
    nanoseconds: UInt64?
  ) {
    let found = waker.wait(
      [signals.signals, directory?.descriptor ?? -1, state?.descriptor ?? -1],
      nanoseconds: nanoseconds)
    (self.signals, files, self.state, isWoken) = (found[0], found[1], found[2], found[3])
  }
}
