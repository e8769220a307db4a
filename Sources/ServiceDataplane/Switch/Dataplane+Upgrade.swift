package import BPFLoader
import BPFObject
package import ServiceMaps

/// Other programs for the links that are pinned: a link changes from one program to the next in
/// one step, so no connect is ever without.
extension Dataplane {
  /// What became of the links.
  public struct Upgrade: Hashable, Sendable {
    /// Links that had another program.
    public var replaced = 0
    /// Links that had this program already.
    public var unchanged = 0
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
    let object = try loadPrograms(elf)
    let result = try switchLinks(to: object, always: false)
    tables.setVersion(.current)
    tables.setSwitching(false)
    return result
  }

  /// Loads the programs of this binary.
  ///
  /// - Parameters:
  ///   - elf: a build of `CompiledObject.socklb`.
  ///   - capacities: of the maps that are made, if any are.
  ///   - pin: where the map of a name is pinned; nil: a new one is made.
  /// - Throws: when what is attached was made by a newer release: going back is not for us.
  package func loadPrograms(
    _ elf: [UInt8] = CompiledObject.socklb.elf, _ capacities: Capacities? = nil,
    pin: ((String) -> String?)? = nil
  ) throws(DataplaneError) -> LoadedObject {
    try checkLayout()
    guard tables.version <= .current else {
      throw .refused(
        "the programs at \(self.pin) are those of socklb \(tables.version), this is socklb "
          + "\(ReleaseVersion.current)",
        remedy: "use the newer one; to go back, `socklb detach` and `socklb attach`")
    }
    return try bpf { () throws(BPFError) in
      let open = try OpenObject(elf: elf, name: "socklb")
      if let capacities { try Self.size(open, capacities) }
      for name in open.mapNames {
        let place = pin.map { $0(name) } ?? layout.pin(ofMap: name)
        if let place { try reuse(place, as: name, in: open) }
      }
      return try open.load()
    }
  }

  /// Uses the map that is pinned at `path`, which has to be what the programs expect.
  private func reuse(
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

  /// - Parameters:
  ///   - always: also links whose program has the same tag: it may work on other maps.
  ///   - after: called with the number of links that were replaced so far.
  package func switchLinks(
    to object: borrowing LoadedObject, always: Bool,
    after: (Int) throws(DataplaneError) -> Void = { _ in }
  ) throws(DataplaneError) -> Upgrade {
    var result = Upgrade()
    for name in try Files.list(layout.links).sorted() {
      for hook in SocketHook.allCases.attachOrder {
        let path = layout.links + "/" + name + "/" + hook.rawValue
        guard Files.exists(path) else { continue }
        let program = try bpf { () throws(BPFError) in try object.program(hook.rawValue) }
        let link = try bpf { () throws(BPFError) in try CgroupLink(pinned: path) }
        let info = try bpf { () throws(BPFError) in try link.info() }
        if !always, let old = BPFProgram(id: info.programID),
          try bpf({ () throws(BPFError) in try old.info().tag == program.info().tag })
        {
          result.unchanged += 1
          continue
        }
        // The cgroup is gone: nothing runs there.
        if info.cgroupID == 0 { continue }
        if result.replaced == 0 { tables.setSwitching(true) }
        let updated = try bpf { () throws(BPFError) in try link.update(to: program) }
        if !updated { continue }
        result.replaced += 1
        try after(result.replaced)
      }
    }
    return result
  }
}
