import BPFLoader
import BPFObject
import ServiceMaps

/// Other programs for the links that are pinned: a link changes from one program to the next in
/// one step, so no connect is ever without.
extension Dataplane {
  /// What became of the links.
  public struct Upgrade: Hashable, Sendable {
    /// Links that had another program.
    public var replaced = 0
    /// Hooks that were missing on a cgroup.
    public var attached = 0
    /// Links that had this program already.
    public var unchanged = 0

    public var isEmpty: Bool { replaced == 0 && attached == 0 }
  }

  /// Gives every link the program of this binary. Maps stay, and with them the table, what
  /// sockets remember, affinity and counters.
  ///
  /// Killed in the middle, some links have the old program and some the new one, which work on
  /// the same maps; `finishInterrupted` gives the rest theirs. Only for whoever holds the lock.
  public func upgrade() throws(DataplaneError) -> Upgrade {
    try upgrade(programs: CompiledObject.socklb.elf)
  }

  /// - Parameter elf: a build of `CompiledObject.socklb`.
  package func upgrade(programs elf: [UInt8]) throws(DataplaneError) -> Upgrade {
    try checkLayout()
    try checkVersion()
    let object = try bpf { () throws(BPFError) in try loadOnPinnedMaps(elf) }
    let result = try switchLinks(to: object, always: false)
    tables.setVersion(.current)
    return result
  }

  /// Loads each build once, and gives all links the one and the other in turn.
  package func switchBetween(_ builds: [[UInt8]], times: Int) throws(DataplaneError) {
    guard builds.count == 2 else { return }
    let first = try bpf { () throws(BPFError) in try loadOnPinnedMaps(builds[0]) }
    let second = try bpf { () throws(BPFError) in try loadOnPinnedMaps(builds[1]) }
    for number in 0..<times {
      if number % 2 == 0 {
        _ = try switchLinks(to: first, always: true)
      } else {
        _ = try switchLinks(to: second, always: true)
      }
    }
    tables.setSwitching(false)
  }

  private func loadOnPinnedMaps(_ elf: [UInt8]) throws(BPFError) -> LoadedObject {
    let open = try OpenObject(elf: elf, name: "socklb")
    for name in open.mapNames { try reuse(layout.pin(ofMap: name), as: name, in: open) }
    return try open.load()
  }

  /// - Throws: when what is attached was made by a newer release: going back is not for us.
  private func checkVersion() throws(DataplaneError) {
    guard tables.version <= .current else {
      throw .refused(
        "the programs at \(pin) are those of socklb \(tables.version), this is socklb "
          + "\(ReleaseVersion.current)",
        remedy: "use the newer one; to go back, `socklb detach` and `socklb attach`")
    }
  }

  /// Uses the map that is pinned at `path`, which has to be what the programs expect.
  func reuse(
    _ path: String, as name: String, in object: borrowing OpenObject
  ) throws(BPFError) {
    let map = try BPFMap(pinned: path)
    if let wanted = object.definition(ofMap: name), map.definition != wanted {
      throw BPFError(
        .layoutMismatch, "the map \(path) is \(map.definition), this binary expects \(wanted)",
        remedy: "it was made by another version of socklb: `socklb detach` and `socklb attach`")
    }
    try object.reuse(map, as: name)
  }

  /// - Parameter always: also links whose program has the same tag: it may work on other maps.
  func switchLinks(
    to object: borrowing LoadedObject, always: Bool
  ) throws(DataplaneError) -> Upgrade {
    var result = Upgrade()
    var isMarked = tables.isSwitching
    for name in try Files.list(layout.links).sorted() {
      let directory = layout.links + "/" + name
      for hook in SocketHook.allCases.attachOrder {
        let path = directory + "/" + hook.rawValue
        let program = try bpf { () throws(BPFError) in try object.program(hook.rawValue) }
        guard Files.exists(path) else {
          if try attach(program, hook, cgroupID: name, at: path) { result.attached += 1 }
          continue
        }
        let link = try bpf { () throws(BPFError) in try CgroupLink(pinned: path) }
        let info = try bpf { () throws(BPFError) in try link.info() }
        // The cgroup is gone: nothing runs there.
        if info.cgroupID == 0 { continue }
        if !always, let old = BPFProgram(id: info.programID),
          try bpf({ () throws(BPFError) in try old.info().tag == program.info().tag })
        {
          result.unchanged += 1
          continue
        }
        if !isMarked {
          tables.setSwitching(true)
          isMarked = true
        }
        try bpf { () throws(BPFError) in try link.update(to: program) }
        result.replaced += 1
      }
    }
    if !always { tables.setSwitching(false) }
    return result
  }

  /// A hook that is not attached to a cgroup: a program that only a newer release has, or what
  /// an attach left out. False when the cgroup is gone.
  private func attach(
    _ program: BPFProgram, _ hook: SocketHook, cgroupID: String, at path: String
  ) throws(DataplaneError) -> Bool {
    guard let id = UInt64(cgroupID), let cgroup = Cgroup.path(ofID: id) else { return false }
    guard case .success(let fd) = Files.openDirectory(cgroup) else { return false }
    let directory = FileDescriptor(owning: fd)
    try bpf { () throws(BPFError) in
      try CgroupLink.attach(program, to: directory, as: hook, cgroupPath: cgroup).pin(at: path)
    }
    try Files.setAccess(path, 0o600, group: 0)
    return true
  }
}
