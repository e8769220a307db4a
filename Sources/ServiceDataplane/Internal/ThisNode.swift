// SAFETY, all of this file: the list of getifaddrs is read before it is freed, and every address is
// read with the size of its family.

import Glibc
public import ServiceMaps

/// What this machine says of itself as a node.
public enum ThisNode {
  /// The host name in lower case, as kubelet names the node.
  public static var hostName: String {
    (try? Files.read("/proc/sys/kernel/hostname")).flatMap { $0 }
      .map { String(decoding: $0.prefix { $0 != 10 }, as: UTF8.self).lowercased() } ?? ""
  }

  /// The addresses of this network namespace's interfaces, in their order, without loopback,
  /// link-local and multicast ones.
  public static var interfaceAddresses: [IPAddress] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&first) == 0 else { return [] }
    defer { unsafe freeifaddrs(first) }
    var result: [IPAddress] = []
    var next = unsafe first
    while let entry = unsafe next {
      if let address = unsafe self.address(entry.pointee.ifa_addr),
        !address.isLoopback, !address.isLinkLocal, !address.isMulticast,
        !address.isUnspecified, !result.contains(address)
      {
        result.append(address)
      }
      unsafe next = entry.pointee.ifa_next
    }
    return result
  }

  private static func address(_ pointer: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
    guard let pointer = unsafe pointer else { return nil }
    let raw = UnsafeRawPointer(pointer)
    switch Int32(unsafe pointer.pointee.sa_family) {
    case AF_INET:
      let address = unsafe raw.loadUnaligned(as: sockaddr_in.self)
      return IPAddress(v4: UInt32(bigEndian: address.sin_addr.s_addr))
    case AF_INET6:
      let address = unsafe raw.loadUnaligned(as: sockaddr_in6.self)
      return unsafe withUnsafeBytes(of: address.sin6_addr) { unsafe IPAddress(bytes: Array($0)) }
    default: return nil
    }
  }
}
