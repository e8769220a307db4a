import ArgumentParser
import ServiceDataplane

struct Upgrade: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace the programs that are attached by those of this binary.",
    discussion: """
      Each link changes from the old to the new program in one step, so no connect fails and \
      none is left untranslated. The maps stay, and with them the table, what sockets remember, \
      session affinity and counters. Maps that have another layout in this release are carried \
      over, with everything that is in them. Hooks that are missing are attached. When the \
      programs are the same, nothing is done. What a newer release has attached is refused.
      """)

  @OptionGroup var common: CommonOptions

  func run() throws {
    try common.run {
      try KernelVersion.check()
      try Capabilities.checkAttach()
      guard Dataplane.isAttached(pin: common.pin) else {
        throw DataplaneError.notAttached(pin: common.pin)
      }
      let state = common.stateDirectory
      let isMigrated = try Self.migrate(common)
      let found = try Dataplane(pin: common.pin)
      try found.checkLayout()
      try state.checkOwner(of: found)
      let lock = try state.lock {
        Output.message("waiting for another socklb that changes \(state.path)")
      }
      defer { withExtendedLifetime(lock) {} }
      let dataplane = try Dataplane(pin: common.pin)
      try state.checkOwner(of: dataplane)
      if try !Self.makeWhole(dataplane, state, wanted: []) && !isMigrated {
        Output.message("the programs are those of this binary; nothing was changed")
      }
    }
  }

  /// Carries maps of another layout over. For whoever does not hold the lock yet.
  ///
  /// - Parameter mayBegin: false: only what a killed command has begun.
  /// - Returns: whether there were any.
  static func migrate(
    _ common: CommonOptions, mayBegin: Bool = true
  ) throws(DataplaneError) -> Bool {
    guard try Dataplane.needsMigration(pin: common.pin, mayBegin: mayBegin) else { return false }
    let state = common.stateDirectory
    // Before the lock, which would make the state directory.
    try state.checkOwner(ofPinned: common.pin)
    let lock = try state.lock {
      Output.message("waiting for another socklb that changes \(state.path)")
    }
    defer { withExtendedLifetime(lock) {} }
    try state.checkOwner(ofPinned: common.pin)
    return try migrate(pin: common.pin, mayBegin: mayBegin)
  }

  /// The same for whoever holds it.
  static func migrate(pin: String, mayBegin: Bool = true) throws(DataplaneError) -> Bool {
    guard let migrated = try Dataplane.migrate(pin: pin, mayBegin: mayBegin) else { return false }
    let maps = "\(migrated.maps.count) map\(migrated.maps.count == 1 ? "" : "s")"
    Output.message(
      migrated.wasInterrupted
        ? "finished maps that were about to be carried over into layout "
          + "\(Dataplane.layoutVersion)"
        : "carried \(maps) of socklb \(migrated.version) over from layout "
          + "\(migrated.layoutVersion) into layout \(Dataplane.layoutVersion)")
    return true
  }

  /// Finishes what a killed command has begun, attaches what is missing, and replaces programs of
  /// another build; says each of it. Only for whoever holds the lock.
  ///
  /// - Returns: whether anything had to be done.
  static func makeWhole(
    _ found: Dataplane, _ state: StateDirectory, wanted: [Cgroup]
  ) throws(DataplaneError) -> Bool {
    var dataplane = found
    var isChanged = false
    if let (what, finished) = try dataplane.finishInterrupted() {
      Output.message("finished \(what)")
      dataplane = finished
      isChanged = true
    }
    if try WriteSession.finishTable(state, dataplane) { isChanged = true }
    let before = dataplane.tables.version
    let mending = try dataplane.mend(wanted: wanted)
    for line in mending.lines { Output.message(line) }
    let replaced = try dataplane.upgrade().replaced
    if replaced > 0 {
      Output.message(
        "replaced \(replaced) programs of socklb \(before) by those of \(ReleaseVersion.current)")
    }
    return isChanged || !mending.isEmpty || replaced > 0
  }
}

extension Dataplane.Mending {
  fileprivate var lines: [String] {
    enough.map { "note: \($0.inner) is below \($0.outer), which is enough" }
      + gone.map { "removed the pins of a cgroup that is gone (id \($0))" }
      + repaired.sorted { $0.key < $1.key }.map {
        "attached what was missing to \($0): \($1.joined(separator: ", "))"
      } + attached.map { "attached to \($0) beside what was there; tables and sockets stay" }
  }
}
