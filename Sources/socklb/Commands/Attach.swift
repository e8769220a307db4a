import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Attach: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Load the programs, attach them to cgroups and pin them.",
    discussion: """
      From then on every process in the cgroups reaches the Services that are known. What was \
      applied earlier is restored from the state directory before the first connect is \
      translated. When something is attached already, this says what, attaches what is missing \
      (a hook, a cgroup that was made anew or is named now), replaces programs of another build \
      by those of this binary (see `socklb upgrade`) and leaves the rest alone.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var node: NodeOptions
  @OptionGroup var capacity: CapacityOptions
  @OptionGroup var history: HistoryOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A cgroup v2 directory; may be given more than once (default: the cgroup2 root found in "
        + "/proc/mounts).", valueName: "path"))
  var cgroup: [String] = []

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

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A group that may read: `dump`, `status` and `describe` without root (default: none; root "
        + "takes it back). Kept.", valueName: "name"))
  var group: String?

  enum HostAffinity: String, ExpressibleByArgument, CaseIterable {
    case netns, cgroup
  }

  func validate() throws {
    if let group, Group(group) == nil {
      throw ValidationError("--group: there is no group '\(group)' in /etc/group")
    }
  }

  func run() throws {
    try common.run {
      try KernelVersion.check()
      try Capabilities.checkAttach()
      let state = common.stateDirectory
      let lock = try state.lock {
        Output.message("waiting for another socklb that changes \(state.path)")
      }
      defer { withExtendedLifetime(lock) {} }
      if Dataplane.isAttached(pin: common.pin) {
        try AttachAgain(common: common, cgroups: cgroup, group: group, capacity: capacity).run()
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
      // A change that was interrupted is finished by what attach writes.
      let interrupted = try WriteSession.interrupted(state)
      if let interrupted { try state.writeSettings(interrupted.settings) }
      let keptSettings = try state.readSettings()
      let settings = AttachSettings.settings(
        cgroups: cgroups.map(\.path), group: group,
        over: capacity.settings(
          over: history.settings(over: node.settings(over: keptSettings))))
      let readers = try AttachSettings.group(settings)
      try Dataplane.checkReach(of: readers, to: common.pin)
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
          capacities: capacities(for: compiled.table, settings), instance: instance,
          settings: KernelTables.Settings(
            hostNetworkNamespace: KernelTables.Settings.ownNetworkNamespace,
            hostAffinityByCgroup: hostAffinity == .cgroup,
            allowsUnknownSource: allowUnknownSources), group: readers
        ) { (tables) throws(DataplaneError) in
          _ = try tables.refreshSources(for: compiled.table)
          return try tables.prepare(compiled.table)
        }
        try WriteSession.continueGeneration(state, dataplane.tables)
      } catch {
        try? state.writeSettings(keptSettings)
        throw error
      }
      if let interrupted {
        try WriteSession.recordInterrupted(interrupted, state, dataplane.tables)
      }
      try state.open(to: readers)
      for cgroup in cgroups { Output.message("attached to \(cgroup.path)") }
      Output.message(
        "pinned at \(dataplane.pin); \(compiled.table.frontends.count) frontends from "
          + "\(known.count) known objects in \(common.state)")
    }
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

  private func capacities(
    for table: ServiceTable, _ settings: [String: String]
  ) -> FamilyCapacities {
    let limits = Limits(settings).capacities ?? Capacities()
    return capacity.initial.limited(to: limits).grown(for: table, within: limits)
  }
}
