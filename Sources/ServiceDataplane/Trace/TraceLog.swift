import BPFLoader
import CServiceABI

/// What programs write for one reader: for each processor a lane of records, so that nobody waits
/// for anybody. ARCHITECTURE.md, "Trace".
final class TraceLog {
  private let map: BPFMap
  private let records: MappedArray<svc_trace_record>
  private let recordsPerLane: Int
  /// How many records were taken out of each lane, and of how many the programs know.
  private var taken: [UInt64]
  private var told: [UInt64]

  /// Fewer would not last for one processor until the reader comes again.
  private static let fewestRecords = 4096

  /// - Parameter size: in bytes, a power of two.
  init(size: Int) throws(BPFError) {
    let count = size / MemoryLayout<svc_trace_record>.stride
    let most = min(Int(SVC_TRACE_LANES), count / Self.fewestRecords)
    var lanes = 1
    while lanes < BPFMap.possibleProcessors, lanes * 2 <= most { lanes *= 2 }
    recordsPerLane = count / lanes
    taken = Array(repeating: 0, count: lanes)
    told = taken
    map = try BPFMap(
      innerArray: "socklb_trace", valueSize: MemoryLayout<svc_trace_record>.stride, count: count)
    records = try MappedArray(map)
  }

  var laneMask: UInt64 { UInt64(taken.count - 1) }

  func put(into logs: BPFMap, at reader: Int) throws(BPFError) {
    try map.put(into: logs, at: UInt32(reader))
  }

  /// What a lane is before anything was written.
  func emptyLane(_ lane: Int) -> svc_trace_lane {
    var result = svc_trace_lane()
    guard taken.indices.contains(lane) else { return result }
    result.base = UInt32(lane * recordsPerLane)
    result.mask = UInt32(recordsPerLane - 1)
    return result
  }

  /// Takes decisions out that were made before `end`, oldest first, until there are none or
  /// `limit` were taken.
  ///
  /// - Parameter tell: how many were taken out of which lane: from then on there is room for others.
  func take(
    before end: UInt64, limit: Int, _ visit: (svc_trace_event) -> Void,
    tell: (_ taken: UInt64, _ lane: Int) -> Void
  ) -> Int {
    var next = taken.indices.map { event(in: $0) }
    var count = 0
    while count < limit {
      var oldest: (lane: Int, event: svc_trace_event)?
      for (lane, event) in next.enumerated() {
        guard let event, event.time < oldest?.event.time ?? end else { continue }
        oldest = (lane, event)
      }
      guard let (lane, event) = oldest else { break }
      visit(event)
      count += 1
      taken[lane] += 1
      if taken[lane] - told[lane] == 512 { self.tell(lane, tell) }
      next[lane] = self.event(in: lane)
    }
    for lane in taken.indices where taken[lane] != told[lane] { self.tell(lane, tell) }
    return count
  }

  /// Tells once more how many were taken out of each lane.
  func tellAll(_ tell: (_ taken: UInt64, _ lane: Int) -> Void) {
    for lane in taken.indices { self.tell(lane, tell) }
  }

  private func tell(_ lane: Int, _ tell: (UInt64, Int) -> Void) {
    told[lane] = taken[lane]
    tell(taken[lane], lane)
  }

  /// The next one of a lane; nil: it is not written yet.
  private func event(in lane: Int) -> svc_trace_event? {
    let number = taken[lane]
    let place = UInt32(lane * recordsPerLane + Int(number) & (recordsPerLane - 1))
    guard records.acquire(at: place) == number + 1 else { return nil }
    return records[place].event
  }
}
