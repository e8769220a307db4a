/// What one reader wants to see.
public struct TraceFilter: Hashable, Sendable {
  /// The id of a cgroup, and how deep it lies; the root is 0.
  public struct CgroupPlace: Hashable, Sendable {
    public var id: UInt64
    public var level: UInt32

    public init(id: UInt64, level: UInt32) {
      self.id = id
      self.level = level
    }
  }

  /// Empty: of all Services.
  public var services: [SocketServiceFilter] = []
  public var backend: SocketBackendFilter?
  public var pid: UInt32?
  /// Also of what is below it.
  public var cgroup: CgroupPlace?
  /// Cookie of a network namespace.
  public var namespace: UInt64?
  public var failuresOnly = false
  public var sample: TraceSample?

  public init() {}
}
