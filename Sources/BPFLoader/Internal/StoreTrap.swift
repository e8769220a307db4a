// SAFETY: `kill` and `getpid` take numbers and keep nothing.

import Glibc
package import Synchronization

/// For tests: ends this process, as kill -9 does, right before its n-th store into mapped memory.
///
/// A store is no system call, so nothing from outside can stop a writer between two of them. Off
/// in every product: one load of a word that does not change, for each store.
package enum StoreTrap {
  /// The stores that are left, this one included; 0: off.
  package static let countdown = Atomic(0)

  @inline(__always) static func step() {
    if countdown.load(ordering: .relaxed) != 0 { count() }
  }

  @inline(never) private static func count() {
    if countdown.subtract(1, ordering: .relaxed).newValue == 0 { kill(getpid(), SIGKILL) }
  }
}
