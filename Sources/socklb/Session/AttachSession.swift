import ArgumentParser
import ServiceDataplane
import ServiceMaps

/// Attaches, or attaches what is missing where something is attached already.
///
/// The lock is held.
struct AttachSession {
  let common: CommonOptions
  let node: NodeOptions
  let capacity: CapacityOptions
  let history: HistoryOptions
  let attach: AttachOptions

  func run() throws {
    let state = common.stateDirectory
    if Dataplane.isAttached(pin: common.pin) {
      try AttachAgain(
        common: common, cgroups: attach.cgroup, group: attach.group, capacity: capacity
      ).run()
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
      attach.cgroup.isEmpty ? [try .root()] : try attach.cgroup.map { try Cgroup(path: $0) })
    try KnownStore.takeInJournal(state)
    let (known, knownBytes) = try KnownStore.load(state)
    // A change that was interrupted is finished by what attach writes.
    let interrupted = try WriteSession.interrupted(state)
    if let interrupted { try state.writeSettings(interrupted.settings) }
    let keptSettings = try state.readSettings()
    let settings = AttachSettings.settings(
      cgroups: cgroups.map(\.path), group: attach.group,
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
          hostAffinityByCgroup: attach.hostAffinity == .cgroup,
          allowsUnknownSource: attach.allowUnknownSources), group: readers
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
