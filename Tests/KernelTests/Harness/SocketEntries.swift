import BPFLoader
import SocketKit

extension Sandbox {
  /// How many sockets the data plane remembers: records of the map `sockets` that are not free.
  func socketEntries() throws -> Int {
    let map = try BPFMap(pinned: pin + "/maps/sockets")
    let record = try map.structs().first { $0.name == "svc_socket" }
    guard let cookie = record?.members.first(where: { $0.name == "cookie" }) else {
      throw Failure("the records of the map sockets have no cookie")
    }
    let sockets = try MappedArray<SocketRecord>(map)
    return (0..<UInt32(sockets.count)).count { index in
      sockets.acquire(at: index, offset: cookie.offset) != 0
    }
  }

  /// The tables hold as much as before. The last close of a descriptor that was passed on runs
  /// in a worker of the kernel now and then, so it may take a moment.
  func checkEntries(
    _ expected: Int, _ what: @autoclosure () -> String, line: Int = #line, file: String = #fileID
  ) throws {
    var found = try socketEntries()
    for _ in 0..<200 where found != expected {
      sk_sleep(10)
      found = try socketEntries()
    }
    try checkEqual(found, expected, "\(what()): entries", line: line, file: file)
  }
}

/// A record of `sockets`, of which only the cookie matters here: it is 0 when the record is free.
private struct SocketRecord: BitwiseCopyable, Sendable {
  var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
}
