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
    let isMigrated = try Upgrade.migrate(pin: common.pin)
    let dataplane = try Dataplane(pin: common.pin)
    try dataplane.checkLayout()
    var isChanged = try Upgrade.makeWhole(
      dataplane, state, wanted: wanted(dataplane, state.readSettings()))
    isChanged = isChanged || isMigrated
    // A change that was finished has brought settings of its own.
    let kept = try state.readSettings()
    if isChanged || group != nil || capacity.changesLimits {
      try state.checkOwner(of: dataplane)
      try keep(dataplane, kept)
    }
    Output.message(
      isChanged
        ? "pinned at \(dataplane.pin)"
        : "already attached, nothing was changed: pinned at \(dataplane.pin)")
    do { for place in try dataplane.liveCgroups() { Output.message("attached to \(place)") } } catch
    {
      // All is done by now.
      Output.message("warning: what it is attached to cannot be told: \(error)")
    }
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
    let limits = Limits(kept).capacities ?? dataplane.tables.capacities.largest
    let settings = AttachSettings.settings(
      cgroups: all, group: group, over: capacity.changes(limits).settings(over: kept))
    if capacity.changesLimits {
      Output.message("the maps may grow to \(Limits(settings).capacities ?? limits)")
    }
    if settings != kept { try common.stateDirectory.writeSettings(settings) }
  }
}
