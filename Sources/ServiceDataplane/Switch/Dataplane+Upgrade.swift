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
    _ elf: [UInt8] = CompiledObject.socklb.elf, _ capacities: FamilyCapacities? = nil,
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
      try TallyShape.tell(open)
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

  /// All links or none: when one is refused, those before it get back what they had.
  ///
  /// - Parameters:
  ///   - always: also links whose program has the same tag: it may work on other maps.
  ///   - after: called with the number of links that were replaced so far.
  package func switchLinks(
    to object: borrowing LoadedObject, always: Bool,
    after: (Int) throws(DataplaneError) -> Void = { _ in }
  ) throws(DataplaneError) -> Upgrade {
    var result = Upgrade()
    let links = try links(for: object, always: always, &result)
    let wasSwitching = tables.isSwitching
    for (number, link) in links.enumerated() {
      if number == 0 { tables.setSwitching(true) }
      do {
        // Not when the cgroup went away just now: nothing runs there.
        if try !link.link.update(to: link.new) { continue }
      } catch {
        let isUndone = links[..<number].reversed().allSatisfy {
          $0.old.map($0.link.isBack(to:)) ?? false
        }
        if isUndone { tables.setSwitching(wasSwitching) }
        throw .bpf(error)
      }
      result.replaced += 1
      try after(result.replaced)
    }
    return result
  }

  private struct LinkToSwitch {
    var link: CgroupLink
    /// nil: this process may not open programs by their ids (CAP_SYS_ADMIN), so it cannot go back.
    var old: BPFProgram?
    var new: BPFProgram
  }

  /// The links that get other programs. Everything that can fail is asked before any gets one.
  private func links(
    for object: borrowing LoadedObject, always: Bool, _ result: inout Upgrade
  ) throws(DataplaneError) -> [LinkToSwitch] {
    var links: [LinkToSwitch] = []
    for name in try Files.list(layout.links).sorted() {
      for hook in SocketHook.allCases.attachOrder {
        let path = layout.links + "/" + name + "/" + hook.rawValue
        guard Files.exists(path) else { continue }
        let program = try bpf { () throws(BPFError) in try object.program(hook.rawValue) }
        let link = try bpf { () throws(BPFError) in try CgroupLink(pinned: path) }
        let info = try bpf { () throws(BPFError) in try link.info() }
        // The cgroup is gone: nothing runs there.
        if info.cgroupID == 0 { continue }
        let old = BPFProgram(id: info.programID)
        let isSame = try bpf { () throws(BPFError) in
          try old?.info().tag == program.info().tag
        }
        if isSame && !always {
          result.unchanged += 1
        } else {
          links.append(LinkToSwitch(link: link, old: old, new: program))
        }
      }
    }
    return links
  }
}

extension CgroupLink {
  /// Whether the link has its old program again, or runs none.
  fileprivate func isBack(to old: BPFProgram) -> Bool { (try? update(to: old)) != nil }
}
