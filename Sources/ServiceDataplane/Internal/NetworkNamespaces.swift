// SAFETY, all of this file: pointers given to C live until the call returns; buffers have the
// sizes that ckernel.h asks for.

import CKernel
import Glibc
import ServiceMaps

/// The network namespaces of running processes.
enum NetworkNamespaces {
  /// The cookie of the namespace that this process is in; 0 when the kernel does not say.
  static var ownCookie: UInt64 { ck_netns_cookie() }

  /// This process is in the first pid namespace, whose inode is fixed (PROC_PID_INIT_INO), and so
  /// sees every process of the machine. Else there may be sockets that it cannot find.
  static var seesAllProcesses: Bool { Files.inode("/proc/self/ns/pid") == 0xEFFF_FFFC }

  /// One path per namespace that some process is in.
  static func paths() throws(DataplaneError) -> [String] {
    var result: [UInt64: String] = [:]
    for pid in try processes() {
      let path = "/proc/\(pid)/ns/net"
      if let inode = Files.inode(path), result[inode] == nil { result[inode] = path }
    }
    return result.values.sorted()
  }

  static func processes() throws(DataplaneError) -> [String] {
    try Files.list("/proc").filter { $0.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } }
  }

  /// - Returns: nil when the namespace cannot be entered, or is gone.
  static func cookie(of path: String, inode: UInt64) -> UInt64? {
    if Files.inode("/proc/self/ns/net") == inode { return ownCookie }
    var cookie: UInt64 = 0
    _ = unsafe ck_source_address(path, 0, nil, nil, &cookie)
    return cookie == 0 ? nil : cookie
  }

  struct Source {
    var cookie: UInt64 = 0
    var address: IPAddress?
  }

  /// The source address that the namespace's routing chooses towards the first of
  /// `destinations` (all of one family) that it has a route to.
  ///
  /// - Returns: nil when the namespace cannot be entered, or is gone.
  static func source(in path: String, towards destinations: [IPAddress]) -> Source? {
    var result = Source()
    for destination in destinations {
      var address = destination.bytes
      var chosen = [UInt8](repeating: 0, count: 16)
      let family = destination.family == .v4 ? AF_INET : AF_INET6
      let code = unsafe ck_source_address(path, family, &address, &chosen, &result.cookie)
      if code == 0 {
        result.address = IPAddress(bytes: Array(chosen.prefix(address.count)))
        break
      }
      if result.cookie == 0 { return nil }
    }
    return result
  }
}
