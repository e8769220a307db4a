public import BPFLoader
import BPFObject
import CServiceABI
public import ServiceMaps

extension Dataplane {
  /// Starts to be told of decisions. Needs no lock and no state directory.
  ///
  /// - Parameters:
  ///   - bufferSize: bytes, a power of two.
  ///   - outcomes: also of what becomes of TCP connections.
  ///   - followClose: also of their ends.
  /// - Throws: `.refused` when there are as many readers as there may be.
  public func trace(
    _ filter: TraceFilter, bufferSize: Int, outcomes: Bool, followClose: Bool
  ) throws(DataplaneError) -> TraceReader {
    try TraceReader(
      self, filter, bufferSize: bufferSize, outcomes: outcomes, followClose: followClose)
  }

  /// Gives back the memory that readers held who were killed.
  public func clearAbandonedTraces() throws(DataplaneError) {
    let control = try bpf { () throws(BPFError) in try TraceControl(layout) }
    try control.clearAbandoned()
  }
}

/// One `socklb trace`: its place among the readers, its log and filters.
///
/// Programs forget it three seconds after it has been asked for the last time.
public final class TraceReader {
  private var dataplane: Dataplane
  private let filter: TraceFilter
  private let control: TraceControl
  private let log: TraceLog
  private let watch: OutcomeWatch?
  private let place: Int
  private let owner = UInt32(bitPattern: Files.ownProcessID)
  private var end: UInt64
  private var generation: UInt64
  private var namesRead: UInt64 = 0
  public private(set) var names = TraceNames()
  /// More service ports than a filter in the kernel can hold.
  public private(set) var isCutOff = false
  /// Nothing is known by the name of the filter now.
  public private(set) var meansNothing = false
  /// CLOCK_MONOTONIC from which on it is known what becomes of connections: loading takes its time.
  public private(set) var watchesSince: UInt64 = 0
  private var hasStopped = false
  /// What had no room, as of the last renewal.
  private var lost: UInt64 = 0
  /// What had no room in all: the place is somebody else's now, or may be soon.
  private var lostInAll: UInt64?
  private var places: TracePlaces

  fileprivate init(
    _ dataplane: Dataplane, _ filter: TraceFilter, bufferSize: Int, outcomes: Bool,
    followClose: Bool
  ) throws(DataplaneError) {
    self.dataplane = dataplane
    self.filter = filter
    control = try bpf { () throws(BPFError) in try TraceControl(dataplane.layout) }
    log = try bpf { () throws(BPFError) in try TraceLog(size: bufferSize) }
    places = TracePlaces(hostCookie: dataplane.tables.hostNetworkNamespace)
    generation = dataplane.tables.generation
    let states = try dataplane.tables.readSnapshot().states
    names.update(states)
    let wanted = TraceNames.wanted(filter.services, states)
    guard let (place, end) = try control.take(log, filter.wire(wanted, owner: owner)) else {
      let owners = control.owners.map(String.init).joined(separator: ", ")
      throw .refused(
        "there are \(SVC_TRACERS) readers of the trace already, the processes \(owners)",
        remedy: "end one of them")
    }
    (self.place, self.end) = (place, end)
    guard outcomes else {
      watch = nil
      note(wanted)
      return
    }
    do {
      let settings = svc_outcome_settings(
        reader: UInt32(place), follow_close: followClose ? 1 : 0)
      watch = try bpf { () throws(BPFError) in try OutcomeWatch(dataplane.layout, settings) }
    } catch {
      control.stop(place, end)
      control.leave(place, owner: owner)
      throw error
    }
    note(wanted)
    watchesSince = Clock.monotonicNanoseconds
    // Loading took its time.
    _ = try renew()
  }

  deinit {
    stop()
    control.leave(place, owner: owner)
  }

  private func note(_ wanted: TraceNames.Wanted) {
    isCutOff =
      wanted.count > TraceFilter.mostServices || wanted.addresses.count > TraceFilter.mostAddresses
    meansNothing = !filter.services.isEmpty && wanted.count == 0
  }

  /// No more decisions come; those that were written can still be taken.
  public func stop() {
    if hasStopped { return }
    hasStopped = true
    guard lostInAll == nil else { return }
    // Until it is read what was lost, nobody else begins to lose there.
    let lock = try? control.lock()
    defer { withExtendedLifetime(lock) {} }
    control.stop(place, end)
    // Programs that are at work still write to the end.
    try? GracePeriod().wait()
    lostInAll = control.isPlace(place, of: owner) ? control.lost(place) : lost
  }

  /// Whoever measures keeps the lease himself, and never renews it.
  package func keepsPlaceForEver() { end = .max }

  /// Whether programs write for this reader, as far as is known: only then it may tell them that
  /// there is room.
  private var hasPlace: Bool {
    !hasStopped && lostInAll == nil && Clock.monotonicNanoseconds < end
  }

  /// Decisions, then outcomes, oldest first: an outcome never comes before its decision, unless
  /// that was lost.
  ///
  /// - Returns: whether there may be more at once.
  public func take(
    _ decision: (TraceDecision) -> Void,
    _ outcome: (TraceOutcome, _ of: TraceDecision, _ time: UInt64) -> Void
  ) throws(DataplaneError) -> Bool {
    var limit = 8192
    var found: [svc_trace_outcome] = []
    let outcomes =
      try watch.map { (watch) throws(DataplaneError) in
        try bpf { () throws(BPFError) in
          try watch.ring.take(as: svc_trace_outcome.self, limit: limit) { found.append($0) }
        }
      } ?? 0
    // All decisions before these outcomes, so as many as there are. Later ones have their turn: what
    // another processor decided before them may not be written yet.
    if !found.isEmpty { limit *= 64 }
    let now = hasStopped ? .max : Clock.monotonicNanoseconds
    let count = log.take(before: now, limit: limit) { wire in
      if let value = TraceDecision(wire: wire) { decision(value) }
    } tell: { taken, lane in
      if hasPlace { control.tell(taken, lane, of: place) }
    }
    for wire in found {
      if let value = TraceOutcome(wire: wire), let of = TraceDecision(wire: wire.decision) {
        outcome(value, of, wire.time)
      }
    }
    return count == limit || outcomes == 8192
  }

  /// A TCP connection has sent its SYN, and nothing has come of it yet.
  public func isConnecting(_ decision: TraceDecision) -> Bool {
    watch?.isConnecting(decision.cookie) ?? true
  }

  /// Since the start.
  public struct Losses: Hashable, Sendable {
    /// Decisions that the log had no room for.
    public var decisions: UInt64 = 0
    /// Outcomes of TCP connections.
    public var outcomes: UInt64 = 0

    public init() {}

    init(decisions: UInt64, outcomes: UInt64) {
      self.decisions = decisions
      self.outcomes = outcomes
    }
  }

  public var losses: Losses {
    Losses(decisions: lostInAll ?? control.lost(place), outcomes: watch?.lost ?? 0)
  }

  /// What happened since the last renewal.
  public enum Renewal: Sendable {
    case kept
    /// This process was held up for longer than programs wait; they forgot it meanwhile.
    case wasForgotten
    /// It cannot go on: the reason.
    case over(String)
  }

  /// To be called twice a second: says that this reader lives, and follows what is applied.
  public func renew() throws(DataplaneError) -> Renewal {
    let renewal = try control.renew(place, end, owner: owner)
    var result = Renewal.kept
    switch renewal {
    case .taken:
      lostInAll = lostInAll ?? lost
      return .over(
        "it was held up, and another reader has taken its place, or an upgrade has made other maps")
    case .kept(let end): self.end = end
    case .resumed(let end):
      self.end = end
      result = .wasForgotten
    }
    // What was taken out while it had no place was not told.
    log.tellAll { taken, lane in control.tell(taken, lane, of: place) }
    lost = control.lost(place)
    let layout = dataplane.layout
    guard layout.isComplete,
      let header = try? MappedArray<svc_header>(BPFMap(pinned: layout.header)),
      header[0].instance_high == dataplane.tables.instance.high,
      header[0].instance_low == dataplane.tables.instance.low
    else { return .over("the data plane was detached") }
    try refreshNames()
    return result
  }

  /// Reads the table again if it has changed.
  public func refreshNames() throws(DataplaneError) {
    guard dataplane.tables.generation != generation || dataplane.tables.isReplaced else { return }
    if dataplane.tables.isReplaced { dataplane = try Dataplane(pin: dataplane.pin) }
    generation = dataplane.tables.generation
    let states = try dataplane.tables.readSnapshot().states
    names.update(states)
    if filter.services.isEmpty { return }
    let wanted = TraceNames.wanted(filter.services, states)
    control.set(filter.wire(wanted, owner: owner), of: place)
    note(wanted)
  }

  /// Where the process of a decision is.
  public func place(of decision: TraceDecision) -> TraceRender.Place { places.place(of: decision) }
}

/// The programs of outcomes.bpf.c, at work for as long as this lives.
private struct OutcomeWatch {
  let ring: RingBuffer
  private let link: TracepointLink
  private let connections: BPFMap
  private let losses: MappedArray<UInt64>

  init(_ layout: PinLayout, _ settings: svc_outcome_settings) throws(BPFError) {
    let open = try OpenObject(
      elf: CompiledObject.outcomes.elf, name: CompiledObject.outcomes.rawValue)
    for name in open.mapNames {
      let pin = layout.pin(ofMap: name)
      if Files.exists(pin) { try open.reuse(BPFMap(pinned: pin), as: name) }
    }
    try open.setConstants(settings)
    let object = try open.load()
    ring = try RingBuffer(object.map("outcomes"))
    connections = try object.map("connections")
    losses = try MappedArray(object.map("outcomes_lost"))
    link = try TracepointLink(object.program("on_state"), named: "inet_sock_set_state")
  }

  var lost: UInt64 { losses.acquire(at: 0) &+ losses.acquire(at: 1) }

  func isConnecting(_ cookie: UInt64) -> Bool { connections.hasElement(cookie) }
}
