import BPFLoader
import CServiceABI
import ServiceMaps

/// Maps of one layout that are about to take the place of others, and everything that carries over
/// what the others hold.
struct Migration {
  let changes: [String: MapChange]
  let oldHeader: HeaderView
  let newHeader: HeaderView
  private let maps: [String: BPFMap]
  private let programs: [SocketHook: BPFProgram]
  private let grace: GracePeriod
  private let sockets: SocketCarrier?
  private let affinities: AffinityCarrier?
  private let storage: StorageCarrier?
  private var events: CounterCarrier?

  /// - Parameter object: with the maps of the new layout.
  init(
    _ changes: [String: MapChange], _ object: borrowing LoadedObject, _ build: ProgramBuild
  ) throws(DataplaneError) {
    var maps: [String: BPFMap] = [:]
    var programs: [SocketHook: BPFProgram] = [:]
    do {
      for name in ["header"] + KernelTables.mapNames { maps[name] = try object.map(name) }
      for hook in SocketHook.allCases { programs[hook] = try object.program(hook.rawValue) }
    } catch { throw .bpf(error) }
    self.maps = maps
    self.programs = programs
    self.changes = changes
    let known = maps
    func map(_ name: String) throws(BPFError) -> BPFMap {
      guard let map = known[name] else { throw .noMap(name) }
      return map
    }
    func carrier<T>(
      of name: String, _ make: (MapChange, BPFMap) throws(DataplaneError) -> T
    ) throws(DataplaneError) -> T? {
      guard let change = changes[name], let map = known[name] else { return nil }
      return try make(change, map)
    }
    guard
      let headers = try carrier(
        of: "header",
        { change, new throws(DataplaneError) in
          (
            try HeaderView(change.old, change.oldTypes.value),
            try HeaderView(new, change.newTypes.value)
          )
        })
    else { throw .notCarried("header", "it is missing") }
    (oldHeader, newHeader) = headers
    sockets = try carrier(of: "sockets") { change, new throws(DataplaneError) in
      guard let tags = changes["socket_tags"] else {
        throw .notCarried("socket_tags", "it is missing")
      }
      let newTags = try bpf { () throws(BPFError) in try map("socket_tags") }
      return try SocketCarrier(change, tags, to: new, newTags)
    }
    affinities = try carrier(of: "affinities") { change, new throws(DataplaneError) in
      try AffinityCarrier(change, to: new)
    }
    events = try carrier(of: "events") { change, new throws(DataplaneError) in
      try CounterCarrier(change, to: new)
    }
    storage = try carrier(of: "more_flows") { change, new throws(DataplaneError) in
      try bpf { () throws(BPFError) in
        try StorageCarrier(change, to: new, elf: build.move, maps: map)
      }
    }
    grace = try bpf { () throws(BPFError) in try GracePeriod() }
  }

  func program(_ hook: SocketHook) throws(DataplaneError) -> BPFProgram {
    guard let program = programs[hook] else { throw .bpf(.noMap(hook.rawValue)) }
    return program
  }

  func map(_ name: String) throws(DataplaneError) -> BPFMap {
    guard let map = maps[name] else { throw .bpf(.noMap(name)) }
    return map
  }

  func waitForPrograms() throws(DataplaneError) {
    try bpf { () throws(BPFError) in try grace.wait() }
  }

  // MARK: Carrying over

  /// Everything, into maps that no program knows yet.
  mutating func copyAll(layoutVersion: UInt32) throws(DataplaneError) {
    guard let header = changes["header"] else { return }
    do { newHeader.store(try header.value.converted(oldHeader.bytes)) } catch {
      throw header.failure(error.member)
    }
    newHeader["layout_version"] = UInt64(layoutVersion)
    newHeader["version"] = UInt64(ReleaseVersion.current.packed)
    newHeader["map_set"] = oldHeader["map_set"] + 1
    newHeader["switching"] = UInt64(SVC_SWITCHING_LINKS.rawValue)
    // A program may have held it for a moment.
    newHeader["tally_lock"] = 0
    // What programs write comes last: the later, the less of it changes before they are replaced.
    let apart: Set = [
      "header", "sockets", "socket_tags", "affinities", "more_flows", "events", "counters4",
      "counters6", "totals4", "totals6", "services4", "services6", "names4", "names6",
      "guards4", "guards6",
    ]
    for (name, change) in changes.sorted(by: { $0.key < $1.key }) where !apart.contains(name) {
      try change.copy(to: map(name))
    }
    for family in ["4", "6"] {
      guard let services = changes["services" + family] else { continue }
      try ServiceCarrier(services, changes["names" + family])
        .copy(to: map("services" + family), map("names" + family))
    }
    if let guards = changes["guards4"] {
      try GuardCarrier.copy(guards, to: map("guards4"), WireV4.self)
    }
    if let guards = changes["guards6"] {
      try GuardCarrier.copy(guards, to: map("guards6"), WireV6.self)
    }
    try events?.copy()
    try carry(isFirst: true)
  }

  /// What programs have written into the old maps since the last time.
  func carry(isFirst: Bool = false) throws(DataplaneError) {
    try storage?.carry()
    try sockets?.carry(isFirst: isFirst)
    try affinities?.carry()
  }

  /// The rest, once no program writes into the old maps any more.
  func carryRest() throws(DataplaneError) {
    try carry()
    for family in ["4", "6"] {
      guard let counters = changes["counters" + family], let totals = changes["totals" + family]
      else { continue }
      try CounterCarrier.sumUp(
        counters, totals, changes["past" + family], to: map("past" + family))
    }
    try events?.addRest()
    // A socket that is being closed is gone from both or from none after this.
    try waitForPrograms()
    sockets?.releaseGone()
  }
}

extension BPFError {
  fileprivate static func noMap(_ name: String) -> BPFError {
    BPFError(.notFound, "the BPF object has no \(name)")
  }
}
