public import ServiceMaps
package import BPFLoader
import CServiceABI

/// The maps of the data plane, both families, opened for reading and writing.
///
/// Order of writing: `FamilyPlan`. Whatever a plan takes out of use is used again only after a
/// grace period, which `apply` waits for before it returns.
public struct KernelTables: Sendable {
  let header: MappedArray<svc_header>
  let v4: FamilyTables<WireV4>
  let v6: FamilyTables<WireV6>
  let addressFilter: MappedArray<UInt64>
  let affinities: HashMap<svc_affinity_key, svc_affinity>
  let sources: HashMap<UInt64, svc_source>
  let sockets: SocketStore
  let events: PerCPUArray<UInt64>
  /// Another one only in the test that shows what it is good for.
  package var grace: GracePeriod
  /// `svc_header.map_set` when these maps were opened.
  let mapSet: UInt32

  private static let generationOffset = MemoryLayout<svc_header>.offset(of: \.generation) ?? 8
  private static let pendingOffset = MemoryLayout<svc_header>.offset(of: \.grace_pending) ?? 4

  /// - Parameters:
  ///   - isForReading: nothing is going to be written, and no right to is needed.
  ///   - open: opens a map by the name it has in the BPF object.
  init(
    isForReading: Bool = false, open: (String) throws(BPFError) -> BPFMap
  ) throws(DataplaneError) {
    do {
      header = try MappedArray(open("header"))
      mapSet = header[0].map_set
      v4 = try FamilyTables(open: open)
      v6 = try FamilyTables(open: open)
      addressFilter = try MappedArray(open("address_filter"))
      affinities = try HashMap(open("affinities"))
      sources = try HashMap(open("sources"))
      events = try PerCPUArray(open("events"))
      sockets = try SocketStore(records: open("sockets"), tags: open("socket_tags"))
      grace = isForReading ? .none : try GracePeriod()
    } catch {
      throw .bpf(error)
    }
  }

  /// Names of all maps besides `header`, as the BPF object has them.
  static var mapNames: [String] { tableMaps + lastingMaps }

  /// The maps whose size depends on the table: larger ones may take their place.
  static var tableMaps: [String] {
    FamilyTables<WireV4>.mapNames.flatMap { [$0 + "4", $0 + "6"] }
  }

  /// The maps that stay for the life of the data plane.
  static let lastingMaps =
    [
      "sockets", "socket_tags", "more_flows", "events", "address_filter", "affinities", "sources",
    ] + TraceControl.mapNames

  public var capacities: FamilyCapacities {
    FamilyCapacities(v4: v4.capacities, v6: v6.capacities)
  }

  // MARK: Header

  /// Identifies one life of the data plane: drawn by attach, kept by the state directory.
  public struct Instance: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public static func random() -> Instance {
      Instance(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
    }
  }

  func initialize(instance: Instance, settings: Settings) {
    v4.initializeKeys()
    v6.initializeKeys()
    header.store(
      svc_header(
        layout_version: UInt32(SVC_LAYOUT_VERSION), grace_pending: 0, generation: 0,
        instance_high: instance.high, instance_low: instance.low,
        host_netns: settings.hostNetworkNamespace, options: settings.options, map_set: 0,
        grown_at: 0, version: ReleaseVersion.current.packed, switching: 0, tally_lock: 0, zero: 0),
      at: 0)
  }

  /// What attach decides for the life of the data plane.
  public struct Settings: Sendable {
    /// SO_NETNS_COOKIE of the namespace in which attach runs; 0 when it is not known.
    public var hostNetworkNamespace: UInt64
    /// Session affinity tells clients on the host network apart by cgroup.
    public var hostAffinityByCgroup: Bool
    /// A client whose source address is not known passes loadBalancerSourceRanges.
    public var allowsUnknownSource: Bool

    public init(
      hostNetworkNamespace: UInt64 = 0, hostAffinityByCgroup: Bool = false,
      allowsUnknownSource: Bool = false
    ) {
      self.hostNetworkNamespace = hostNetworkNamespace
      self.hostAffinityByCgroup = hostAffinityByCgroup
      self.allowsUnknownSource = allowsUnknownSource
    }

    /// The cookie of the namespace that this process is in; 0 when the kernel does not say.
    public static var ownNetworkNamespace: UInt64 { NetworkNamespaces.ownCookie }

    var options: UInt32 {
      (hostAffinityByCgroup ? SVC_OPTION_HOST_AFFINITY_BY_CGROUP.rawValue : 0)
        | (allowsUnknownSource ? SVC_OPTION_ALLOW_UNKNOWN_SOURCE.rawValue : 0)
    }
  }

  /// The cookie of the network namespace that attach ran in; 0 when it is not known.
  var hostNetworkNamespace: UInt64 { header[0].host_netns }

  public var layoutVersion: UInt32 { header[0].layout_version }

  public var instance: Instance {
    Instance(high: header[0].instance_high, low: header[0].instance_low)
  }

  /// Even when no writer is at work; two more after each change.
  public var generation: UInt64 { header.acquire(at: 0, offset: Self.generationOffset) }

  /// A writer was killed at work, or attach before its first table was there. Whoever commits
  /// next writes what is missing. Says nothing while a writer is at work: for whoever has the lock.
  public var isUnfinished: Bool { generation == 0 || generation % 2 != 0 }

  func setGeneration(_ value: UInt64) {
    header.publish(value, at: 0, offset: Self.generationOffset)
  }

  /// After a change that left the table as it was, or that a history counts on from.
  ///
  /// - Parameter value: half of what the header says.
  public func raiseGeneration(to value: UInt64) {
    if generation / 2 < value { setGeneration(value * 2 + (isUnfinished ? 1 : 0)) }
  }

  /// The maps hold half a table: whoever comes next finds out.
  public func markUnfinished() { setGeneration(generation | 1) }

  var isGracePending: Bool { header[0].grace_pending != 0 }

  func setGracePending(_ pending: Bool) {
    header.store(pending ? 1 : 0, at: 0, offset: Self.pendingOffset)
  }

  // MARK: Reading

  public func readStates() throws(DataplaneError) -> [FamilyState] {
    do { return [try v4.read(), try v6.read()] } catch { throw .bpf(error) }
  }

  /// What was read, and whether a writer was at work all the time.
  public struct Snapshot: Sendable {
    public var states: [FamilyState]
    public var counters: [ServicePortName: ServiceCounters]
    /// False: writers kept changing the table while it was read.
    public var isConsistent: Bool
    /// `KernelTables.generation` when it was read.
    public var generation: UInt64

    public var table: ServiceTable { ServiceTable(states: states) }
  }

  /// Reads the whole table at one point in time, without holding up a writer: when the
  /// generation changed meanwhile, it is read again.
  ///
  /// - Parameter ofBackends: of the counters, also what each backend was given.
  public func readSnapshot(
    withCounters: Bool = false, ofBackends: Bool = true
  ) throws(DataplaneError) -> Snapshot {
    func read(_ states: [FamilyState]) throws(DataplaneError) -> [ServicePortName: ServiceCounters]
    {
      withCounters ? try readCounters(states, ofBackends: ofBackends) : [:]
    }
    for _ in 0..<100 {
      let before = generation
      if before % 2 == 0 {
        let states = try readStates()
        let counters = try read(states)
        if isReplaced { break }
        if before == generation {
          return Snapshot(
            states: states, counters: counters, isConsistent: true, generation: before)
        }
      }
      Files.sleep(milliseconds: 10)
    }
    let before = generation
    let states = try readStates()
    return Snapshot(
      states: states, counters: try read(states), isConsistent: false, generation: before)
  }

  // MARK: Writing

  /// A change that was found to fit; nothing of it is written yet.
  public struct Preparation: Sendable {
    fileprivate var table: ServiceTable
    fileprivate var states: [FamilyState]
    fileprivate var plans: [FamilyPlan]

    /// The maps hold the table already.
    public var isEmpty: Bool { plans.allSatisfy { $0.isEmpty && $0.isComplete } }
    /// All of it is written at once; else in parts, because there is too little room beside
    /// what is in use.
    public var isOneStep: Bool { plans.allSatisfy(\.isComplete) }
    /// Where it is not.
    var crowded: Set<IPFamily> { Set(plans.filter { !$0.isComplete }.map(\.family)) }
    /// What the maps held when the change was prepared.
    public var before: ServiceTable { ServiceTable(states: states) }

    /// The service port that an id stood for before the change.
    func service(_ id: UInt32, _ family: IPFamily) -> ServiceRecord? {
      states.first { $0.family == family }?.services[id]
    }
  }

  /// Plans what has to be written so that the maps hold `table`. Throws `.capacity` when it does
  /// not fit. Only for whoever holds the lock: nobody else may write before `commit`.
  public func prepare(_ table: ServiceTable) throws(DataplaneError) -> Preparation {
    guard grace !== GracePeriod.none else {
      throw .refused(
        "the maps were opened for reading", remedy: "open them with Dataplane(pin:)")
    }
    let states = try readStates()
    return Preparation(table: table, states: states, plans: try plan(states, table))
  }

  /// Writes what was prepared, service by service: whoever connects meanwhile gets a backend of
  /// the old or of the new list.
  ///
  /// A failure in the middle leaves each service with its old or its new backends; preparing
  /// and committing again goes on from there.
  public func commit(_ preparation: Preparation) throws(DataplaneError) {
    try waitIfPending()
    if isUnfinished {
      do {
        try v4.clearHalves()
        try v6.clearHalves()
      } catch {
        throw .bpf(error)
      }
    }
    var states = preparation.states
    var plans = preparation.plans
    var compacted = false
    while plans.contains(where: { !$0.isEmpty || !$0.isComplete }) {
      if !plans.contains(where: { !$0.isEmpty }) {
        // No gap is large enough, although the sum of the gaps is.
        plans = states.map(Planner.compaction)
        guard !compacted || plans.contains(where: { !$0.isEmpty }) else {
          throw .refused(
            "the free slots are too scattered for the lists that are to be written",
            remedy: "run `socklb detach` and `socklb attach` with a larger --max-backends")
        }
        compacted = true
      }
      try write(plans, from: states)
      if plans.allSatisfy(\.isComplete) { break }
      states = try readStates()
      plans = try plan(states, preparation.table)
    }
    // What a killed writer left undone was part of the plan, or there was nothing.
    if isUnfinished { setGeneration((generation | 1) + 1) }
  }

  func plan(
    _ states: [FamilyState], _ table: ServiceTable
  ) throws(DataplaneError) -> [FamilyPlan] {
    var plans: [FamilyPlan] = []
    var shortages: [CapacityError.Shortage] = []
    for state in states {
      do { plans.append(try Planner.plan(from: state, to: table)) } catch {
        shortages += error.shortages
      }
    }
    guard shortages.isEmpty else { throw .capacity(CapacityError(shortages: shortages)) }
    return plans
  }

  /// Writes plans for the whole table, and waits until what they take out of use is free.
  func write(
    _ plans: [FamilyPlan], from states: [FamilyState]
  ) throws(DataplaneError) {
    try write(plans) {
      var during = AddressFilter()
      var after = AddressFilter()
      for (state, plan) in zip(states, plans) {
        state.mark(&during)
        state.mark(&after, after: plan)
      }
      return (during.union(after), after)
    }
    if plans.contains(where: \.frees) { try waitIfPending(releasing: ReleasedEndpoints(plans)) }
  }

  /// Writes plans. What they take out of use is in use still.
  ///
  /// - Parameter filters: the bits of addresses that are there before or after, and after. A bit
  ///   too many costs a lookup, one too few a frontend: bits come first and go last.
  func write(
    _ plans: [FamilyPlan], filters: () -> (during: AddressFilter, after: AddressFilter)
  ) throws(DataplaneError) {
    let generation = self.generation / 2 * 2
    setGeneration(generation + 1)
    if plans.contains(where: \.frees) { setGracePending(true) }
    let addresses = plans.contains(where: \.changesAddresses) ? filters() : nil
    if let addresses { setAddressFilter(addresses.during) }
    addToFilter(backendsOf: plans)
    do {
      for plan in plans {
        if plan.family == .v4 { try v4.apply(plan) } else { try v6.apply(plan) }
      }
    } catch {
      // The generation stays odd: half of it is written.
      throw .bpf(error)
    }
    if let addresses { setAddressFilter(addresses.after) }
    setGeneration(generation + 2)
  }

  /// What there was of backends stays.
  func setAddressFilter(_ filter: AddressFilter) {
    for (index, word) in filter.words.enumerated() {
      let old = addressFilter.acquire(at: UInt32(index))
      let new = word | old & AddressFilter.backendBits
      if new != old { addressFilter.publish(new, at: UInt32(index)) }
    }
  }

  /// Before any list leads there.
  private func addToFilter(backendsOf plans: [FamilyPlan]) {
    for plan in plans {
      let slots = plan.slots.span
      for position in slots.indices {
        AddressFilter.forEachPlace(ofBackends: slots[position].slots) { word, mask in
          let old = addressFilter.acquire(at: UInt32(word))
          if old & mask == 0 { addressFilter.publish(old | mask, at: UInt32(word)) }
        }
      }
    }
  }

  /// Waits until every program has ended that runs now: a grace period. On any thread.
  public func waitForPrograms() throws(DataplaneError) {
    do { try grace.wait() } catch { throw .bpf(error) }
  }

  /// What an earlier writer freed may be used again only when no program can see it any more.
  ///
  /// - Parameter released: all endpoint ids that were given back since the last time; nil: it is not
  ///   known which.
  func waitIfPending(releasing released: ReleasedEndpoints? = nil) throws(DataplaneError) {
    guard header[0].grace_pending != 0 else { return }
    try bpf { () throws(BPFError) in try grace.wait() }
    try endGrace(releasing: released)
  }

  /// What follows a grace period.
  func endGrace(releasing released: ReleasedEndpoints?) throws(DataplaneError) {
    guard isGracePending else { return }
    // While it is pending: whoever comes after one that was killed here does it again.
    try clearTallies(released)
    setGracePending(false)
  }
}
