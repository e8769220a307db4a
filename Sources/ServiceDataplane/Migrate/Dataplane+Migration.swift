import BPFLoader
import CServiceABI
import ServiceMaps

/// State of another layout: maps of this binary's layout take the place of those that differ,
/// while connects go on. ARCHITECTURE.md, "Layouts that change".
///
/// 1. New maps are made, filled with what the old ones hold, and pinned in `DIR/next`, `header`
///    among them. From here on whoever comes next can finish.
/// 2. Hooks that show addresses and that clean up get a second link, `old-HOOK`, with the program
///    that they have. Then all links are given new programs. Whatever an old or a new program has
///    remembered, a program runs that knows it.
/// 3. After a grace period nothing writes into the old maps; what was written there since 1 is
///    carried over. The second links end.
/// 4. The pins in `DIR/next` take the place of the others, `header` last.
extension Dataplane {
  /// What was carried over.
  public struct Migrated: Hashable, Sendable {
    /// Of the state that was found.
    public var layoutVersion: UInt32
    /// The release that made it.
    public var version: ReleaseVersion
    /// Names of the maps that others have taken the place of.
    public var maps: [String]
    /// A command that was killed had begun it.
    public var wasInterrupted: Bool
  }

  /// A point at which it can be killed, and has to be finished by whoever comes next.
  package enum MigrationStep: Hashable, Sendable {
    case published
    /// So many second links.
    case watched(Int)
    /// So many links.
    case switched(Int)
    case carried
    /// So many second links.
    case unwatched(Int)
    /// So many pins.
    case renamed(Int)
  }

  /// Makes the maps those of this binary, if they are others or a command was killed that was
  /// about to. Only for whoever holds the lock, before anything else.
  ///
  /// - Parameter mayBegin: false: only what was begun is finished.
  /// - Returns: nil when there was nothing to do.
  /// - Throws: when they are those of a newer socklb, or cannot be carried over.
  public static func migrate(
    pin: String, mayBegin: Bool = true
  ) throws(DataplaneError) -> Migrated? {
    let layout = PinLayout(directory: pin)
    guard mayBegin || isMigrating(pin: pin) else { return nil }
    if let newer = try refusal(layout, olderToo: false) { throw newer }
    return try migrate(pin: pin, to: .current) { _ throws(DataplaneError) in }
  }

  /// Whether `migrate` has something to do.
  ///
  /// - Parameter mayBegin: as in `migrate`.
  public static func needsMigration(
    pin: String, mayBegin: Bool = true
  ) throws(DataplaneError) -> Bool {
    if isMigrating(pin: pin) { return true }
    guard mayBegin else { return false }
    let layout = PinLayout(directory: pin)
    if try refusal(layout, olderToo: false) != nil { return false }
    let build = ProgramBuild.current
    let open = try bpf { () throws(BPFError) in
      try OpenObject(elf: build.socklb, name: "socklb")
    }
    return try !MapChange.all(layout, open, layoutVersion: build.layoutVersion).isEmpty
  }

  /// A command that carries maps over was killed.
  private static func isMigrating(pin: String) -> Bool {
    Files.exists(PinLayout(directory: pin).nextHeader)
  }

  /// Why this binary does not work on what is pinned; nil when it does.
  static func refusal(
    _ layout: PinLayout, olderToo: Bool = true
  ) throws(DataplaneError) -> DataplaneError? {
    let header = Files.exists(layout.nextHeader) ? layout.nextHeader : layout.header
    let found = try HeaderView.layoutVersion(header)
    // Types are shown to CAP_SYS_ADMIN only; the layout's number, to all.
    let version = (try? HeaderView(pinned: header)).map {
      ReleaseVersion(packed: UInt32(truncatingIfNeeded: $0["version"]))
    }
    let isNewer = found > UInt32(SVC_LAYOUT_VERSION) || version.map { $0 > .current } ?? false
    guard isNewer || (olderToo && found != UInt32(SVC_LAYOUT_VERSION)) else { return nil }
    return .otherLayout(layout.directory, version, found, isNewer: isNewer)
  }

  /// Maps that do not fit are those of another version, which is what to say.
  static func explained(_ error: DataplaneError, _ layout: PinLayout) -> DataplaneError {
    guard case .bpf(let cause) = error, cause.code == .layoutMismatch,
      let refusal = try? refusal(layout)
    else { return error }
    return refusal
  }

  /// - Parameter after: called after each step; when it throws, everything stays as it is then.
  package static func migrate(
    pin: String, to build: ProgramBuild, after: (MigrationStep) throws(DataplaneError) -> Void
  ) throws(DataplaneError) -> Migrated? {
    let layout = PinLayout(directory: pin)
    try PinLayout.removePins(layout.nextBuilding)
    let wasInterrupted = isMigrating(pin: pin)
    let open = try bpf { () throws(BPFError) in
      try OpenObject(elf: build.socklb, name: "socklb")
    }
    var result = Migrated(
      layoutVersion: try HeaderView.layoutVersion(layout.header), version: .current, maps: [],
      wasInterrupted: wasInterrupted)
    var changes: [String: MapChange] = [:]
    // Pins that were renamed already are those of the new layout.
    var isCarried = false
    if wasInterrupted {
      let header = try HeaderView(pinned: layout.nextHeader)
      guard header["layout_version"] == UInt64(build.layoutVersion) else {
        throw .refused(
          "a socklb with layout \(header["layout_version"]) was killed while it carried the maps at "
            + "\(pin) over, this is socklb \(ReleaseVersion.current) with layout "
            + "\(build.layoutVersion)",
          remedy: "run `upgrade` of that socklb first")
      }
      isCarried = header["switching"] == UInt64(SVC_SWITCHING_CARRIED.rawValue)
    }
    if !isCarried {
      changes = try MapChange.all(layout, open, layoutVersion: build.layoutVersion)
      guard wasInterrupted || !changes.isEmpty else { return nil }
      if !wasInterrupted && Files.isDirectory(layout.next) {
        throw .refused(
          "the socklb that made the maps at \(pin) was killed while it replaced some of them by "
            + "larger ones, and they have another layout than those of this one",
          remedy: "let that socklb finish first: `upgrade`")
      }
    }
    let names = open.mapNames
    if isCarried {
      try finish(layout, names, after)
      result.maps = ["header"]
      return result
    }
    let forgotten = try MapChange.forgotten(layout, open)
    var migration = try prepare(layout, build, changes, forgotten)
    result.version = ReleaseVersion(
      packed: UInt32(truncatingIfNeeded: migration.oldHeader["version"]))
    result.maps = changes.keys.sorted()
    if !wasInterrupted { try publish(&migration, layout, build, names, forgotten) }
    try after(.published)
    try switchPrograms(migration, layout, after)
    try after(.carried)
    try finish(layout, names, after)
    return result
  }

  // MARK: 1

  private static func prepare(
    _ layout: PinLayout, _ build: ProgramBuild, _ changes: [String: MapChange],
    _ forgotten: Set<String>
  ) throws(DataplaneError) -> Migration {
    let isPublished = Files.exists(layout.nextHeader)
    let object = try bpf { () throws(BPFError) in
      let open = try OpenObject(elf: build.socklb, name: "socklb")
      for name in open.mapNames {
        let (next, pin) = (layout.next + "/" + name, layout.pin(ofMap: name))
        if isPublished && Files.exists(next) {
          try open.reuse(BPFMap(pinned: next), as: name)
        } else if let change = changes[name] {
          if KernelTables.tableMaps.contains(name) {
            let isHash = name.hasPrefix("guards") && !change.old.definition.isArray
            try open.setMaxEntries(
              isHash
                ? GuardTable.buckets(for: change.old.maxEntries) + 1 : change.old.maxEntries,
              ofMap: name)
          }
          // Which up to layout 3 were in the records.
          if name.hasPrefix("services") {
            let names = "names" + name.dropFirst("services".count)
            try open.setMaxEntries(change.old.maxEntries, ofMap: names)
          }
        } else if Files.exists(pin) && !forgotten.contains(name) {
          try open.reuse(BPFMap(pinned: pin), as: name)
        }
      }
      // Which layout 4 did not have.
      for family in ["4", "6"] {
        let name = "tallies" + family
        if !Files.exists(layout.pin(ofMap: name)) && !Files.exists(layout.next + "/" + name) {
          try TallyShape.size(open, family: family)
        }
      }
      try TallyShape.tell(open)
      return try open.load()
    }
    return try Migration(changes, object, build)
  }

  private static func publish(
    _ migration: inout Migration, _ layout: PinLayout, _ build: ProgramBuild, _ names: [String],
    _ forgotten: Set<String>
  ) throws(DataplaneError) {
    do {
      try migration.copyAll(layoutVersion: build.layoutVersion)
      try Files.makeDirectories(layout.nextBuilding)
      for name in names {
        let old = layout.pin(ofMap: name)
        if migration.changes[name] == nil && Files.exists(old) && !forgotten.contains(name) {
          continue
        }
        let pin = layout.nextBuilding + "/" + name
        let map = try migration.map(name)
        try bpf { () throws(BPFError) in try map.pin(at: pin) }
        // Whoever may read the old one may read the new.
        if let access = Files.access(Files.exists(old) ? old : layout.header) {
          try Files.setAccess(pin, access.mode & 0o777, group: access.group)
        }
      }
      migration.oldHeader["switching"] = UInt64(SVC_SWITCHING_LINKS.rawValue)
      try Files.rename(layout.nextBuilding, to: layout.next)
    } catch {
      migration.oldHeader["switching"] = 0
      try? PinLayout.removePins(layout.nextBuilding)
      throw error
    }
  }

  // MARK: 2 and 3

  private static func switchPrograms(
    _ migration: Migration, _ layout: PinLayout,
    _ after: (MigrationStep) throws(DataplaneError) -> Void
  ) throws(DataplaneError) {
    try watch(layout, after)
    try migration.carry()
    var switched = 0
    for hook in SocketHook.allCases.attachOrder {
      let program = try migration.program(hook)
      for name in try Files.list(layout.links).sorted() {
        let path = layout.links + "/" + name + "/" + hook.rawValue
        guard Files.exists(path) else { continue }
        let updated = try bpf { () throws(BPFError) in
          let link = try CgroupLink(pinned: path)
          if try link.info().cgroupID == 0 { return false }
          return try link.update(to: program)
        }
        guard updated else { continue }
        switched += 1
        try after(.switched(switched))
      }
    }
    try migration.waitForPrograms()
    try migration.carryRest()
    migration.newHeader["switching"] = UInt64(SVC_SWITCHING_CARRIED.rawValue)
  }

  /// Lets the programs that hooks have run behind those that they are about to get.
  private static func watch(
    _ layout: PinLayout, _ after: (MigrationStep) throws(DataplaneError) -> Void
  ) throws(DataplaneError) {
    var watched = 0
    for name in try Files.list(layout.links).sorted() {
      guard let id = UInt64(name), let cgroup = Cgroup.path(ofID: id) else { continue }
      let place = layout.links(ofCgroup: id)
      for hook in SocketHook.allCases.attachOrder where !hook.translates {
        let second = place + "/" + PinLayout.second + hook.rawValue
        guard Files.exists(place + "/" + hook.rawValue), !Files.exists(second) else { continue }
        let info = try bpf { () throws(BPFError) in
          try CgroupLink(pinned: place + "/" + hook.rawValue).info()
        }
        if info.cgroupID == 0 { continue }
        guard let program = BPFProgram(id: info.programID) else {
          throw .notPermitted(missing: ["CAP_SYS_ADMIN"])
        }
        try attach(program, as: hook, toCgroup: cgroup, pin: second)
        watched += 1
        try after(.watched(watched))
      }
    }
  }

  private static func attach(
    _ program: BPFProgram, as hook: SocketHook, toCgroup path: String, pin: String
  ) throws(DataplaneError) {
    let directory: FileDescriptor
    switch Files.openDirectory(path) {
    case .success(let fd): directory = FileDescriptor(owning: fd)
    case .failure(let failure):
      throw .failed("opening the cgroup \(path)", errno: failure.errno)
    }
    try bpf { () throws(BPFError) in
      try CgroupLink.attach(program, to: directory, as: hook, cgroupPath: path).pin(at: pin)
    }
    try Files.setAccess(pin, 0o600, group: 0)
  }

  // MARK: 4

  private static func finish(
    _ layout: PinLayout, _ names: [String],
    _ after: (MigrationStep) throws(DataplaneError) -> Void
  ) throws(DataplaneError) {
    var unwatched = 0
    for name in try Files.list(layout.links).sorted() {
      let place = layout.links + "/" + name
      for second in try Files.list(place).sorted() where second.hasPrefix(PinLayout.second) {
        if let link = try? CgroupLink(pinned: place + "/" + second) { try? link.detach() }
        try Files.remove(place + "/" + second)
        unwatched += 1
        try after(.unwatched(unwatched))
      }
    }
    let old = try HeaderView(pinned: layout.header)
    let new = try HeaderView(pinned: layout.nextHeader)
    if Files.exists(layout.next + "/trace"), Files.exists(layout.map("trace")) {
      try bpf { () throws(BPFError) in try TraceControl.endReaders(layout) }
    }
    old["map_set"] += 1
    var renamed = 0
    for name in try Files.list(layout.next).sorted() where name != "header" {
      try Files.rename(layout.next + "/" + name, to: layout.map(name))
      renamed += 1
      try after(.renamed(renamed))
    }
    for name in try Files.list(layout.maps) where !names.contains(name) {
      try Files.remove(layout.map(name))
    }
    old["map_set"] += 1
    try Files.rename(layout.nextHeader, to: layout.header)
    try after(.renamed(renamed + 1))
    try Files.removeDirectory(layout.next)
    new["map_set"] += 1
    new["switching"] = 0
  }
}

extension SocketHook {
  /// It writes what sockets remember.
  fileprivate var translates: Bool {
    switch self {
    case .connect4, .connect6, .sendmsg4, .sendmsg6: true
    case .getpeername4, .getpeername6, .recvmsg4, .recvmsg6, .sockRelease: false
    }
  }
}
