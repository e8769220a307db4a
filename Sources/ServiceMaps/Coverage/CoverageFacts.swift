/// What the kernel says about programs and cgroups; `Coverage` draws the conclusions.
public struct CoverageFacts: Sendable, Equatable {
  /// A cgroup that some process is in.
  public struct Place: Sendable, Equatable {
    public var path: String
    /// The ids of the cgroup itself and of all above it, as far as they are seen.
    public var ids: Set<UInt64>
    public var processes: Int
    /// Program ids by hook, in the order in which they run; nil when the kernel did not say.
    public var programs: [String: [UInt32]]?

    public init(
      path: String, ids: Set<UInt64>, processes: Int, programs: [String: [UInt32]]?
    ) {
      self.path = path
      self.ids = ids
      self.processes = processes
      self.programs = programs
    }
  }

  /// A cgroup that socklb is attached to, by the links that are pinned.
  public struct Anchor: Sendable, Equatable {
    public var id: UInt64
    /// nil: gone, or out of sight.
    public var path: String?
    /// False when no link to it is alive any more.
    public var isLive: Bool

    public init(id: UInt64, path: String?, isLive: Bool) {
      self.id = id
      self.path = path
      self.isLive = isLive
    }
  }

  /// A program that is not ours.
  public struct Program: Sendable, Hashable {
    public var id: UInt32
    /// As its loader named it; nil when the kernel does not say.
    public var name: String?
    public var type: String

    public init(id: UInt32, name: String?, type: String) {
      self.id = id
      self.name = name
      self.type = type
    }
  }

  /// Our hooks, in the order in which they are named.
  public var hooks: [String]
  /// The programs of our links, by hook.
  public var own: [String: Set<UInt32>]
  public var anchors: [Anchor]
  public var places: [Place]
  /// What is known of programs that are not ours.
  public var others: [UInt32: Program]
  /// Cgroup paths that no mount shows here, with the processes in them.
  public var outOfSight: [String: Int]
  /// This process sees every process of the machine.
  public var seesAllProcesses: Bool
  /// Why the kernel was not asked; nil when it was.
  public var obstacle: String?

  public init(hooks: [String]) {
    self.hooks = hooks
    own = [:]
    anchors = []
    places = []
    others = [:]
    outOfSight = [:]
    seesAllProcesses = true
    obstacle = nil
  }
}
