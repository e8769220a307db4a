// SAFETY, all of this file: only numbers are given to C.

import Glibc
import NIOCore

enum CloseOnExec {
  /// No program that is started from here gets the socket.
  static func set(_ channel: any Channel) throws {
    try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
      of: NIOBSDSocket.Handle.self
    ) { descriptor in
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }
  }
}

enum Priority {
  /// Of this thread alone, which is Linux's way: the processor is left to others first.
  static func yield() {
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
  }
}

/// Why listening failed.
enum Reason {
  static func text(of error: any Error) -> String {
    guard let code = (error as? IOError)?.errnoCode else { return "\(error)" }
    switch code {
    case EADDRINUSE: return "another process has this port"
    case EADDRNOTAVAIL: return "this machine does not have this address"
    case EACCES, EPERM: return "not permitted (CAP_NET_BIND_SERVICE is needed below 1024)"
    case EMFILE, ENFILE: return "too many files are open"
    default: return unsafe String(cString: strerror(code))
    }
  }

  /// The kernel has no IPv6.
  static func isNoSuchFamily(_ error: any Error) -> Bool {
    let code = (error as? IOError)?.errnoCode
    return code == EAFNOSUPPORT || code == EADDRNOTAVAIL || code == EPFNOSUPPORT
  }
}
