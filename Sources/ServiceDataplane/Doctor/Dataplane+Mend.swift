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
    var programs = MendingPrograms(layout: layout, links: links)
    for cgroup in targets {
      let isNew = !anchors.contains { $0.id == cgroup.id }
      let live = Set(links.filter { $0.cgroupID == cgroup.id && $0.isLive }.map(\.hook))
      let missing = SocketHook.allCases.attachOrder.filter { !live.contains($0.rawValue) }
      if missing.isEmpty { continue }
      try attach(missing, to: cgroup, &programs)
      if isNew || live.isEmpty {
        mending.attached.append(cgroup.path)
      } else {
        mending.repaired[cgroup.path] = missing.map(\.rawValue)
      }
    }
    // Last: their programs may be the only ones there are.
    for id in mending.gone {
      try Files.rename(layout.links(ofCgroup: id), to: layout.links + "/\(Self.retired)\(id)")
    }
    for name in try Files.list(layout.links) where name.hasPrefix(Self.retired) {
      try removeIfUnused(layout.links + "/" + name)
    }
    return mending
  }

  private func attach(
    _ hooks: [SocketHook], to cgroup: Cgroup, _ programs: inout MendingPrograms
  ) throws(DataplaneError) {
    let directory: FileDescriptor
    switch Files.openDirectory(cgroup.path) {
    case .success(let fd): directory = FileDescriptor(owning: fd)
    case .failure(let failure):
      throw .failed("opening the cgroup \(cgroup.path)", errno: failure.errno)
    }
    let place = layout.links(ofCgroup: cgroup.id)
    try Files.makeDirectories(place)
    try Files.setAccess(place, 0o700, group: 0)
    for hook in hooks {
      let program = try programs.program(hook)
      let pin = place + "/" + hook.rawValue
      let link = try bpf { () throws(BPFError) in
        try CgroupLink.attach(program, to: directory, as: hook, cgroupPath: cgroup.path)
      }
      // A link that was detached is still pinned there.
      try Files.remove(pin)
      try bpf { () throws(BPFError) in try link.pin(at: pin) }
      try Files.setAccess(pin, 0o600, group: 0)
    }
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

/// The programs to attach: those that are attached elsewhere, else loaded anew on the same maps.
private struct MendingPrograms: ~Copyable {
  let layout: PinLayout
  let links: [Dataplane.Attachment]
  private var object: LoadedObject?

  init(layout: PinLayout, links: [Dataplane.Attachment]) {
    self.layout = layout
    self.links = links
    object = nil
  }

  mutating func program(_ hook: SocketHook) throws(DataplaneError) -> BPFProgram {
    let known = links.filter { $0.hook == hook.rawValue }
    for link in known.filter(\.isLive) + known {
      if let program = BPFProgram(id: link.programID) { return program }
    }
    if object == nil { object = try bpf { () throws(BPFError) in try load() } }
    let program: BPFProgram?
    do { program = try object?.program(hook.rawValue) } catch { throw .bpf(error) }
    guard let program else {
      throw .bpf(BPFError(.notFound, "loading the program \(hook.rawValue)"))
    }
    return program
  }

  private func load() throws(BPFError) -> LoadedObject {
    let object = try OpenObject(elf: CompiledObject.socklb.elf, name: "socklb")
    for name in object.mapNames {
      let pin = name == "header" ? layout.header : layout.map(name)
      if Files.exists(pin) { try object.reuse(BPFMap(pinned: pin), as: name) }
    }
    return try object.load()
  }
}
