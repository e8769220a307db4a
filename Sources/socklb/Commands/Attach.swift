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
  @OptionGroup var node: NodeOptions

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

  @Option(
    name: .long,
    help: ArgumentHelp(
      "What session affinity takes for one client among processes on the host network: netns "
        + "(all of them are one, as with kube-proxy) or cgroup.", valueName: "scope"))
  var hostAffinity = HostAffinity.netns

  @Flag(
    name: .long,
    help: "Let clients through loadBalancerSourceRanges whose source address is not known.")
  var allowUnknownSources = false

  enum HostAffinity: String, ExpressibleByArgument, CaseIterable {
    case netns, cgroup
  }

  func validate() throws {
    for (option, value) in [
      ("--max-services", maxServices), ("--max-frontends", maxFrontends),
      ("--max-backends", maxBackends),
    ] where !(1...(1 << 24)).contains(value) {
      throw ValidationError("\(option) must be 1…\(1 << 26)")
    }
  }

  func run() throws {
    try common.run {
      try KernelVersion.check()
      try Capabilities.check()
      let state = common.stateDirectory
      let lock = try state.lock {
        Output.message("waiting for another socklb that changes \(state.path)")
      }
      defer { withExtendedLifetime(lock) {} }
      if Dataplane.isAttached(pin: common.pin) {
        try finishIfInterrupted()
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
      let cgroups = outermost(
        cgroup.isEmpty ? [try .root()] : try cgroup.map { try Cgroup(path: $0) })
      let (known, knownBytes) = try KnownStore.load(state)
      let keptSettings = try state.readSettings()
      let settings = node.settings(over: keptSettings)
      let options = NodeOptions.compileOptions(settings)
      let compiled = TableCompiler(options: options).compile(known)
      Output.diagnostics(compiled.diagnostics)
      // From now on a missing file means that it was lost.
      if knownBytes == nil { try state.writeObjects(known.encode()) }
      let instance = KernelTables.Instance.random()
      // Before the pins appear: pins without their state would be refused.
      try state.writeOwner(.init(pin: common.pin, instance: instance))
      try state.writeSettings(settings)
      let dataplane: Dataplane
      do {
        dataplane = try Dataplane.attach(
          pin: common.pin, cgroups: cgroups,
          capacities: Capacities(
            services: maxServices, frontends: maxFrontends, backends: maxBackends),
          instance: instance,
          settings: KernelTables.Settings(
            hostNetworkNamespace: KernelTables.Settings.ownNetworkNamespace,
            hostAffinityByCgroup: hostAffinity == .cgroup,
            allowsUnknownSource: allowUnknownSources)
        ) { (tables) throws(DataplaneError) in
          _ = try tables.refreshSources(for: compiled.table)
          return try tables.prepare(compiled.table)
        }
      } catch {
        try? state.writeSettings(keptSettings)
        throw error
      }
      for cgroup in cgroups { Output.message("attached to \(cgroup.path)") }
      Output.message(
        "pinned at \(dataplane.pin); \(compiled.table.frontends.count) frontends from "
          + "\(known.count) known objects in \(common.state)")
    }
  }

  /// An attach that was killed after its pins had appeared has not written the whole table.
  private func finishIfInterrupted() throws(DataplaneError) {
    let dataplane = try Dataplane(pin: common.pin)
    let state = common.stateDirectory
    guard dataplane.tables.isUnfinished else { return }
    try dataplane.checkLayout()
    try state.checkOwner(of: dataplane)
    let (known, _) = try KnownStore.load(state)
    let options = NodeOptions.compileOptions(try state.readSettings())
    let table = TableCompiler(options: options).compile(known).table
    _ = try dataplane.tables.refreshSources(for: table)
    try dataplane.tables.commit(dataplane.tables.prepare(table))
    Output.message("what an interrupted socklb had begun was finished")
  }

  /// Each cgroup once, and none below another: the programs of a cgroup run for all below it,
  /// and a second run of the same programs would see what the first has translated.
  private func outermost(_ cgroups: [Cgroup]) -> [Cgroup] {
    var seen = Set<UInt64>()
    return cgroups.filter { cgroup in
      if let outer = cgroups.first(where: { cgroup.isBelow($0) }) {
        Output.message("note: \(cgroup.path) is below \(outer.path), which is enough")
        return false
      }
      return seen.insert(cgroup.id).inserted
    }
  }

  private func sayWhatIsThere(_ dataplane: Dataplane) throws(DataplaneError) {
    let missing = try dataplane.missingHooks()
    guard missing.isEmpty else {
      throw .refused(
        "what is attached at \(dataplane.pin) is not whole: \(missing.joined(separator: ", "))",
        remedy: "run `socklb detach` and `socklb attach`; what was applied is kept")
    }
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
