import BPFLoader
import CServiceABI
import ServiceMaps

/// The control map and the logs of those who trace; how a reader takes a place, keeps it, and
/// gives it back. ARCHITECTURE.md, "Trace".
struct TraceControl {
  private let tracing: MappedArray<svc_tracing>
  private let logs: BPFMap
  private let directory: String

  static let mapNames = ["trace", "trace_logs"]
  /// A reader that has not said for so long that it lives is forgotten: nanoseconds.
  static let lease: UInt64 = 3_000_000_000

  private static let leases = MemoryLayout<svc_tracing>.offset(of: \.reader_until) ?? 8
  private static let tracers = MemoryLayout<svc_tracing>.offset(of: \.tracer) ?? 64
  private static let lanes = MemoryLayout<svc_tracing>.offset(of: \.lane) ?? 1152
  private static let stride = MemoryLayout<svc_tracer>.stride
  private static let laneStride = MemoryLayout<svc_trace_lane>.stride
  private static let ownerOffset = MemoryLayout<svc_tracer>.offset(of: \.owner) ?? 8
  private static let filterOffset = MemoryLayout<svc_tracer>.offset(of: \.cgroup) ?? 16
  private static let lostOffset = MemoryLayout<svc_trace_lane>.offset(of: \.lost) ?? 8
  private static let tailOffset = MemoryLayout<svc_trace_lane>.offset(of: \.tail) ?? 64

  init(_ layout: PinLayout) throws(BPFError) {
    tracing = try MappedArray(BPFMap(pinned: layout.map("trace")))
    logs = try BPFMap(pinned: layout.map("trace_logs"))
    directory = layout.maps
  }

  /// Ends all who read through maps that others are about to take the place of: each finds that its
  /// place is not its own any more, whatever release it is of.
  static func endReaders(_ layout: PinLayout) throws(BPFError) {
    let trace = try BPFMap(pinned: layout.map("trace"))
    try RawMap(trace).update(
      [0, 0, 0, 0], Array(repeating: 0, count: trace.valueSize), count: 1)
    guard Files.exists(layout.map("trace_logs")) else { return }
    let logs = try BPFMap(pinned: layout.map("trace_logs"))
    for reader in 0..<UInt32(SVC_TRACERS) { try logs.removeInner(at: reader) }
  }

  private func offset(_ reader: Int) -> Int { Self.tracers + reader * Self.stride }

  private func lease(_ reader: Int) -> Int { Self.leases + reader * 8 }

  private func lane(_ reader: Int, _ lane: Int) -> Int {
    Self.lanes + (reader * Int(SVC_TRACE_LANES) + lane) * Self.laneStride
  }

  private func until(_ reader: Int) -> UInt64 { tracing.acquire(at: 0, offset: lease(reader)) }

  /// Its process id; 0: nobody has the place.
  private func owner(_ reader: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: tracing.acquire(at: 0, offset: offset(reader) + Self.ownerOffset))
  }

  /// Readers that say that they live: their process ids.
  var owners: [UInt32] {
    let now = Clock.monotonicNanoseconds
    return (0..<Int(SVC_TRACERS)).filter { until($0) > now }.map { owner($0) }
  }

  /// Takes a place, and gives back those of readers that are gone, with their logs.
  ///
  /// - Returns: the number of the place, and until when it is had; nil: all are taken.
  func take(_ log: TraceLog, _ filter: svc_tracer) throws(DataplaneError) -> (Int, UInt64)? {
    let lock = try DirectoryLock(directory)
    defer { withExtendedLifetime(lock) {} }
    let now = Clock.monotonicNanoseconds
    let free = (0..<Int(SVC_TRACERS)).filter { until($0) < now }
    for reader in free { try bpf { () throws(BPFError) in try clear(reader) } }
    guard let reader = free.first else { return nil }
    // From here on no program writes for who had the place before.
    try bpf { () throws(BPFError) in try log.put(into: logs, at: reader) }
    for number in 0..<Int(SVC_TRACE_LANES) {
      tracing.store(
        bytesOf: log.emptyLane(number), from: 0, at: 0, offset: lane(reader, number))
    }
    tracing.publish(log.laneMask, at: 0, offset: offset(reader))
    tracing.publish(filter.owner, at: 0, offset: offset(reader) + Self.ownerOffset)
    set(filter, of: reader)
    let end = now + Self.lease
    tracing.publish(end, at: 0, offset: lease(reader))
    tracing.publish(end, at: 0)
    return (reader, end)
  }

  /// Gives back what readers hold that are gone. Costs nothing when there is none.
  func clearAbandoned() throws(DataplaneError) {
    let now = Clock.monotonicNanoseconds
    let gone = (0..<Int(SVC_TRACERS)).filter { owner($0) != 0 && until($0) < now }
    guard !gone.isEmpty else { return }
    let lock = try DirectoryLock(directory)
    defer { withExtendedLifetime(lock) {} }
    for reader in gone where until(reader) < Clock.monotonicNanoseconds {
      try bpf { () throws(BPFError) in try clear(reader) }
    }
  }

  private func clear(_ reader: Int) throws(BPFError) {
    guard owner(reader) != 0 else { return }
    tracing.publish(0, at: 0, offset: lease(reader))
    try logs.removeInner(at: UInt32(reader))
    tracing.publish(0, at: 0, offset: offset(reader) + Self.ownerOffset)
  }

  /// What it is to be shown from now on. Word by word: a decision of this moment may see half.
  func set(_ filter: svc_tracer, of reader: Int) {
    tracing.store(
      bytesOf: filter, from: Self.filterOffset, at: 0, offset: offset(reader) + Self.filterOffset)
  }

  /// What became of a lease.
  enum Renewal {
    case kept(UInt64)
    /// It had ended: what was decided since then is not known.
    case resumed(UInt64)
    /// Somebody else has the place.
    case taken
  }

  func renew(_ reader: Int, _ end: UInt64, owner: UInt32) throws(DataplaneError) -> Renewal {
    let now = Clock.monotonicNanoseconds
    let new = now + Self.lease
    if end >= now, tracing.exchange(end, for: new, at: 0, offset: lease(reader)) {
      tracing.publish(new, at: 0)
      return .kept(new)
    }
    let lock = try DirectoryLock(directory)
    defer { withExtendedLifetime(lock) {} }
    guard self.owner(reader) == owner, [0, end].contains(until(reader)) else { return .taken }
    tracing.publish(new, at: 0, offset: lease(reader))
    tracing.publish(new, at: 0)
    return .resumed(new)
  }

  /// While it is held nobody takes a place.
  func lock() throws(DataplaneError) -> DirectoryLock { try DirectoryLock(directory) }

  /// Whether a place is, or was last, that of this process.
  func isPlace(_ reader: Int, of owner: UInt32) -> Bool { self.owner(reader) == owner }

  /// So many records were taken out of a lane: there is room for as many more.
  func tell(_ taken: UInt64, _ lane: Int, of reader: Int) {
    tracing.publish(taken, at: 0, offset: self.lane(reader, lane) + Self.tailOffset)
  }

  func lost(_ reader: Int) -> UInt64 {
    (0..<Int(SVC_TRACE_LANES)).reduce(0) {
      $0 &+ tracing.acquire(at: 0, offset: lane(reader, $1) + Self.lostOffset)
    }
  }

  /// From now on programs do not look for this reader; if it was the last one, for none.
  func stop(_ reader: Int, _ end: UInt64) {
    let all = tracing.acquire(at: 0)
    _ = tracing.exchange(end, for: 0, at: 0, offset: lease(reader))
    if (0..<Int(SVC_TRACERS)).allSatisfy({ until($0) == 0 }) {
      _ = tracing.exchange(all, for: 0, at: 0)
    }
  }

  /// Gives the place back.
  func leave(_ reader: Int, owner: UInt32) {
    guard let lock = try? DirectoryLock(directory) else { return }
    defer { withExtendedLifetime(lock) {} }
    if self.owner(reader) == owner, until(reader) == 0 { try? clear(reader) }
  }
}
