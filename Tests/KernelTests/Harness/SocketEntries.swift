import BPFLoader
import SocketKit

extension Sandbox {
  /// How many sockets the data plane remembers: records of the map `sockets` that are not free.
  func socketEntries() throws -> Int {
    let sockets = try MappedArray<SocketRecord>(BPFMap(pinned: pin + "/maps/sockets"))
    return (0..<UInt32(sockets.count)).count { sockets.acquire(at: $0) != 0 }
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

/// A record of `sockets` begins with the cookie, which is 0 when it is free.
private struct SocketRecord: BitwiseCopyable, Sendable {
  var cookie: UInt64
  var flow: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
}
