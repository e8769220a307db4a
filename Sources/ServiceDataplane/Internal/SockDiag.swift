// SAFETY, all of this file: the request is copied by the call and not kept.

import CKernel
import CServiceABI
import Glibc

/// SOCK_DIAG, which `ss --kill` uses: it ends a socket by its addresses and its cookie.
enum SockDiag {
  /// Ends a socket of the calling thread's network namespace.
  ///
  /// - Returns: 0 or errno.
  static func end(_ found: svc_located) -> Int32 {
    var socket = ck_socket(
      local_be: found.local_be, peer_be: found.peer_be, cookie: found.cookie,
      local_port_be: found.local_port_be, peer_port_be: found.peer_port_be, device: found.device,
      family: found.family, protocol: found.protocol)
    return -(unsafe ck_sock_diag_destroy(&socket))
  }

  /// Why it cannot be used for TCP or UDP; nil when it can.
  static func obstacle(tcp: Bool) -> String? {
    let name = tcp ? "TCP" : "UDP"
    switch -ck_sock_diag_probe(Int32(tcp ? IPPROTO_TCP : IPPROTO_UDP)) {
    case 0: return nil
    case ENOENT: return "no SOCK_DIAG for \(name) (module \(tcp ? "tcp_diag" : "udp_diag"))"
    case EOPNOTSUPP: return "no SOCK_DESTROY for \(name) (CONFIG_INET_DIAG_DESTROY)"
    case let error: return "no SOCK_DESTROY for \(name) (\(SystemText.error(error)))"
    }
  }
}
