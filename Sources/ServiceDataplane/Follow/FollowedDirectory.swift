public import ServiceMaps

/// A directory of manifests as it changes: what happened to which file, by inotify.
///
/// What inotify cannot see is looked at every two seconds (`pollingReason`): directories on file
/// systems that others change (NFS, FUSE, …), paths through symbolic links, links to files outside of
/// the directory, and everything when the kernel has no watches to give.
public final class FollowedDirectory {
  public enum Event: Hashable, Sendable {
    /// It is whole: written and closed, or renamed to this.
    case complete(String)
    case unfinished(String)
    case gone(String)
    /// A file may be readable now.
    case attributes(String)
    /// Links may lead elsewhere now.
    case links
    /// What happened is not known: look at all of it (`scan`).
    case everything(String)
  }

  public enum Reading: Sendable {
    /// Never the same as last time.
    case file(ManifestFile)
    case same
    case gone
    /// Somebody is writing to it.
    case unstable
    case unreadable(Diagnostic)
  }

  public let path: String
  public let isRecursive: Bool
  public private(set) var pollingReason: String?
  private var inotify: Inotify
  private var roles: [Int32: [Role]] = [:]
  /// What was read last, by name.
  private var versions: [String: Known] = [:]
  private var links: Set<String> = []
  private var identity: FileVersion?
  /// Some watch could not be had.
  private var shortage: String?
  private static let largest = 1 << 30

  private struct Known {
    var version: FileVersion
    var hash: Int
    /// Another version may look the same.
    var isDoubtful: Bool
  }

  private enum Role: Equatable {
    /// Manifests are here; its path.
    case files(String)
    /// On the way to the directory; only this name in it matters, or nothing but itself.
    case way(String?)
    /// The target of a link is here.
    case target
  }

  public init(_ path: String, isRecursive: Bool) throws(DataplaneError) {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    self.isRecursive = isRecursive
    inotify = try Inotify()
  }

  var descriptor: Int32 { inotify.descriptor }
  /// It was there when it was scanned last.
  public var isThere: Bool { identity?.isDirectory == true }

  // MARK: What there is

  /// Watches everything anew and says what there is; nil: there is no such directory now.
  public func scan() throws(DataplaneError) -> [String]? {
    inotify = try Inotify()
    roles = [:]
    shortage = nil
    links = []
    pollingReason = nil
    watchWay()
    identity = Files.version(path)
    guard identity?.isDirectory == true else {
      setPolling()
      return nil
    }
    var names: [String] = []
    try list(path, into: &names)
    setPolling()
    return names
  }

  /// Watches come first: what happens after that is seen, what happened before is listed.
  ///
  /// - Throws: when one cannot be read: what is in it is not known, rather than gone.
  private func list(_ directory: String, into names: inout [String]) throws(DataplaneError) {
    watch(directory, .everything, .files(directory))
    for name in try Files.list(directory) {
      let entry = directory + "/" + name
      if ManifestFile.isManifest(name) && !Files.isDirectory(entry) {
        noteLink(entry)
        names.append(entry)
      } else if isRecursive, !name.hasPrefix(".."), !Files.isSymbolicLink(entry),
        Files.isDirectory(entry)
      {
        try list(entry, into: &names)
      }
    }
  }

  private func noteLink(_ entry: String) {
    guard Files.isSymbolicLink(entry) else {
      links.remove(entry)
      return
    }
    links.insert(entry)
    // The directory of the file itself; that of the next link, too, which is replaced as a whole.
    var places = [Files.parent(of: Files.resolved(entry))]
    if let target = Files.target(ofLink: entry) {
      let own = Files.parent(of: entry)
      places.append(
        Files.parent(of: target.hasPrefix("/") ? target : own + "/" + target))
    }
    for place in Set(places) { watch(place, .everything, .target) }
  }

  // MARK: Watches

  private func watch(_ place: String, _ interest: Inotify.Interest, _ role: Role) {
    let watch = inotify.watch(place, interest)
    if watch >= 0 {
      if roles[watch]?.contains(role) != true { roles[watch, default: []].append(role) }
    } else if -watch == 28 {
      shortage = "there are no inotify watches left (fs.inotify.max_user_watches)"
    }
  }

  /// Each directory on the way may be moved away, and each name that is a link may lead elsewhere. Of
  /// a path that ends too early, the first missing name may come.
  private func watchWay() {
    var place = ""
    for name in path.split(separator: "/") {
      let above = place.isEmpty ? "/" : place
      place += "/" + name
      let isLink = Files.isSymbolicLink(place)
      if isLink || !Files.isDirectory(place) {
        watch(above, .names, .way(String(name)))
        if !Files.isDirectory(place) { return }
      }
      watch(place, .itself, .way(nil))
    }
  }

  private func setPolling() {
    let resolved = Files.resolved(path)
    if let shortage {
      pollingReason = shortage
    } else if Files.isChangedElsewhere(path) {
      pollingReason = "\(path) is on a file system that others may change unseen"
    } else if resolved != path {
      pollingReason = "\(path) leads through a symbolic link"
    } else if let outside = links.first(where: {
      !Files.resolved($0).hasPrefix(resolved + "/")
    }) {
      pollingReason = "\(outside) is a link to a file outside of the directory"
    }
  }

  // MARK: What happens

  /// What has happened since.
  public func events() -> [Event] {
    var result: [Event] = []
    for event in inotify.events() {
      if event.has(.overflow) {
        return result + [.everything("the kernel's queue of changes was full")]
      }
      for role in roles[event.watch] ?? [] {
        if let event = self.event(event, role), result.last != event { result.append(event) }
        if case .everything? = result.last { return result }
      }
      if event.has(.ignored) { roles[event.watch] = nil }
    }
    return result
  }

  private func event(_ event: Inotify.Event, _ role: Role) -> Event? {
    let isItself = event.has(.itself)
    switch role {
    case .way(let name):
      if isItself || event.has(.ignored) || (name != nil && event.name == name) {
        return .everything("\(path) may be another directory now")
      }
      return nil
    case .target: return event.has(.modify) ? nil : .links
    case .files(let directory):
      if isItself || event.has(.ignored) {
        return .everything("\(directory) was moved or removed")
      }
      return self.event(event, in: directory)
    }
  }

  private func event(_ event: Inotify.Event, in directory: String) -> Event? {
    let isNew = event.has([.create, .movedTo])
    let isNaming = isNew || event.has([.movedFrom, .delete])
    if event.has(.isDirectory) {
      guard isRecursive, isNaming, !event.name.hasPrefix("..") else { return nil }
      return .everything("directories below \(directory) came or went")
    }
    let entry = directory + "/" + event.name
    guard ManifestFile.isManifest(event.name) else {
      return isNaming && !links.isEmpty ? .links : nil
    }
    if event.has([.movedFrom, .delete]) { return .gone(entry) }
    if event.has([.closeWrite, .movedTo]) { return .complete(entry) }
    if event.has(.create) {
      // A link, of either kind, is whole when it is there; a file is being written.
      guard let version = Files.versionOfName(entry) else { return .gone(entry) }
      return version.isRegular && version.links == 1 ? .unfinished(entry) : .complete(entry)
    }
    if event.has(.modify) { return .unfinished(entry) }
    return event.has(.attributes) ? .attributes(entry) : nil
  }

  // MARK: Reading

  /// Files that are links and lead to something else than what was read.
  public func changedLinks() -> [String] {
    let now = Files.realTime
    return links.filter { isChanged($0, now) }.sorted()
  }

  /// Whether a name may hold something else than what was read.
  private func isChanged(_ name: String, _ now: Int64) -> Bool {
    guard let known = versions[name] else { return true }
    return known.isDoubtful || Files.version(name) != known.version
  }

  /// Those of `names` that may hold something else than what was read.
  public func changed(among names: [String]) -> [String] {
    let now = Files.realTime
    return names.filter { isChanged($0, now) }
  }

  /// Whether the directory itself is another one than the one that was scanned.
  public var isAnother: Bool {
    let now = Files.version(path)
    return now?.inode != identity?.inode || now?.device != identity?.device
      || now?.isDirectory != identity?.isDirectory
  }

  public func read(_ name: String) -> Reading {
    noteLink(name)
    switch Files.readFollowed(name, limit: Self.largest) {
    case .gone:
      forget(name)
      return .gone
    case .notAFile:
      // As `apply -f DIR`, which takes a directory for what it is.
      if Files.isDirectory(name) {
        forget(name)
        return .gone
      }
      return unreadable(name, "is no regular file")
    case .unstable: return .unstable
    case .failed(let error): return unreadable(name, "\(error)")
    case .bytes(let bytes, let version):
      let hash = bytes.hashValue
      let isDoubtful = version.isRecent(at: Files.realTime)
      if let known = versions[name], known.hash == hash, known.version.size == version.size {
        versions[name] = Known(version: version, hash: hash, isDoubtful: isDoubtful)
        return .same
      }
      versions[name] = Known(version: version, hash: hash, isDoubtful: isDoubtful)
      return .file(ManifestFile(name: name, bytes: bytes))
    }
  }

  private func unreadable(_ name: String, _ why: String) -> Reading {
    versions[name] = nil
    return .unreadable(Diagnostic(.error, file: name, why))
  }

  /// It is read as if it never had been.
  public func readAgain(_ name: String) { versions[name] = nil }

  /// It is read whatever it was.
  public func forget(_ name: String) {
    versions[name] = nil
    links.remove(name)
  }
}
