import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps

/// What the session tells of itself. All of it is cheap, and waits for nobody.
extension LiveSession {
  /// At each step: that this thread is alive, and whether something is not in force.
  func tellBeside() {
    let isDue = source.isDue
    let (isServed, isBehind, trouble, isEnding) = (
      table != nil, isBehind || table == nil, record.trouble, isEnding
    )
    let now = Waiting.now
    beside.note { state in
      // A comparison of everything that failed is tried again. What does not fit is told by `/readyz`: it is
      // the same on all nodes, and they serve all the rest.
      let isWaiting = isDue || (!isServed && state.facts.isServed)
      state.health.answerPing()
      state.facts.isWaiting = isWaiting
      state.facts.isServed = state.facts.isServed || isServed
      state.facts.isBehind = isBehind
      state.facts.trouble = trouble
      state.facts.isEnding = isEnding
      state.metrics.hasTrouble = trouble != nil
      if isWaiting {
        if state.health.oldestQueued == nil { state.metrics.lastQueued = Beside.now }
        state.health.queued(at: now)
      } else if state.health.oldestQueued != nil {
        state.health.updated(at: Beside.now)
      }
    }
  }

  /// The whole table was compared, or could not be.
  ///
  /// - Parameter changes: what was made.
  func tellBesideOfAll(_ changes: ChangeSet, since start: UInt64) {
    if let table {
      let known = table.known
      let seconds = Double(Waiting.now - start) / 1e9
      let node = nodeState(table)
      let use = table.mapUse
      let dataplane = table.dataplane
      let isInForce = !isBehind
      beside.note { state in
        let time = Beside.now
        state.metrics.mapUse = use
        state.dataplane = dataplane
        state.health.node = node
        if isInForce {
          state.metrics.changed(
            changes.changes, in: known, seconds: seconds, at: time, isWhole: true)
          state.health.updated(at: time)
        } else {
          state.metrics.failures += 1
        }
        state.localVersion = nil
      }
      tellBesideOfLocalServices(table)
    }
    tellBeside()
  }

  /// A change is in force.
  func tellBeside(_ changes: ChangeSet, microseconds: UInt64) {
    guard let table, changes.isChange else { return }
    let known = table.known
    let use = table.mapUse
    let isNode = changes.changes.contains { $0.id.kind == .node }
    let node = isNode ? nodeState(table) : nil
    beside.note { state in
      let time = Beside.now
      state.metrics.changed(
        changes.changes, in: known, seconds: Double(microseconds) / 1e6, at: time, isWhole: false)
      state.metrics.lastQueued = time
      state.metrics.mapUse = use
      if let node { state.health.node = node }
      state.health.updated(at: time)
    }
    tellBesideOfLocalServices(table)
  }

  private func tellBesideOfLocalServices(_ table: LiveTable) {
    let local = table.localServices
    guard beside.note({ $0.localVersion != local.version }) else { return }
    let services = ServiceHealth(local.services)
    let addresses = table.healthCheckAddresses
    let (isOther, conflicts) = beside.note { state in
      let isOther =
        Set(state.services.servers.keys) != Set(services.servers.keys)
        || state.addresses != addresses
      let conflicts = services.conflicts.filter { !state.services.conflicts.contains($0) }
      state.localVersion = local.version
      state.metrics.local = local.services
      state.services = services
      state.addresses = addresses
      return (isOther, conflicts)
    }
    for conflict in conflicts { log.error("\(conflict)") }
    if isOther { beside.listen() }
  }

  /// Of this node's own Node object, if there is one.
  private func nodeState(_ table: LiveTable) -> ProxyHealth.NodeState {
    let name = NodeOptions.compileOptions(table.settings).node.name
    let id = ObjectID(kind: .node, name: NamespacedName(namespace: "", name: name))
    guard case .node(let node)? = table.known[id]?.object else {
      return beside.isCluster ? .missing : .unknown
    }
    return ProxyHealth.NodeState(node)
  }

  /// Files were counted.
  func tellBeside(files: Int, broken: Int) {
    let sources = source.metrics(isServed: table != nil)
    let isCluster = beside.isCluster
    beside.note { state in
      state.metrics.files = files
      state.metrics.brokenFiles = broken
      state.metrics.sources = sources
      if isCluster { state.facts.sources = sources }
      state.facts.brokenFiles = broken
    }
  }

  func tellBeside(_ outcome: LiveStore.Outcome) {
    let ended = outcome.ended.services.values.reduce(UInt64(0)) { $0 + UInt64($1.udp + $1.tcp) }
    let isFailure = outcome.failure != nil
    let isStored = outcome.generation > 0
    let seconds = Double(outcome.nanoseconds) / 1e9
    beside.note { state in
      state.metrics.socketsEnded += ended
      if isFailure { state.metrics.storeFailures += 1 }
      if isStored {
        state.metrics.stores += 1
        state.metrics.storeSeconds += seconds
      }
    }
  }

  /// It is tried again and again; a wait counts once.
  func tellBesideOfLockWait() {
    beside.note { if $0.health.oldestQueued == nil { $0.metrics.lockWaits += 1 } }
  }

  func tellBesideOfFailure() { beside.note { $0.metrics.failures += 1 } }
}
