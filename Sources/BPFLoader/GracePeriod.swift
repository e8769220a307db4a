/// Waits until every program that was running has ended.
///
/// Updating an ARRAY_OF_MAPS makes the kernel wait for running programs
/// (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c). `membarrier` does not: with one CPU and
/// `preempt=full` it was measured to return before a running program ended.
/// Programs of type SYSCALL are not covered.
public final class GracePeriod: Sendable {
  /// nil: waits for nothing.
  private let maps: (outer: FileDescriptor, inner: FileDescriptor)?

  public init() throws(BPFError) {
    switch Calls.createMapInMap() {
    case .failure(let failure): throw .call("creating a map of maps", errno: failure.errno)
    case .success(let fds):
      maps = (FileDescriptor(owning: fds.outer), FileDescriptor(owning: fds.inner))
    }
  }

  private init(waitingForNothing: Void) { maps = nil }

  /// For the test that shows what the wait is good for.
  package static let none = GracePeriod(waitingForNothing: ())

  /// Blocks for one grace period: milliseconds.
  public func wait() throws(BPFError) {
    guard let maps else { return }
    if let errno = Calls.update(maps.outer.number, key: UInt32(0), value: UInt32(maps.inner.number))
    {
      throw .call("waiting for running programs", errno: errno)
    }
  }
}
