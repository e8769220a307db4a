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

  /// Notes that nothing goes through this flow any more, unless its socket has replaced it.
  func markPast(_ record: Record) {
    let service = UInt64(record.socket.flow.service)
    let word =
      UInt64(record.socket.flow.vip_port_be) | UInt64(record.socket.flow.backend_port_be) << 16
      | service << 32
    let past = word | UInt64(SVC_FLOW_PAST.rawValue) << 32
    _ = records.exchange(
      word.littleEndian, for: past.littleEndian, at: record.index, offset: Self.wayOffset)
  }
}

extension svc_flow {
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
