// SAFETY: `kill` and `getpid` take numbers and keep nothing.

import Glibc
package import Synchronization

/// For tests and benchmarks: counts stores into mapped memory, or ends this process, as kill -9
/// does, right before the n-th.
///
/// A store is no system call, so nothing from outside can stop a writer between two of them. Off
/// in every product: one load of a word that does not change, for each store.
package enum StoreTrap {
  /// The stores that are left, this one included; 0: off.
  package static let countdown = Atomic(0)
  /// What was stored while it was not off.
  package static let bytes = Atomic(0)

  static var isArmed: Bool { countdown.load(ordering: .relaxed) != 0 }

  @inline(__always) static func step(_ bytes: Int) {
    if countdown.load(ordering: .relaxed) != 0 { count(bytes) }
  }

  @inline(never) private static func count(_ stored: Int) {
    bytes.add(stored, ordering: .relaxed)
    if countdown.subtract(1, ordering: .relaxed).newValue == 0 { kill(getpid(), SIGKILL) }
  }
}
