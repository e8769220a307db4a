import BPFLoader
import CServiceABI
import ServiceMaps

/// The control map and the rings of those who trace; how a reader takes a place, keeps it, and
/// gives it back. ARCHITECTURE.md, "Trace".
struct TraceRings {
  private let tracing: MappedArray<svc_tracing>
  private let rings: BPFMap
  private let directory: String

  static let mapNames = ["trace", "trace_rings"]
  /// A reader that has not said for so long that it lives is forgotten: nanoseconds.
  static let lease: UInt64 = 3_000_000_000

  private static let readers = MemoryLayout<svc_tracing>.offset(of: \.tracer) ?? 8
  private static let stride = MemoryLayout<svc_tracer>.stride
  private static let lostOffset = MemoryLayout<svc_tracer>.offset(of: \.lost) ?? 8
  private static let ownerOffset = MemoryLayout<svc_tracer>.offset(of: \.owner) ?? 40
  private static let filterOffset = MemoryLayout<svc_tracer>.offset(of: \.cgroup) ?? 16

  init(_ layout: PinLayout) throws(BPFError) {
    tracing = try MappedArray(BPFMap(pinned: layout.map("trace")))
    rings = try BPFMap(pinned: layout.map("trace_rings"))
    directory = layout.maps
  }

  private func offset(_ reader: Int) -> Int { Self.readers + reader * Self.stride }

  private func until(_ reader: Int) -> UInt64 { tracing.acquire(at: 0, offset: offset(reader)) }

  private func tracer(_ reader: Int) -> svc_tracer {
    let all = tracing[0].tracer
    return [all.0, all.1, all.2, all.3][reader]
  }

  /// Readers that say that they live: their process ids.
  var owners: [UInt32] {
    let now = Clock.monotonicNanoseconds
    return (0..<Int(SVC_TRACERS)).filter { until($0) > now }.map { tracer($0).owner }
  }

  /// Takes a place, and gives back those of readers that are gone, with their rings.
  ///
  /// - Returns: the number of the place, and until when it is had; nil: all are taken.
  func take(_ ring: RingBuffer, _ filter: svc_tracer) throws(DataplaneError) -> (Int, UInt64)? {
    let lock = try DirectoryLock(directory)
    defer { withExtendedLifetime(lock) {} }
    let now = Clock.monotonicNanoseconds
    let free = (0..<Int(SVC_TRACERS)).filter { until($0) < now }
    for reader in free { try bpf { () throws(BPFError) in try clear(reader) } }
    guard let reader = free.first else { return nil }
    try bpf { () throws(BPFError) in try ring.put(into: rings, at: UInt32(reader)) }
    tracing.publish(0, at: 0, offset: offset(reader))
    set(filter, of: reader)
    tracing.publish(0, at: 0, offset: offset(reader) + Self.lostOffset)
    let end = now + Self.lease
    tracing.publish(end, at: 0, offset: offset(reader))
    tracing.publish(end, at: 0)
    return (reader, end)
  }

  /// Gives back what readers hold that are gone. Costs nothing when there is none.
  func clearAbandoned() throws(DataplaneError) {
    let now = Clock.monotonicNanoseconds
    let gone = (0..<Int(SVC_TRACERS)).filter { tracer($0).owner != 0 && until($0) < now }
    guard !gone.isEmpty else { return }
    let lock = try DirectoryLock(directory)
    defer { withExtendedLifetime(lock) {} }
    for reader in gone where until(reader) < Clock.monotonicNanoseconds {
      try bpf { () throws(BPFError) in try clear(reader) }
    }
  }

  private func clear(_ reader: Int) throws(BPFError) {
    guard tracer(reader).owner != 0 else { return }
    tracing.publish(0, at: 0, offset: offset(reader))
    try RingBuffer.remove(from: rings, at: UInt32(reader))
    tracing.store(0, at: 0, offset: offset(reader) + Self.ownerOffset)
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
    if end >= now, tracing.exchange(end, for: new, at: 0, offset: offset(reader)) {
      tracing.publish(new, at: 0)
      return .kept(new)
    }
    let lock = try DirectoryLock(directory)
    defer { withExtendedLifetime(lock) {} }
    guard tracer(reader).owner == owner, [0, end].contains(until(reader)) else { return .taken }
    tracing.publish(new, at: 0, offset: offset(reader))
    tracing.publish(new, at: 0)
    return .resumed(new)
  }

  func lost(_ reader: Int) -> UInt64 {
    tracing.acquire(at: 0, offset: offset(reader) + Self.lostOffset)
  }

  /// From now on programs do not look for this reader; if it was the last one, for none.
  func stop(_ reader: Int, _ end: UInt64) {
    let all = tracing.acquire(at: 0)
    _ = tracing.exchange(end, for: 0, at: 0, offset: offset(reader))
    if (0..<Int(SVC_TRACERS)).allSatisfy({ until($0) == 0 }) {
      _ = tracing.exchange(all, for: 0, at: 0)
    }
  }

  /// Gives the place back.
  func leave(_ reader: Int, owner: UInt32) {
    guard let lock = try? DirectoryLock(directory) else { return }
    defer { withExtendedLifetime(lock) {} }
    if tracer(reader).owner == owner, until(reader) == 0 { try? clear(reader) }
  }
}
