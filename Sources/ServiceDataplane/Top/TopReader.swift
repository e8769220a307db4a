import BPFLoader
import CServiceABI
public import ServiceMaps

/// What one `socklb top` reads: counters and records of the data plane, and what programs of its own
/// count. Needs no lock and no state directory, and writes nothing that others see.
public final class TopReader {
  private var dataplane: Dataplane
  private var watch: PathWatch
  private var epoch = 0
  /// The table as it was at this generation.
  private var generation: UInt64
  private var states: [FamilyState]
  private var services: TopServices

  /// Begins to count connections.
  public init(pin: String) throws(DataplaneError) {
    let (dataplane, snapshot) = try Dataplane.readSnapshot(at: pin)
    let layout = dataplane.layout
    self.dataplane = dataplane
    watch = try bpf { () throws(BPFError) in try PathWatch(layout) }
    generation = snapshot.generation
    states = snapshot.states
    services = TopServices(snapshot.states)
  }

  /// - Throws: `.refused` when what it read was detached.
  public func sample() throws(DataplaneError) -> TopSample {
    try follow()
    let counters = try readCounters()
    let watch = watch
    let time = Clock.monotonicNanoseconds
    let paths = try bpf { () throws(BPFError) in try watch.counts() }
    return TopSample(
      time: time, services: services, counters: counters, paths: paths, pathsEpoch: epoch,
      sockets: try sockets(), uncounted: watch.uncounted)
  }

  /// Maps that others have replaced are opened anew, and connections counted from zero.
  private func follow() throws(DataplaneError) {
    let layout = dataplane.layout
    let instance = dataplane.tables.instance
    guard layout.isComplete,
      let header = try? MappedArray<svc_header>(BPFMap(pinned: layout.header)),
      header[0].instance_high == instance.high, header[0].instance_low == instance.low
    else {
      throw .refused(
        "the data plane at \(dataplane.pin) was detached",
        remedy: "start `socklb top` again when it is attached")
    }
    guard dataplane.tables.isReplaced else { return }
    let (new, snapshot) = try Dataplane.readSnapshot(at: dataplane.pin)
    watch = try bpf { () throws(BPFError) in try PathWatch(layout) }
    epoch += 1
    dataplane = new
    take(snapshot)
  }

  private func take(_ snapshot: KernelTables.Snapshot) {
    generation = snapshot.generation
    states = snapshot.states
    services = TopServices(snapshot.states)
  }

  /// The table is read only when it has changed: a large one takes long.
  private func readCounters() throws(DataplaneError) -> [ServicePortName: ServiceCounters] {
    let tables = dataplane.tables
    if tables.generation == generation {
      let counters = try tables.readCounters(states)
      if tables.generation == generation { return counters }
    }
    let snapshot = try tables.readSnapshot(withCounters: true)
    take(snapshot)
    return snapshot.counters
  }

  /// What sockets remember now, those that need no record too.
  private func sockets() throws(DataplaneError) -> [PathID: PathSockets] {
    var result: [PathID: PathSockets] = [:]
    var hasMore = dataplane.tables.sockets.wasFull
    for record in dataplane.tables.sockets.all() {
      if record.socket.flow.hasMore { hasMore = true }
      guard let flow = SocketFlow(wire: record.socket.flow) else { continue }
      result[PathID(of: flow), default: PathSockets(flow: flow, count: 0)].count += 1
    }
    if hasMore {
      let watch = watch
      try bpf { () throws(BPFError) in try watch.addMore(to: &result) }
    }
    return result
  }
}
