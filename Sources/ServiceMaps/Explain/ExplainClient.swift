/// From where a connect is explained.
public struct ExplainClient: Hashable, Sendable {
  /// Whether socklb's programs run for it.
  public enum Coverage: Hashable, Sendable {
    case covered
    /// What is wrong.
    case problem(String)
    /// The kernel was not asked: no process or cgroup was named, or it may not be asked.
    case unknown
  }

  /// nil: none was named and none is in the network namespace or cgroup.
  public var process: SocketProcess?
  public var namespace: UInt64
  /// `host`, the name in /run/netns, or nil.
  public var namespaceName: String?
  /// The directory; nil: not known.
  public var cgroup: String?
  public var cgroupID: UInt64
  public var coverage: Coverage
  /// What its sockets are bound to; nil: nothing.
  public var bound: IPAddress?

  public init(
    process: SocketProcess? = nil, namespace: UInt64, namespaceName: String? = nil,
    cgroup: String? = nil, cgroupID: UInt64 = 0, coverage: Coverage = .unknown,
    bound: IPAddress? = nil
  ) {
    self.process = process
    self.namespace = namespace
    self.namespaceName = namespaceName
    self.cgroup = cgroup
    self.cgroupID = cgroupID
    self.coverage = coverage
    self.bound = bound
  }
}
