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

  @Flag(name: .long, help: "Forget all applied objects too.")
  var forget = false

  func run() throws {
    try common.run {
      let state = common.stateDirectory
      // Without a state directory there is nothing to lock out, and none is to be made.
      let lock = state.exists ? try state.lock() : nil
      defer { withExtendedLifetime(lock) {} }
      let ended = try Dataplane.detach(pin: common.pin)
      if let owner = try? state.readOwner(), owner.pin == common.pin { try state.removeOwner() }
      if forget { try state.removeObjects() }
      if let ended {
        Output.message("detached: \(ended) links ended, nothing is pinned at \(common.pin)")
      } else {
        Output.message("nothing was attached at \(common.pin)")
      }
    }
  }
}
