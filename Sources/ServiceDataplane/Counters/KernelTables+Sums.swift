import BPFLoader
public import ServiceMaps

extension KernelTables {
  /// What was counted for each service port id of a family, without reading the table: cheap, also
  /// where there are very many Services.
  public func readCounters(
    of family: IPFamily
  ) throws(DataplaneError) -> [UInt32: ServiceCounters] {
    try bpf { () throws(BPFError) in
      family == .v4 ? try v4.readCounters() : try v6.readCounters()
    }
  }

  /// By service port, with what each backend was given. Writers are not waited for for long: while
  /// they keep changing the table, a service port may be missing or have a neighbour's count, until
  /// it is read again.
  public func readCountersNow() throws(DataplaneError) -> [ServicePortName: ServiceCounters] {
    for _ in 0..<3 {
      let before = generation
      let counters = try readCounters(readStates())
      if before % 2 == 0 && before == generation { return counters }
    }
    return try readCounters(readStates())
  }
}
