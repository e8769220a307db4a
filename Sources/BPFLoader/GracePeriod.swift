/// Waits until every program that was running has ended.
///
/// Updating an ARRAY_OF_MAPS makes the kernel wait for running programs
/// (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c). `membarrier` does not: with one CPU and
/// `preempt=full` it was measured to return before a running program ended.
/// Programs of type SYSCALL are not covered.
public final class GracePeriod: Sendable {
  private enum Way {
    case maps(outer: FileDescriptor, inner: FileDescriptor)
    case impossible
    case ignored
  }

  private let way: Way

  private init(_ way: Way) { self.way = way }

  /// For whoever only reads: making the maps takes CAP_BPF. `wait` throws.
  public static let none = GracePeriod(.impossible)

  /// For the test that shows what the wait is good for: `wait` returns at once.
  package static let ignored = GracePeriod(.ignored)

  public init() throws(BPFError) {
    switch Calls.createMapInMap() {
    case .failure(let failure): throw .call("creating a map of maps", errno: failure.errno)
    case .success(let fds):
      way = .maps(
        outer: FileDescriptor(owning: fds.outer), inner: FileDescriptor(owning: fds.inner))
    }
  }

  /// Blocks for one grace period: milliseconds.
  public func wait() throws(BPFError) {
    switch way {
    case .ignored: return
    case .impossible:
      throw BPFError(.permission, "waiting for running programs: the maps were opened for reading")
    case .maps(let outer, let inner):
      if let errno = Calls.update(outer.number, key: UInt32(0), value: UInt32(inner.number)) {
        throw .call("waiting for running programs", errno: errno)
      }
    }
  }
}
