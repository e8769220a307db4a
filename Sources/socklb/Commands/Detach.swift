import ArgumentParser
import ServiceDataplane

struct Detach: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take everything down, whatever state it is in.",
    discussion: """
      Ends the programs and removes the pins, also those of an interrupted attach. Connected \
      sockets stay connected. What was applied stays known: the next attach restores it, unless \
      --forget is given.
      """)

  @OptionGroup var common: CommonOptions

  @Flag(name: .long, help: "Forget all applied objects too, and their history.")
  var forget = false

  func run() throws {
    try common.run { try Detach.detach(common, forget: forget) }
  }

  static func detach(_ common: CommonOptions, forget: Bool = false) throws(DataplaneError) {
    let state = common.stateDirectory
    let lock = lockIfPossible(state)
    defer { withExtendedLifetime(lock) {} }
    let ended = try Dataplane.detach(pin: common.pin)
    if let owner = try? state.readOwner(), owner.pin == common.pin {
      do { try state.removeOwner() } catch { Output.message("warning: \(error)") }
    }
    if forget {
      try state.removeObjects()
      try state.removeHistory()
      try state.removeFollowed()
    }
    if let ended {
      Output.message("detached: \(ended) links ended, nothing is pinned at \(common.pin)")
    } else {
      Output.message("nothing was attached at \(common.pin)")
    }
  }

  /// Detaching goes on without the lock: it is what one does when nothing else works any more.
  private static func lockIfPossible(_ state: StateDirectory) -> StateLock? {
    // Without a state directory there is nothing to lock out, and none is to be made.
    guard state.exists else { return nil }
    do {
      let lock = try state.lock(seconds: 10) {
        Output.message("waiting for another socklb that changes \(state.path), at most 10 s")
      }
      if lock == nil { Output.message("warning: it has not ended; detaching all the same") }
      return lock
    } catch {
      Output.message("warning: \(error); detaching without the lock")
      return nil
    }
  }
}
