// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes.

import CKernel
import Glibc
import ServiceMaps

/// Names of what netfilter has in the network namespace of this thread.
enum Netfilter {
  private static let room = 1 << 22

  /// The kernel has no nftables.
  static func isAbsent(_ failure: ErrnoFailure) -> Bool {
    [EPROTONOSUPPORT, EAFNOSUPPORT, EINVAL, EOPNOTSUPP, ENOENT].contains(failure.errno)
  }

  /// The chains of a table of iptables (legacy) that is there already.
  static func legacyChains(
    _ family: IPFamily, table: String
  ) -> Result<[String], ErrnoFailure> {
    unsafe names { to, room in
      unsafe ck_iptables_chains(family == .v4 ? AF_INET : AF_INET6, table, to, room)
    }
  }

  /// Tables of nftables, or else chains, among them those of iptables-nft.
  static func nftables(chains: Bool) -> Result<[String], ErrnoFailure> {
    unsafe names { to, room in unsafe ck_nftables_names(chains ? 1 : 0, to, room) }
  }

  private static func names(
    _ call: (UnsafeMutablePointer<CChar>?, Int) -> Int
  ) -> Result<[String], ErrnoFailure> {
    var bytes = [CChar](repeating: 0, count: room)
    let count = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      unsafe call(buffer.baseAddress, buffer.count)
    }
    if count < 0 { return .failure(ErrnoFailure(errno: Int32(-count))) }
    return .success(
      bytes.prefix(count).split(separator: 0).map { name in
        String(decoding: name.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      })
  }
}
