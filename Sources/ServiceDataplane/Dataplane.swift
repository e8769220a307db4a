public import ServiceMaps
import BPFLoader
import BPFObject
import CServiceABI

/// The data plane on this node: programs on cgroups, and the maps they read.
public struct Dataplane: Sendable {
  public let pin: String
  public let tables: KernelTables
  let layout: PinLayout

  /// The pin directory of `socklb` unless the user names another one.
  public static let defaultPin = "/sys/fs/bpf/socklb"

  /// Opens what is pinned at `pin`.
  public init(pin: String) throws(DataplaneError) {
    self.pin = pin
    layout = PinLayout(directory: pin)
    let layout = layout
    guard Dataplane.isAttached(pin: pin) else {
      try Dataplane.checkAccess(pin: pin)
      throw .notAttached(pin: pin)
    }
    do {
      tables = try KernelTables { name throws(BPFError) in
        try BPFMap(pinned: layout.pin(ofMap: name))
      }
    } catch {
      throw Dataplane.explained(error, layout)
    }
  }

  /// The layout of the maps that this binary reads and writes.
  public static var layoutVersion: Int { Int(SVC_LAYOUT_VERSION) }

  /// - Throws: when the maps were made by another version of socklb.
  public func checkLayout() throws(DataplaneError) {
    guard tables.layoutVersion == Dataplane.layoutVersion else {
      throw .otherLayout(
        pin, tables.version, tables.layoutVersion,
        isNewer: tables.layoutVersion > Dataplane.layoutVersion)
    }
  }

  init(pin: String, tables: KernelTables) {
    self.pin = pin
    self.tables = tables
    layout = PinLayout(directory: pin)
  }

  /// Whether there is a data plane at `pin`, as far as this process can see.
  public static func isAttached(pin: String) -> Bool { PinLayout(directory: pin).isComplete }

  /// The same, but throws when this process may not look.
  public static func isVisible(pin: String) throws(DataplaneError) -> Bool {
    if isAttached(pin: pin) { return true }
    try checkAccess(pin: pin)
    return false
  }

  /// Tells "not attached" from "not allowed to look".
  static func checkAccess(pin: String) throws(DataplaneError) {
    if let denied = PinAccess.denied(pin) { throw denied }
  }

  // MARK: Attach

  /// Loads the programs, attaches them to `cgroups`, pins them, and writes the first table.
  ///
  /// Everything is pinned beside `pin` and appears there by one rename. The tables are empty until
  /// then, so what a crash leaves beside `pin` translates nothing, and the next attach removes it.
  /// A crash after the rename is that of a writer: `isUnfinished` until the next one has written
  /// the whole table.
  ///
  /// - Parameters:
  ///   - instance: identifies this life of the data plane.
  ///   - group: may read the maps.
  ///   - prepare: plans the first table; when it throws, nothing was attached, and when the plan
  ///     cannot be carried out, nothing stays.
  public static func attach(
    pin: String, cgroups: [Cgroup], capacities: FamilyCapacities, instance: KernelTables.Instance,
    settings: KernelTables.Settings = KernelTables.Settings(), group: Group = .root,
    prepare: (KernelTables) throws(DataplaneError) -> KernelTables.Preparation
  ) throws(DataplaneError) -> Dataplane {
    try BPFFileSystem.prepare(for: pin, group)
    let layout = PinLayout(directory: pin)
    _ = try layout.building.tearDown()
    let object = try bpf { () throws(BPFError) in try load(capacities) }
    let tables = try KernelTables { name throws(BPFError) in try object.map(name) }
    tables.initialize(instance: instance, settings: settings)
    let preparation = try prepare(tables)
    do {
      try layout.building.create()
      try bpf { () throws(BPFError) in
        try object.map("header").pin(at: layout.building.header)
        for name in KernelTables.mapNames {
          try object.map(name).pin(at: layout.building.map(name))
        }
      }
      for cgroup in cgroups {
        try attach(SocketHook.allCases.attachOrder, of: object, to: cgroup, layout.building)
      }
      try layout.building.open(to: group)
      try Files.rename(layout.building.directory, to: layout.directory)
      try tables.commit(preparation)
    } catch {
      _ = try? layout.takeDown()
      throw error
    }
    return Dataplane(pin: pin, tables: tables)
  }

  private static func load(_ capacities: FamilyCapacities) throws(BPFError) -> LoadedObject {
    let object = try OpenObject(elf: CompiledObject.socklb.elf, name: "socklb")
    try size(object, capacities)
    try TallyShape.tell(object)
    return try object.load()
  }

  static func size(
    _ object: borrowing OpenObject, _ capacities: FamilyCapacities
  ) throws(BPFError) {
    for family in IPFamily.allCases {
      let capacities = capacities[family]
      let family = "\(family.rawValue)"
      try object.setMaxEntries(
        KeyTable.buckets(for: capacities.frontends) + 1, ofMap: "keys" + family)
      try object.setMaxEntries(
        GuardTable.buckets(for: capacities.frontends) + 1, ofMap: "guards" + family)
      try object.setMaxEntries(capacities.frontends, ofMap: "frontends" + family)
      try object.setMaxEntries(capacities.physicalLists, ofMap: "lists" + family)
      for map in ["slots", "endpoints"] {
        try object.setMaxEntries(capacities.physicalBackends, ofMap: map + family)
      }
      try object.setMaxEntries(capacities.physicalKept, ofMap: "kept" + family)
      for map in ["counters", "totals", "services", "names", "policies"] {
        try object.setMaxEntries(capacities.physicalServices, ofMap: map + family)
      }
      try TallyShape.size(object, family: family)
    }
  }

  /// Attaches hooks to one cgroup and pins the links, whatever was pinned there before.
  static func attach(
    _ hooks: [SocketHook], of object: borrowing LoadedObject, to cgroup: Cgroup, _ layout: PinLayout
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
      let pin = place + "/" + hook.rawValue
      let link: CgroupLink
      do {
        link = try CgroupLink.attach(
          object.program(hook.rawValue), to: directory, as: hook, cgroupPath: cgroup.path)
      } catch {
        throw .bpf(error)
      }
      // A link that was detached is still pinned there.
      try Files.remove(pin)
      try bpf { () throws(BPFError) in try link.pin(at: pin) }
      try Files.setAccess(pin, 0o600, group: 0)
    }
  }

  // MARK: Detach

  /// Ends every link and removes every pin, complete or not. Sockets that are connected stay
  /// connected to their backends.
  ///
  /// - Returns: how many links were ended; nil when there was nothing at all.
  public static func detach(pin: String) throws(DataplaneError) -> Int? {
    let layout = PinLayout(directory: pin)
    guard Files.isDirectory(pin) || Files.isDirectory(layout.building.directory) else {
      try checkAccess(pin: pin)
      return nil
    }
    return try layout.takeDown()
  }

  // MARK: Status

  /// One attached program.
  public struct Attachment: Sendable {
    public var cgroupID: UInt64
    /// nil: the cgroup is gone, or out of sight.
    public var cgroupPath: String?
    public var hook: String
    public var programID: UInt32
    /// The kernel's hash of the program.
    public var tag: String
    /// False when the link was detached or the cgroup is gone: no process is in it any more. For
    /// sockets that were made in a cgroup and outlive it, its programs run as long as they last.
    public var isLive: Bool
  }

  /// What is not attached although it ought to be: a line for each, empty when all is well.
  public func missingHooks() throws(DataplaneError) -> [String] {
    let attachments = try attachments()
    if attachments.isEmpty { return ["no program is attached to any cgroup"] }
    var result: [String] = []
    for (id, hooks) in Dictionary(grouping: attachments, by: \.cgroupID).sorted(by: {
      $0.key < $1.key
    }) {
      let live = Set(hooks.filter(\.isLive).map(\.hook))
      let missing = SocketHook.allCases.map(\.rawValue).filter { !live.contains($0) }
      guard !missing.isEmpty else { continue }
      let place = hooks.first?.cgroupPath ?? "a cgroup that is gone (id \(id))"
      result.append("\(missing.joined(separator: ", ")) not attached to \(place)")
    }
    return result
  }

  /// What is attached, as the kernel says, sorted by cgroup and hook.
  public func attachments() throws(DataplaneError) -> [Attachment] {
    var result: [Attachment] = []
    let seesAll = Cgroup.seesWholeHierarchy
    for name in try Files.list(layout.links) {
      guard let id = UInt64(name) else { continue }
      let path = Cgroup.path(ofID: id)
      for hook in try Files.list(layout.links + "/" + name) {
        let info = try bpf { () throws(BPFError) in
          try CgroupLink(pinned: layout.links + "/" + name + "/" + hook).info()
        }
        var tag = ""
        if let program = BPFProgram(id: info.programID) {
          tag = try bpf { () throws(BPFError) in try program.info().tag }
        }
        result.append(
          Attachment(
            cgroupID: id, cgroupPath: path, hook: hook, programID: info.programID, tag: tag,
            isLive: info.cgroupID != 0 && (path != nil || !seesAll)))
      }
    }
    return result
  }
}

extension [SocketHook] {
  /// The hooks that show addresses come first, and the one that cleans up: from the first
  /// translated connect on, an application sees the address it asked for, and nothing is left.
  var attachOrder: [SocketHook] {
    sorted { a, b in
      func rank(_ hook: SocketHook) -> Int {
        switch hook {
        case .getpeername4, .getpeername6, .recvmsg4, .recvmsg6, .sockRelease: 0
        case .connect4, .connect6, .sendmsg4, .sendmsg6: 1
        }
      }
      return rank(a) < rank(b)
    }
  }
}
