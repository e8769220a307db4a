import Glibc
import NIOCore

extension IOError {
  var isRefused: Bool { errnoCode == ECONNREFUSED }
  var isClosedByPeer: Bool { errnoCode == ECONNRESET || errnoCode == EPIPE }
}

extension SocketChoices {
  /// Notices a peer that is gone without a word: after 15 s of silence it is asked every 5 s, and after 30 s
  /// without an answer, to that or to what was sent, the connection is over.
  static let tcp: [(option: Int, value: Int)] = [
    (Int(TCP_NODELAY), 1), (Int(TCP_KEEPIDLE), 15), (Int(TCP_KEEPINTVL), 5), (Int(TCP_KEEPCNT), 4),
    (Int(TCP_USER_TIMEOUT), 30_000),
  ]
}
