import ServiceDataplane
import ServiceMaps

/// Everything that `doctor` looks at, in the order in which it is told.
final class Examination {
  let common: CommonOptions
  private(set) var findings: [Finding] = []

  init(_ common: CommonOptions) {
    self.common = common
    findings = Machine.findings(pin: common.pin)
    let known = look("objects") { () throws(DataplaneError) in try objects() }
    guard let dataplane = open() else { return }
    let state = common.stateDirectory
    let owner = look("state") { () throws(DataplaneError) in
      try state.checkOwner(of: dataplane)
      return [Finding("state", .ok, "\(state.path) belongs to these pins")]
    }
    look("attached") { () throws(DataplaneError) in try dataplane.attachmentFindings() }
    // Made only where there is one: doctor leaves nothing behind.
    let lock = state.exists && owner && known ? try? state.lock(seconds: 5) : nil
    look("tables") { () throws(DataplaneError) in
      try dataplane.tableFindings(isAlone: lock != nil)
    }
    look("canary") { () throws(DataplaneError) in
      try canary(dataplane, isAlone: lock != nil)
    }
    withExtendedLifetime(lock) {}
  }

  /// - Returns: whether it could be looked at, and nothing failed.
  @discardableResult
  private func look(
    _ check: String, _ body: () throws(DataplaneError) -> [Finding]
  ) -> Bool {
    do {
      let found = try body()
      findings += found
      return !found.contains { $0.verdict == .failure }
    } catch {
      findings.append(
        Finding(
          check, error.isPermission ? .warning : .failure,
          error.isPermission ? "not looked at: \(error)" : "\(error)"))
      return false
    }
  }

  private func objects() throws(DataplaneError) -> [Finding] {
    let state = common.stateDirectory
    let (known, bytes) = try KnownStore.load(state)
    _ = try state.readSettings()
    return [
      Finding(
        "objects", .ok,
        bytes == nil
          ? "\(state.path) holds no objects" : "\(known.count) known objects in \(state.path)")
    ]
  }

  private func open() -> Dataplane? {
    var dataplane: Dataplane?
    look("pins") { () throws(DataplaneError) in
      guard try Dataplane.isVisible(pin: common.pin) else {
        return [
          Finding(
            "pins", .failure, "nothing is attached at \(common.pin)",
            remedy: "run `socklb attach`")
        ]
      }
      let found = try Dataplane(reading: common.pin)
      try found.checkLayout()
      dataplane = found
      return [
        Finding("pins", .ok, "\(common.pin), table layout \(Dataplane.layoutVersion)")
      ]
    }
    return dataplane
  }

  private func canary(
    _ dataplane: Dataplane, isAlone: Bool
  ) throws(DataplaneError) -> [Finding] {
    func untested(_ why: String) -> [Finding] {
      [Finding("canary", .warning, "no hook was tried: \(why)")]
    }
    try Capabilities.checkWriting()
    guard isAlone else {
      return untested("the lock of \(common.state) could not be had within 5 s")
    }
    guard !dataplane.tables.isUnfinished, !dataplane.tables.isSwitching else {
      return untested("what a killed writer has left comes first")
    }
    let cgroups = try dataplane.liveCgroups()
    if cgroups.isEmpty { return untested("no attached cgroup can be seen from here") }
    let results: [Dataplane.CanaryResult]
    do {
      // The same pins, opened for writing.
      results = try Dataplane(pin: common.pin).runCanary(below: cgroups)
    } catch DataplaneError.capacity {
      return untested("the maps are full, and a canary is no reason to let them grow")
    } catch { throw error }
    return results.flatMap { result in
      result.outcome?.findings(below: result.cgroup)
        ?? untested("\(result.cgroup): \(result.obstacle ?? "no outcome")")
    }
  }
}
