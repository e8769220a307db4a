import Foundation
import Synchronization

final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  @discardableResult func add(_ number: Int) -> Int {
    count.withLock { count in
      count += number
      return count
    }
  }
}

/// SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT and TCP_USER_TIMEOUT of this process's sockets that are
/// connected to that port.
func socketOptions(to port: Int) -> [[Int32]] {
  (Int32(3)..<1024).compactMap { fd in
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(fd, $0, &length) }
    }
    guard result == 0, address.sin_family == AF_INET,
      Int(UInt16(bigEndian: address.sin_port)) == port
    else { return nil }
    let options: [(Int32, Int32)] = [
      (SOL_SOCKET, SO_KEEPALIVE), (6, TCP_KEEPIDLE), (6, TCP_KEEPINTVL), (6, TCP_KEEPCNT),
      (6, TCP_USER_TIMEOUT),
    ]
    return options.map { level, name in
      var value: Int32 = -1
      var size = socklen_t(4)
      getsockopt(fd, level, name, &value, &size)
      return value
    }
  }
}

/// What the system finds for a name.
func addresses(of name: String) -> [String] {
  var list: UnsafeMutablePointer<addrinfo>?
  guard getaddrinfo(name, nil, nil, &list) == 0 else { return [] }
  defer { freeaddrinfo(list) }
  var found: [String] = []
  var next = list
  while let entry = next {
    var text = [CChar](repeating: 0, count: 100)
    getnameinfo(
      entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, 100, nil, 0, NI_NUMERICHOST)
    found.append(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
    next = entry.pointee.ai_next
  }
  return found
}

/// How many pipes this process has.
func openPipes() -> Int {
  let directory = "/proc/self/fd"
  let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
  return names.count { name in
    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + name)
    return target?.hasPrefix("pipe:") ?? false
  }
}
