import BPFLoader
import CServiceABI
import SocketKit

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

  private func index(_ cookie: UInt64, _ way: UInt32) -> UInt32 {
    way * UInt32(SVC_SOCKET_SETS) + UInt32(cookie % UInt64(SVC_SOCKET_SETS))
  }

  /// The record of a socket.
  func record(of socket: Socket) -> svc_socket? { index(of: socket).map { records[$0] } }

  private func index(of socket: Socket) -> UInt32? {
    let cookie = sk_cookie(socket.descriptor)
    return (0..<UInt32(SVC_SOCKET_WAYS)).map { index(cookie, $0) }
      .first { records[$0].cookie == cookie }
  }

  /// Makes the record of a socket look older.
  func age(_ socket: Socket) throws {
    guard let index = index(of: socket) else { throw Failure("a socket has no record") }
    records.store(
      records[index].flow.since &- 1000, at: index,
      offset: MemoryLayout<svc_flow>.offset(of: \.since) ?? -1)
  }

  /// Puts a record where no other one is.
  func put(_ cookie: UInt64, way: UInt32, _ flow: svc_flow) {
    let index = index(cookie, way)
    guard records[index].cookie == 0 else { return }
    records.store(svc_socket(flow: flow, cookie: cookie), at: index)
    let tag = 0x80 | UInt8(cookie / UInt64(SVC_SOCKET_SETS) & 0x7f)
    tags.publish(byte: tag, at: UInt32(cookie % UInt64(SVC_SOCKET_SETS)), offset: Int(way))
  }

  /// The first of those that `fill` makes.
  private static let firstCookie: UInt64 = 1 << 60

  /// Takes this many ways of every set.
  func fill(ways: UInt32, _ flow: svc_flow = svc_flow()) {
    for way in 0..<ways {
      for set in 0..<UInt64(SVC_SOCKET_SETS) {
        put(Self.firstCookie + (UInt64(way) << 20) * UInt64(SVC_SOCKET_SETS) + set, way: way, flow)
      }
    }
  }

  /// Gives back what `fill` has taken, as sock_release does: the tag, the flow, the cookie.
  func releaseFilled() {
    for index in 0..<UInt32(records.count) {
      guard records[index].cookie >= Self.firstCookie else { continue }
      let sets = UInt32(SVC_SOCKET_SETS)
      tags.publish(byte: 0, at: index % sets, offset: Int(index / sets))
      records.store(svc_socket(), at: index)
    }
  }

  func fillAll() { fill(ways: UInt32(SVC_SOCKET_WAYS)) }
}
