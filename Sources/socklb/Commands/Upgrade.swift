import ArgumentParser
import ServiceDataplane

struct Upgrade: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replace the programs that are attached by those of this binary.",
    discussion: """
      Each link changes from the old to the new program in one step, so no connect fails and \
      none is left untranslated. The maps stay, and with them the table, what sockets remember, \
      session affinity and counters. Hooks that are missing are attached. When the programs are \
      the same, nothing is done. What a newer release has attached is refused.
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
      let found = try Dataplane(pin: common.pin)
      try found.checkLayout()
      try state.checkOwner(of: found)
      let lock = try state.lock {
        Output.message("waiting for another socklb that changes \(state.path)")
      }
      defer { withExtendedLifetime(lock) {} }
      let dataplane = try Dataplane(pin: common.pin)
      try state.checkOwner(of: dataplane)
      if try Self.run(dataplane).isEmpty {
        Output.message("the programs are those of this binary; nothing was changed")
      }
    }
  }

  /// Only for whoever holds the lock.
  static func run(_ found: Dataplane) throws(DataplaneError) -> Dataplane.Upgrade {
    var dataplane = found
    let before = dataplane.tables.version
    if let (what, finished) = try dataplane.finishInterrupted() {
      Output.message("finished \(what)")
      dataplane = finished
    }
    let result = try dataplane.upgrade()
    if result.replaced > 0 {
      Output.message(
        "replaced \(result.replaced) programs of socklb \(before) by those of "
          + "\(ReleaseVersion.current)")
    }
    if result.attached > 0 {
      Output.message(
        "attached \(result.attached) hook\(result.attached == 1 ? "" : "s") that had no program")
    }
    return result
  }
}
