import ServiceDataplane
import ServiceMaps

/// `attach` where something is attached already: what is missing is attached, the rest stays.
///
/// The lock is held.
struct AttachAgain {
  let common: CommonOptions
  /// As given now.
  let cgroups: [String]
  let group: String?
  let capacity: CapacityOptions

  func run() throws(DataplaneError) {
    let state = common.stateDirectory
    var dataplane = try Dataplane(pin: common.pin)
    try dataplane.checkLayout()
    if let (what, finished) = try dataplane.finishInterrupted() {
      Output.message("finished \(what)")
      dataplane = finished
    }
    if dataplane.tables.isUnfinished { try finishTable(dataplane) }
    let kept = try state.readSettings()
    let mending = try dataplane.mend(wanted: wanted(dataplane, kept))
    if !mending.isEmpty || group != nil || capacity.changesLimits {
      try state.checkOwner(of: dataplane)
      try keep(dataplane, kept)
    }
    let upgrade = try Upgrade.run(dataplane)
    say(mending, dataplane, isUpgraded: !upgrade.isEmpty)
    for place in try dataplane.liveCgroups() { Output.message("attached to \(place)") }
  }

  /// An attach that was killed after its pins had appeared has not written the whole table.
  private func finishTable(_ dataplane: Dataplane) throws(DataplaneError) {
    let state = common.stateDirectory
    try state.checkOwner(of: dataplane)
    let (known, _) = try KnownStore.load(state)
    let options = NodeOptions.compileOptions(try state.readSettings())
    let table = TableCompiler(options: options).compile(known).table
    _ = try dataplane.tables.refreshSources(for: table)
    try dataplane.tables.commit(dataplane.tables.prepare(table))
    try WriteSession.continueGeneration(state, dataplane.tables)
    Output.message("finished what an interrupted socklb had begun")
  }

  /// What is named now has to be there; of what was named earlier, that which is there.
  private func wanted(
    _ dataplane: Dataplane, _ kept: [String: String]
  ) throws(DataplaneError) -> [Cgroup] {
    var result: [Cgroup] = []
    for path in cgroups { result.append(try Cgroup(path: path)) }
    // Another attach's settings say nothing about this one.
    guard cgroups.isEmpty, (try? common.stateDirectory.checkOwner(of: dataplane)) != nil else {
      return result
    }
    for path in AttachSettings.cgroups(kept) {
      do { result.append(try Cgroup(path: path)) } catch {
        Output.message("warning: \(error)")
      }
    }
    return result
  }

  private func readers(_ kept: [String: String]) throws(DataplaneError) -> Group {
    try AttachSettings.group(AttachSettings.settings(cgroups: [], group: group, over: kept))
  }

  private func keep(_ dataplane: Dataplane, _ kept: [String: String]) throws(DataplaneError) {
    let readers = try readers(kept)
    try dataplane.open(to: readers)
    try common.stateDirectory.open(to: readers)
    let known = AttachSettings.cgroups(kept)
    let all = known + cgroups.filter { !known.contains($0) }
    let limits = Limits(kept).capacities ?? dataplane.tables.capacities
    let settings = AttachSettings.settings(
      cgroups: all, group: group, over: capacity.changes(limits).settings(over: kept))
    if capacity.changesLimits {
      Output.message("the maps may grow to \(Limits(settings).capacities ?? limits)")
    }
    if settings != kept { try common.stateDirectory.writeSettings(settings) }
  }

  private func say(_ mending: Dataplane.Mending, _ dataplane: Dataplane, isUpgraded: Bool) {
    for (inner, outer) in mending.enough {
      Output.message("note: \(inner) is below \(outer), which is enough")
    }
    for id in mending.gone {
      Output.message("removed the pins of a cgroup that is gone (id \(id))")
    }
    for (path, hooks) in mending.repaired.sorted(by: { $0.key < $1.key }) {
      Output.message("attached what was missing to \(path): \(hooks.joined(separator: ", "))")
    }
    for path in mending.attached {
      Output.message("attached to \(path) beside what was there; tables and sockets stay")
    }
    if mending.isEmpty && !isUpgraded {
      Output.message("already attached, nothing was changed: pinned at \(dataplane.pin)")
    } else {
      Output.message("pinned at \(dataplane.pin)")
    }
  }
}
