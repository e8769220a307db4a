import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Attach: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Load the programs, attach them to cgroups and pin them.",
    discussion: """
      From then on every process in the cgroups reaches the Services that are known. What was \
      applied earlier is restored from the state directory before the first connect is \
      translated. When something is attached already, this says what and changes nothing.
      """)

  @OptionGroup var common: CommonOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A cgroup v2 directory; may be given more than once (default: the cgroup2 root found in "
        + "/proc/mounts).", valueName: "path"))
  var cgroup: [String] = []

  @Option(name: .long, help: "Room for this many service ports, per address family.")
  var maxServices = Capacities().services

  @Option(
    name: .long, help: "Room for this many frontends (address, port and protocol), per family.")
  var maxFrontends = Capacities().frontends

  @Option(name: .long, help: "Room for this many backends of all Services together, per family.")
  var maxBackends = Capacities().backends

  func validate() throws {
    for (option, value) in [
      ("--max-services", maxServices), ("--max-frontends", maxFrontends),
      ("--max-backends", maxBackends),
    ] where !(1...(1 << 26)).contains(value) {
      throw ValidationError("\(option) must be 1…\(1 << 26)")
    }
  }

  func run() throws {
    try common.run {
      try KernelVersion.check()
      try Capabilities.check()
      let state = common.stateDirectory
      let lock = try state.lock()
      defer { withExtendedLifetime(lock) {} }
      if Dataplane.isAttached(pin: common.pin) {
        try sayWhatIsThere(Dataplane(pin: common.pin))
        return
      }
      if let owner = try state.readOwner(), owner.pin != common.pin,
        Dataplane.isAttached(pin: owner.pin)
      {
        throw DataplaneError.refused(
          "the state directory \(common.state) belongs to what is attached at \(owner.pin)",
          remedy: "name another directory with --state, or `socklb detach --pin \(owner.pin)`")
      }
      let cgroups: [Cgroup] =
        cgroup.isEmpty ? [try .root()] : try cgroup.map { try Cgroup(path: $0) }
      let (known, _) = try KnownStore.load(state)
      let compiled = TableCompiler().compile(known)
      Output.diagnostics(compiled.diagnostics)
      let instance = KernelTables.Instance.random()
      // Before the pins appear: pins without their state would be refused.
      try state.writeOwner(.init(pin: common.pin, instance: instance))
      let dataplane = try Dataplane.attach(
        pin: common.pin, cgroups: unique(cgroups),
        capacities: Capacities(
          services: maxServices, frontends: maxFrontends, backends: maxBackends),
        instance: instance
      ) { (tables) throws(DataplaneError) in
        try tables.commit(tables.prepare(compiled.table))
      }
      for cgroup in unique(cgroups) { Output.message("attached to \(cgroup.path)") }
      Output.message(
        "pinned at \(dataplane.pin); \(compiled.table.frontends.count) frontends from "
          + "\(known.count) known objects in \(common.state)")
    }
  }

  private func unique(_ cgroups: [Cgroup]) -> [Cgroup] {
    var seen = Set<UInt64>()
    return cgroups.filter { seen.insert($0.id).inserted }
  }

  private func sayWhatIsThere(_ dataplane: Dataplane) throws(DataplaneError) {
    Output.message("already attached, nothing was changed: pinned at \(dataplane.pin)")
    var last = ""
    for attachment in try dataplane.attachments() {
      let place = attachment.cgroupPath ?? "a cgroup that is gone (id \(attachment.cgroupID))"
      if place != last { Output.message("attached to \(place)") }
      if place != last && !attachment.isLive {
        Output.message("warning: nothing is translated there; `socklb detach`, then attach again")
      }
      last = place
    }
  }
}
