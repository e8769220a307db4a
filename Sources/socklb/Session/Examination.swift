import ServiceDataplane
import ServiceMaps

/// Everything that `doctor` looks at, in the order in which it is told.
final class Examination {
  let common: CommonOptions
  private(set) var findings: [Finding] = []

  /// The kernel's whole complaint about a program, if there was one.
  private(set) var verifierLog: [String] = []
  private(set) var drifts: [Drift]?

  /// - Parameter wantsTrial: also what writes for a moment, or takes its time: programs are loaded,
  ///   and the canary goes through every hook.
  init(_ common: CommonOptions, wantsTrial: Bool = true) {
    self.common = common
    findings = Machine.findings(pin: common.pin)
    if wantsTrial { look("programs") { () throws(DataplaneError) in try programs() } }
    let known = look("objects") { () throws(DataplaneError) in try objects() }
    let dataplane = open()
    look("clock") { () throws(DataplaneError) in
      try Machine.clockFacts(
        dataplane, lastChange: common.stateDirectory.readHistory().entries.last?.time
      ).findings
    }
    findings += Machine.otherProxy().findings
    guard let dataplane else { return }
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
    look("room") { () throws(DataplaneError) in try room(dataplane) }
    if wantsTrial {
      look("canary") { () throws(DataplaneError) in
        try canary(dataplane, isAlone: lock != nil)
      }
    }
    // The canary takes out what another one that was killed has left.
    look("drift") { () throws(DataplaneError) in
      try drift(dataplane, isAlone: lock != nil, isOwn: owner && known)
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

  private func programs() throws(DataplaneError) -> [Finding] {
    do {
      try Machine.tryLoading()
    } catch {
      verifierLog = error.verifierLog
      throw error
    }
    return [Finding("programs", .ok, "the kernel's verifier takes every program")]
  }

  /// How full the maps are, and which Services have clients and no endpoint.
  private func room(_ dataplane: Dataplane) throws(DataplaneError) -> [Finding] {
    let snapshot = try dataplane.tables.readSnapshot(withCounters: true, ofBackends: false)
    let limits = Limits((try? common.stateDirectory.readSettings()) ?? [:]).capacities
    let sockets = try dataplane.tables.socketUse()
    return MapFill(snapshot.states, limits: limits).findings
      + [
        MapFill.sockets(
          records: sockets.records, capacity: sockets.capacity, setFull: sockets.setFull)
      ] + ClientCheck.findings(snapshot.table, snapshot.counters)
  }

  private func drift(
    _ dataplane: Dataplane, isAlone: Bool, isOwn: Bool
  ) throws(DataplaneError) -> [Finding] {
    func untested(_ why: String) -> [Finding] {
      [Finding("drift", .warning, "the maps were not compared with the objects: \(why)")]
    }
    guard isOwn else { return untested("the state directory is not theirs, or cannot be read") }
    guard isAlone else {
      return untested("the lock of \(common.state) could not be had within 5 s")
    }
    guard !dataplane.tables.isUnfinished, !dataplane.tables.isSwitching else {
      return untested("what a killed writer has left comes first")
    }
    // Nothing was ever applied: nothing has to be there.
    if try common.stateDirectory.objectsOnDisk() == nil { return [] }
    let found = try DriftCheck(dataplane, common.stateDirectory).drifts
    drifts = found
    return [DriftCheck.finding(found)]
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
