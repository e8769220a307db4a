import BPFLoader
import ServiceDataplane
import SocketKit

/// The records that the data plane has of sockets.
struct SocketRecords {
  private let records: MappedArray<SocketRecord>
  private let offset: Int

  init(_ sandbox: Sandbox) throws {
    let map = try BPFMap(pinned: sandbox.pin + "/maps/sockets")
    let record = try map.structs().first { $0.name == "svc_socket" }
    guard let cookie = record?.members.first(where: { $0.name == "cookie" }) else {
      throw Failure("the records of the map sockets have no cookie")
    }
    offset = cookie.offset
    records = try MappedArray<SocketRecord>(map)
  }

  /// Of the sockets that have a record.
  var cookies: [UInt64] {
    (0..<UInt32(records.count)).lazy.map { records.acquire(at: $0, offset: offset) }
      .filter { $0 != 0 }
  }
}

/// How many sockets the data plane remembers, and whether it should.
///
/// Linux 6.18.44 does not run sock_release programs for every socket: in one of some 30 runs that
/// close 105,000 UDP sockets it missed 1 to 113 of them. A second program beside that of the data
/// plane missed the same ones, and so did one that does nothing but count some of its own. Such a
/// record is left for `Dataplane.sweepSockets`. Here the two are told apart: the second program
/// writes down what the kernel did run them for, and of these no record may be left.
struct SocketEntries {
  private let records: SocketRecords
  private let dataplane: Dataplane
  private let released: Int32
  private let most: Int
  private let before: Int

  /// - Parameter most: how many sockets will be closed, at most.
  init(_ sandbox: Sandbox, _ dataplane: Dataplane, most: Int = 10_000) throws {
    self.dataplane = dataplane
    self.most = most
    records = try SocketRecords(sandbox)
    released = try CallFailed.check(
      sk_watch_releases(sandbox.cgroup, Int32(most)), "a second sock_release program")
    before = records.cookies.count
  }

  /// How many there are more than at the beginning.
  private var count: Int { records.cookies.count - before }

  /// There are so many more than at the beginning. The last close of a descriptor that was passed
  /// on runs in a worker of the kernel now and then, so it may take a moment.
  func check(
    _ expected: Int, _ what: @autoclosure () -> String, line: Int = #line, file: String = #fileID
  ) throws {
    for _ in 0..<200 where count != expected { sk_sleep(10) }
    let forgotten = try records.cookies.count { cookie in
      try CallFailed.check(sk_was_released(released, cookie), "asking for a cookie") == 1
    }
    try checkEqual(
      forgotten, 0, "\(what()): entries of sockets that were released", line: line, file: file)
    let missed = count - expected
    guard missed > 0, missed <= most / 500 else {
      return try checkEqual(missed, 0, "\(what()): entries more", line: line, file: file)
    }
    print("\(what()): \(missed) sockets for which the kernel ran no sock_release program")
    // Records that are younger than some seconds are not swept.
    for _ in 0..<40 where count != expected {
      sk_sleep(500)
      try dataplane.sweepSockets(always: true)
    }
    try checkEqual(count, expected, "\(what()): entries after sweeping", line: line, file: file)
  }
}

/// A record of `sockets`, of which only the cookie matters here: it is 0 when the record is free.
private struct SocketRecord: BitwiseCopyable, Sendable {
  var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
}
