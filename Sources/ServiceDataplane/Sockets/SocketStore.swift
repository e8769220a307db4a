import BPFLoader
import CServiceABI

/// What sockets remember, as the programs keep it: `sockets` and `socket_tags`.
///
/// Programs write it while it is read. What is found here is a reason to look closer, under the
/// socket's lock; nothing is done to a socket because of it alone.
struct SocketStore: Sendable {
  private let records: MappedArray<svc_socket>
  private let tags: MappedArray<svc_socket_tags>

  /// Ports and service: one aligned word of a flow.
  private static let wayOffset = MemoryLayout<svc_flow>.offset(of: \.vip_port_be) ?? 32
  private static let cookieOffset = MemoryLayout<svc_socket>.offset(of: \.cookie) ?? 56

  init(records: BPFMap, tags: BPFMap) throws(BPFError) {
    self.records = try MappedArray(records)
    self.tags = try MappedArray(tags)
  }

  var count: Int { records.count }

  /// A record that a socket has, and where it is.
  struct Record: Sendable {
    var index: UInt32
    var socket: svc_socket
  }

  /// How many records are taken: tags have their highest bit set, `was_full` has not.
  var taken: Int {
    (0..<UInt32(tags.count)).reduce(0) { sum, set in
      sum + (tags.acquire(at: set) & 0x8080_8080_8080_8080).nonzeroBitCount
    }
  }

  /// Some sockets may be in `more_flows` only.
  var wasFull: Bool {
    (0..<UInt32(tags.count)).contains { tags[$0].was_full != 0 }
  }

  /// Every record that is taken.
  func all() -> [Record] {
    var result: [Record] = []
    for set in 0..<UInt32(tags.count) {
      guard tags.acquire(at: set) != 0 else { continue }
      for way in 0..<UInt32(SVC_SOCKET_WAYS) {
        let index = way * UInt32(SVC_SOCKET_SETS) + set
        let cookie = records.acquire(at: index, offset: Self.cookieOffset)
        if cookie != 0 { result.append(Record(index: index, socket: records[index])) }
      }
    }
    return result
  }

  // MARK: Writing

  /// No program finds the record any more, once those that run now have ended.
  ///
  /// - Returns: false when it is another socket's by now, and was left alone.
  func hide(_ record: Record) -> Bool {
    guard isSame(record) else { return false }
    setTag(of: record, to: 0)
    // Given back and claimed between the two lines above: it is the other one's tag that is gone.
    guard isSame(record) else {
      show(record)
      return false
    }
    return true
  }

  /// The tag of whoever has the record now.
  func show(_ record: Record) {
    let cookie = records.acquire(at: record.index, offset: Self.cookieOffset)
    let tag = 0x80 | UInt8(cookie / UInt64(SVC_SOCKET_SETS) & 0x7f)
    setTag(of: record, to: cookie == 0 ? 0 : tag)
  }

  private func setTag(of record: Record, to tag: UInt8) {
    let sets = UInt32(SVC_SOCKET_SETS)
    tags.publish(byte: tag, at: record.index % sets, offset: Int(record.index / sets))
  }

  /// The record is that of the same socket still.
  private func isSame(_ record: Record) -> Bool {
    records.acquire(at: record.index, offset: Self.cookieOffset) == record.socket.cookie
  }

  /// Gives a hidden record back, as sock_release does, unless it was written meanwhile.
  ///
  /// - Returns: false when it was.
  func release(_ record: Record) -> Bool {
    let flow = records[record.index].flow
    let old = record.socket.flow
    guard isSame(record), flow.way == old.way, flow.endpoint == old.endpoint,
      flow.since == old.since,
      records.exchange(
        old.way.littleEndian, for: UInt64(old.vip_port_be).littleEndian, at: record.index,
        offset: Self.wayOffset)
    else { return false }
    return records.exchange(
      record.socket.cookie, for: 0, at: record.index, offset: Self.cookieOffset)
  }

  /// Notes that nothing goes through this flow any more, unless its socket has replaced it, or is
  /// gone and has left the record to another one: with the same ports and service, most likely.
  func markPast(_ record: Record) {
    let old = record.socket.flow
    let flow = records[record.index].flow
    guard isSame(record), flow.endpoint == old.endpoint, flow.generation == old.generation else {
      return
    }
    let way = old.way
    let past = way | UInt64(SVC_FLOW_PAST.rawValue) << 32
    _ = records.exchange(
      way.littleEndian, for: past.littleEndian, at: record.index, offset: Self.wayOffset)
  }
}

extension svc_flow {
  /// Made a moment before `now` (2 to 20 s, by the kernel's HZ), or later: the call that made it
  /// may not have come to its end.
  func isYoung(at now: UInt32) -> Bool { Int32(bitPattern: now &- since) < 128 }

  /// Ports and service, as they lie in memory.
  var way: UInt64 {
    UInt64(vip_port_be) | UInt64(backend_port_be) << 16 | UInt64(service) << 32
  }

  var isCurrent: Bool { backend_port_be != 0 && service & SVC_FLOW_PAST.rawValue == 0 }
  var isConnected: Bool { service & SVC_FLOW_CONNECTED.rawValue != 0 }
  var isTCP: Bool { service & SVC_FLOW_TCP.rawValue != 0 }
  var hasMore: Bool { service & SVC_FLOW_MORE.rawValue != 0 }
  var serviceID: UInt32 { service & UInt32(SVC_FLOW_SERVICE_MASK) }
  /// IPv4 is kept as ::ffff:a.b.c.d.
  var isIPv4: Bool {
    vip_be.0 == 0 && vip_be.1 == 0 && vip_be.2 == UInt32(0x0000_ffff).bigEndian
  }
}
