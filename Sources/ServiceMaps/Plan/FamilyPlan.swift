/// What has to be written to turn one state of the maps into another, in the order of the
/// properties. The order is the safety argument; ARCHITECTURE.md, "Publishing a change".
///
/// Nothing that the old state uses is written to before `publishLists`, and nothing the plan
/// frees is used again by the same plan: after the last write a grace period must pass before
/// the next plan is made from the new state.
public struct FamilyPlan: Sendable, Equatable {
  public struct EndpointWrite: Hashable, Sendable {
    public var id: UInt32
    public var record: EndpointRecord
  }

  /// Endpoint ids that begin to stand for something.
  public struct EndpointRun: Hashable, Sendable {
    public var ids: Range<UInt32>
    /// That of each.
    public var record: EndpointRecord

    /// One after the other.
    public var writes: [EndpointWrite] { ids.map { EndpointWrite(id: $0, record: record) } }
  }

  public struct SlotWrite: Hashable, Sendable {
    public var base: UInt32
    public var slots: SlotRun
  }

  public struct ListWrite: Hashable, Sendable {
    public var list: UInt32
    public var range: SlotRange
  }

  public struct FrontendWrite: Hashable, Sendable {
    public var index: UInt32
    public var record: FrontendRecord
  }

  /// A frontend, and the word that leads to it.
  public struct KeyWrite: Hashable, Sendable {
    public var index: UInt32
    public var record: FrontendRecord
    /// In `KeyTable.words`.
    public var position: Int
    public var word: UInt64
  }

  public struct ServiceWrite: Hashable, Sendable {
    public var id: UInt32
    public var record: ServiceRecord
    /// The id meant another service port before: its counters start at zero.
    public var isNew: Bool
  }

  /// One source range of a frontend.
  public struct RangeWrite: Hashable, Sendable {
    public var frontend: UInt32
    public var range: IPPrefix

    public init(frontend: UInt32, range: IPPrefix) {
      self.frontend = frontend
      self.range = range
    }
  }

  /// An endpoint that no list holds, and its id.
  public struct KeptWrite: Hashable, Sendable {
    public var record: KeptRecord
    public var endpoint: UInt32
  }

  public let family: IPFamily

  // Prepared out of sight: nothing in the old state leads here.
  public var services: [ServiceWrite] = []
  public var newEndpoints: [EndpointRun] = []
  public var slots: [SlotWrite] = []
  public var newLists: [ListWrite] = []
  /// Those of `insertKeys`, whose keys come later.
  public var newFrontends: [KeyWrite] { insertKeys }
  /// First of all: a frontend that gets such an index would let through whom it must not.
  public var staleRanges: [RangeWrite] = []
  /// Words that lead no program to a frontend. They take ways, and what they lead to may not be
  /// written until programs that have read them have ended.
  public var staleKeys: [Int] = []
  /// Also first: an id that is given anew must not be found under what it stood for.
  public var staleKept: [KeptRecord] = []
  /// Before the frontends that ask for them. For one that is in use they only let more through.
  public var insertRanges: [RangeWrite] = []
  /// Before the lists without them: what an id stands for is always written somewhere. Some of
  /// them only go from one list to another, and are in `deleteKept` too.
  public var insertKept: [KeptWrite] = []

  // Seen by connects from here on. Each step is one store, or one element of a hash.
  public var retargets: [FrontendWrite] = []
  public var publishLists: [ListWrite] = []
  public var insertKeys: [KeyWrite] = []
  /// A guard is there only while the keys of its address are: behind them when they come and before
  /// them when they go. Else a service that comes or goes would be refused for a moment.
  public var insertGuards: [IPAddress] = []
  public var deleteGuards: [IPAddress] = []
  public var deleteKeys: [KeyWrite] = []
  public var deleteRanges: [RangeWrite] = []
  /// After the lists that they are in again, and before the ids of the others are released: an
  /// id that is free is never found here.
  public var deleteKept: [KeptRecord] = []
  /// Sockets that remember one of these choose anew.
  public var releasedEndpoints: [EndpointWrite] = []
  public var deletedServices: [UInt32] = []

  /// False when free indexes ran out although the whole fits: apply this, wait for a grace
  /// period, and plan again from the new state.
  public var isComplete = true

  public init(family: IPFamily) { self.family = family }

  /// True when the maps already hold what is wanted.
  public var isEmpty: Bool {
    services.isEmpty && newEndpoints.isEmpty && slots.isEmpty && newLists.isEmpty
      && staleRanges.isEmpty && staleKeys.isEmpty && insertRanges.isEmpty
      && deleteRanges.isEmpty
      && insertGuards.isEmpty && deleteGuards.isEmpty && retargets.isEmpty && publishLists.isEmpty
      && staleKept.isEmpty && insertKept.isEmpty && deleteKept.isEmpty && insertKeys.isEmpty
      && deleteKeys.isEmpty && releasedEndpoints.isEmpty && deletedServices.isEmpty
  }

  /// - Parameter wanted: of both families, sorted.
  mutating func setGuards(from old: Set<IPAddress>, to wanted: [IPAddress]) {
    let wanted = wanted.lazy.filter { [family] in $0.family == family }
    insertGuards = wanted.filter { !old.contains($0) }
    deleteGuards = []
    if wanted.count - insertGuards.count < old.count {
      deleteGuards = old.subtracting(wanted).sorted()
    }
  }

  /// True when an address is used by more or fewer frontends, or guarded or not.
  public var changesAddresses: Bool {
    !insertKeys.isEmpty || !deleteKeys.isEmpty || !insertGuards.isEmpty || !deleteGuards.isEmpty
  }

  /// True when something is taken out of use, so that it may be reused only after a grace period.
  public var frees: Bool {
    !retargets.isEmpty || !publishLists.isEmpty || !staleKeys.isEmpty || !deleteKeys.isEmpty
      || !releasedEndpoints.isEmpty
  }
}

extension FamilyState {
  /// Carries out a plan on the value, in the order in which it is carried out in the kernel.
  public mutating func apply(_ plan: FamilyPlan) {
    write(plan)
    let used = Set(frontends.values.lazy.map(\.list))
    lists = lists.filter { used.contains($0.key) }
  }

  /// The same, but lists that no frontend has any more stay.
  mutating func write(_ plan: FamilyPlan) {
    for write in plan.services { services[write.id] = write.record }
    for record in plan.staleKept { kept[record] = nil }
    for run in plan.newEndpoints {
      for id in run.ids { set(endpoint: .init(id: id, record: run.record)) }
    }
    for write in plan.slots {
      let end = Int(write.base) + write.slots.count
      if slots.count < end, let filler = write.slots.first {
        slots.append(contentsOf: repeatElement(filler, count: end - slots.count))
      }
      slots.replaceSubrange(Int(write.base)..<end, with: write.slots)
    }
    for write in plan.insertKept { kept[write.record] = write.endpoint }
    for write in plan.newLists + plan.publishLists { lists[write.list] = write.range }
    for write in plan.retargets { frontends[write.index] = write.record }
    for write in plan.insertKeys {
      frontends[write.index] = write.record
      keys.store(write.word, at: write.position)
    }
    for write in plan.deleteKeys {
      frontends[write.index] = nil
      keys.store(0, at: write.position)
    }
    for record in plan.deleteKept { kept[record] = nil }
    for write in plan.releasedEndpoints { set(endpoint: write) }
    for id in plan.deletedServices { services[id] = nil }
    if !staleRanges.isEmpty { staleRanges.removeAll { plan.staleRanges.contains($0) } }
    for position in plan.staleKeys { keys.store(0, at: position) }
    if !staleKeys.isEmpty { staleKeys.removeAll { plan.staleKeys.contains($0) } }
    guards.formUnion(plan.insertGuards)
    guards.subtract(plan.deleteGuards)
  }

  private mutating func set(endpoint write: FamilyPlan.EndpointWrite) {
    while endpoints.count <= Int(write.id) { endpoints.append(EndpointRecord()) }
    endpoints[Int(write.id)] = write.record
  }
}
