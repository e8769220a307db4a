/// What a new socket would get: asked of the program in the kernel.
public struct ExplainQuestion: Hashable, Sendable {
  public var key: FrontendKey
  /// Cookie of the network namespace.
  public var namespace: UInt64
  /// Id of the process's cgroup.
  public var cgroup: UInt64
  /// What the socket is bound to; nil: nothing.
  public var bound: IPAddress?
  /// What a draw is made of; equal seeds draw the same.
  public var seed: UInt64

  public init(
    key: FrontendKey, namespace: UInt64, cgroup: UInt64 = 0, bound: IPAddress? = nil,
    seed: UInt64 = 0
  ) {
    self.key = key
    self.namespace = namespace
    self.cgroup = cgroup
    self.bound = bound
    self.seed = seed
  }
}

/// What the program says.
public struct ExplainAnswer: Hashable, Sendable {
  /// Session affinity has asked for this client of this service port.
  public struct Client: Hashable, Sendable {
    /// A network namespace cookie, or a cgroup id.
    public var id: UInt64
    public var isCgroup: Bool
    /// What is remembered of it, right or not.
    public var entry: Entry?

    public init(id: UInt64, isCgroup: Bool, entry: Entry? = nil) {
      self.id = id
      self.isCgroup = isCgroup
      self.entry = entry
    }
  }

  /// An element of the map `affinities`.
  public struct Entry: Hashable, Sendable {
    public var endpoint: UInt32
    public var generation: UInt32
    /// Seconds since it was used last.
    public var age: UInt64

    public init(endpoint: UInt32, generation: UInt32, age: UInt64) {
      self.endpoint = endpoint
      self.generation = generation
      self.age = age
    }
  }

  /// A frontend was found.
  public struct Found: Hashable, Sendable {
    public var frontend: UInt32
    public var service: UInt32
    public var list: SlotRange

    public init(frontend: UInt32, service: UInt32, list: SlotRange) {
      self.frontend = frontend
      self.service = service
      self.list = list
    }
  }

  /// nil: it is no Service's, and left alone.
  public var reason: TraceDecision.Reason?
  /// nil: no Service's, or a port of a clusterIP that no Service has.
  public var found: Found?
  /// nil: refused, or left alone. Where the choice is random, that of the seed.
  public var backend: Backend?
  /// errno of a refusal; 0: none.
  public var error: UInt32
  /// Sockets may remember this address as a backend's: what they remember is cleared.
  public var mayBeBackend: Bool
  public var client: Client?
  /// The kernel's clock when it was answered: a draw of a hook is made of it.
  public var jiffies: UInt64

  public init(
    reason: TraceDecision.Reason?, found: Found? = nil, backend: Backend? = nil,
    error: UInt32 = 0, mayBeBackend: Bool = false, client: Client? = nil, jiffies: UInt64 = 0
  ) {
    self.reason = reason
    self.found = found
    self.backend = backend
    self.error = error
    self.mayBeBackend = mayBeBackend
    self.client = client
    self.jiffies = jiffies
  }
}
