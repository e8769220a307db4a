import BPFLoader
import BPFObject

extension Dataplane {
  /// What was done to make the attachment whole.
  public struct Mending: Sendable, Equatable {
    /// Ids of cgroups that are gone; their pins were removed, or put aside for as long as there
    /// are sockets that were made in them.
    public var gone: [UInt64] = []
    /// Cgroups that all hooks were attached to.
    public var attached: [String] = []
    /// Hooks that were missing, by cgroup.
    public var repaired: [String: [String]] = [:]
    /// Wanted cgroups that lie below an attached one, which is enough: inner, outer.
    public var enough: [(inner: String, outer: String)] = []

    public var isEmpty: Bool { gone.isEmpty && attached.isEmpty && repaired.isEmpty }

    public static func == (a: Mending, b: Mending) -> Bool {
      a.gone == b.gone && a.attached == b.attached && a.repaired == b.repaired
        && a.enough.map(\.inner) == b.enough.map(\.inner)
    }
  }

  /// Removes the pins of cgroups that are gone, and attaches what is missing: hooks of cgroups that
  /// are attached to, and all hooks to those of `wanted` that are not. Maps, and with them
  /// sockets and counters, stay as they are.
  ///
  /// Can be repeated after it was interrupted. Only for whoever holds the lock.
  public func mend(wanted: [Cgroup]) throws(DataplaneError) -> Mending {
    let links = try attachments()
    var mending = Mending()
    var anchors: [Cgroup] = []
    var outOfSight: [UInt64] = []
    for name in try Files.list(layout.links) {
      guard let id = UInt64(name) else { continue }
      let own = links.filter { $0.cgroupID == id }
      if let path = Cgroup.path(ofID: id) {
        anchors.append(try Cgroup(path: path))
      } else if own.contains(where: \.isLive) {
        outOfSight.append(id)
      } else {
        mending.gone.append(id)
      }
    }
    var targets = anchors
    for cgroup in wanted where !targets.contains(where: { $0.id == cgroup.id }) {
      if let outer = targets.first(where: { cgroup.isBelow($0) }) {
        mending.enough.append((cgroup.path, outer.path))
        continue
      }
      if let inner = anchors.first(where: { $0.isBelow(cgroup) }) {
        throw .refused(
          "\(cgroup.path) cannot be attached to beside \(inner.path), which lies below it",
          remedy: "programs would run twice there: `socklb detach`, then `socklb attach --cgroup "
            + "\(cgroup.path)`; what was applied is kept")
      }
      targets.append(cgroup)
    }
    guard !targets.isEmpty || !outOfSight.isEmpty else {
      throw .refused(
        "every cgroup that was attached to is gone, and it is not known what to attach to now",
        remedy: "name a cgroup with --cgroup")
    }
    var wanting: [(cgroup: Cgroup, hooks: [SocketHook])] = []
    for cgroup in targets {
      let isNew = !anchors.contains { $0.id == cgroup.id }
      let live = Set(links.filter { $0.cgroupID == cgroup.id && $0.isLive }.map(\.hook))
      let missing = SocketHook.allCases.attachOrder.filter { !live.contains($0.rawValue) }
      if missing.isEmpty { continue }
      wanting.append((cgroup, missing))
      if isNew || live.isEmpty {
        mending.attached.append(cgroup.path)
      } else {
        mending.repaired[cgroup.path] = missing.map(\.rawValue)
      }
    }
    if !wanting.isEmpty {
      // Not the programs of other links: those of a cgroup that is gone may work on maps that
      // larger ones have replaced since.
      let object = try loadPrograms()
      for (cgroup, hooks) in wanting { try Self.attach(hooks, of: object, to: cgroup, layout) }
    }
    for id in mending.gone {
      try Files.rename(layout.links(ofCgroup: id), to: layout.links + "/\(Self.retired)\(id)")
    }
    for name in try Files.list(layout.links) where name.hasPrefix(Self.retired) {
      try removeIfUnused(layout.links + "/" + name)
    }
    return mending
  }

  /// Links of cgroups that are gone. They live until the last socket is closed that was made there,
  /// and such a socket (of a process that was moved, say) needs its reverse addresses until then.
  private static let retired = "gone-"

  private func removeIfUnused(_ place: String) throws(DataplaneError) {
    let hooks = try Files.list(place)
    for hook in hooks {
      let info = try? CgroupLink(pinned: place + "/" + hook).info()
      if let info, info.cgroupID != 0 { return }
    }
    for hook in hooks { try Files.remove(place + "/" + hook) }
    try Files.removeDirectory(place)
  }
}
