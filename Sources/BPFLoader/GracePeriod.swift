/// Waits until every program that was running has ended.
///
/// Updating an ARRAY_OF_MAPS makes the kernel wait for running programs
/// (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c). `membarrier` does not: with one CPU and
/// `preempt=full` it was measured to return before a running program ended.
/// Programs of type SYSCALL are not covered.
public final class GracePeriod: Sendable {
  private let maps: (outer: FileDescriptor, inner: FileDescriptor)?

  /// For whoever only reads: making the maps takes CAP_BPF. `wait` throws.
  public static let none = GracePeriod(maps: nil)

  private init(maps: (outer: FileDescriptor, inner: FileDescriptor)?) { self.maps = maps }

  public init() throws(BPFError) {
    switch Calls.createMapInMap() {
    case .failure(let failure): throw .call("creating a map of maps", errno: failure.errno)
    case .success(let fds):
      maps = (FileDescriptor(owning: fds.outer), FileDescriptor(owning: fds.inner))
    }
  }

  /// Blocks for one grace period: milliseconds.
  public func wait() throws(BPFError) {
    guard let maps else {
      throw BPFError(.permission, "waiting for running programs: the maps were opened for reading")
    }
    if let errno = Calls.update(
      maps.outer.number, key: UInt32(0), value: UInt32(maps.inner.number))
    {
      throw .call("waiting for running programs", errno: errno)
    }
  }
}
