import BPFLoader
import ServiceMaps

extension KernelTables {
  /// What was counted for the service ports of `states`, which were read of these maps.
  ///
  /// - Parameter ofBackends: also what each backend was given.
  func readCounters(
    _ states: [FamilyState], ofBackends: Bool = true
  ) throws(DataplaneError) -> [ServicePortName: ServiceCounters] {
    var result: [ServicePortName: ServiceCounters] = [:]
    for state in states {
      let (backends, services) = try bpf { () throws(BPFError) in
        state.family == .v4
          ? try v4.readCounters(state, ofBackends: ofBackends)
          : try v6.readCounters(state, ofBackends: ofBackends)
      }
      for (id, record) in state.services {
        result[record.name, default: ServiceCounters()].add(services[id] ?? ServiceCounters())
      }
      for (id, counts) in backends {
        guard let name = state.services[id]?.name else { continue }
        result[name, default: ServiceCounters()].backends.merge(counts) { $1 }
      }
    }
    return result
  }

  /// Ids that stand for nothing any more begin with nothing when they are handed out again.
  ///
  /// - Parameter released: all that were given back since the last time; nil: it is not known which.
  func clearTallies(_ released: ReleasedEndpoints?) throws(DataplaneError) {
    try bpf { () throws(BPFError) in
      try v4.clearTallies(released?.v4)
      try v6.clearTallies(released?.v6)
    }
  }

  /// How many ids are free, may be handed out, and have counts of what they stood for before: none.
  package func strayTallies() throws(DataplaneError) -> Int {
    if isGracePending { return 0 }
    return try bpf { () throws(BPFError) in
      try v4.freeTallies().count + v6.freeTallies().count
    }
  }
}
