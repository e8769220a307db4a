import BPFLoader
import CServiceABI

/// Writes records of sockets that do not exist, as if their sockets had vanished unseen.
struct FakeRecords {
  private let records: MappedArray<svc_socket>
  private let tags: MappedArray<svc_socket_tags>

  init(_ sandbox: Sandbox) throws {
    records = try MappedArray(BPFMap(pinned: sandbox.pin + "/maps/sockets"))
    tags = try MappedArray(BPFMap(pinned: sandbox.pin + "/maps/socket_tags"))
  }

  /// How many records are taken.
  var taken: Int { (0..<UInt32(records.count)).count { records[$0].cookie != 0 } }

  func record(_ cookie: UInt64, way: UInt32) -> svc_socket { records[index(cookie, way)] }

  private func index(_ cookie: UInt64, _ way: UInt32) -> UInt32 {
    way * UInt32(SVC_SOCKET_SETS) + UInt32(cookie % UInt64(SVC_SOCKET_SETS))
  }

  /// Puts a record where no other one is.
  func put(_ cookie: UInt64, way: UInt32, _ flow: svc_flow) {
    let index = index(cookie, way)
    guard records[index].cookie == 0 else { return }
    records.store(svc_socket(flow: flow, cookie: cookie), at: index)
    let tag = 0x80 | UInt8(cookie / UInt64(SVC_SOCKET_SETS) & 0x7f)
    tags.publish(byte: tag, at: UInt32(cookie % UInt64(SVC_SOCKET_SETS)), offset: Int(way))
  }

  /// Takes this many ways of every set.
  func fill(ways: UInt32, _ flow: svc_flow = svc_flow()) {
    for way in 0..<ways {
      for set in 0..<UInt64(SVC_SOCKET_SETS) {
        put(1 << 60 + (UInt64(way) << 20) * UInt64(SVC_SOCKET_SETS) + set, way: way, flow)
      }
    }
  }

  func fillAll() { fill(ways: UInt32(SVC_SOCKET_WAYS)) }
}
