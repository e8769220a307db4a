import BPFLoader

extension Dataplane {
  /// Opens what is pinned at `pin` for reading: enough for a member of the group that `attach
  /// --group` has named, without any capability.
  ///
  /// Maps are mapped into memory where that is permitted, which is faster, else looked up
  /// (BPF_F_RDONLY).
  public init(reading pin: String) throws(DataplaneError) {
    guard Dataplane.isAttached(pin: pin) else {
      try Dataplane.checkAccess(pin: pin)
      throw .notAttached(pin: pin)
    }
    let layout = PinLayout(directory: pin)
    if !Files.mayRead(layout.header) { try Dataplane.checkAccess(pin: pin) }
    let tables: KernelTables
    do {
      tables = try KernelTables(isForReading: true) { name throws(BPFError) in
        let path = name == "header" ? layout.header : layout.map(name)
        return try BPFMap(pinned: path, readOnly: !Files.mayWrite(path))
      }
    } catch {
      throw Dataplane.explained(error, layout)
    }
    self.init(pin: pin, tables: tables)
  }

  /// Reads the table at one point in time. When larger maps take the place of those that were
  /// opened, they are opened anew.
  ///
  /// - Returns: what was read, and from what.
  public static func readSnapshot(
    at pin: String, withCounters: Bool = false, ofBackends: Bool = true
  ) throws(DataplaneError) -> (Dataplane, KernelTables.Snapshot) {
    var tries = 0
    while true {
      let dataplane = try Dataplane(reading: pin)
      try dataplane.checkLayout()
      let snapshot = try dataplane.tables.readSnapshot(
        withCounters: withCounters, ofBackends: ofBackends)
      tries += 1
      if snapshot.isConsistent || !dataplane.tables.isReplaced || tries == 20 {
        return (dataplane, snapshot)
      }
      Files.sleep(milliseconds: 10)
    }
  }

  /// Lets a group read the maps from now on; `.root`: nobody besides root.
  public func open(to group: Group) throws(DataplaneError) {
    try PinAccess.check(pin, group)
    try layout.open(to: group)
  }

  /// - Throws: when a member of the group could not reach pins at `pin`, and no mount of its own is
  ///   going to be made for them.
  public static func checkReach(of group: Group, to pin: String) throws(DataplaneError) {
    if group != .root, PinAccess.wantsOwnMount(pin) { return }
    try PinAccess.check(pin, group)
  }
}
