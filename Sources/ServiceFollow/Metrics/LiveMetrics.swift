public import ServiceMaps

/// What a process that follows objects counts of its own work.
///
/// A value: whoever shows it works with a copy.
public struct LiveMetrics: Sendable {
  public var started: WallTime
  public var version: String
  /// `manifests` or `kubernetes`.
  public var sourceKind: String

  // MARK: Changes

  public var syncDuration = Histogram.syncDuration
  public var networkProgramming = Histogram.networkProgramming
  public var lastSynced: WallTime?
  public var lastQueued: WallTime?
  public var endpointChanges: UInt64 = 0
  public var serviceChanges: UInt64 = 0
  public var endpointChangesPending = 0
  public var serviceChangesPending = 0
  /// How often all of it was compared with what is in the maps.
  public var wholeSyncs: UInt64 = 0
  /// Changes that could not be made.
  public var failures: UInt64 = 0

  // MARK: What there is

  public var objects: [ObjectKind: Int] = [:]
  public var local: [NamespacedName: LocalService] = [:] {
    didSet { sums = Sums(local) }
  }
  private(set) var sums = Sums([:])
  public var mapUse: [MapUse] = []
  public var brokenFiles = 0
  public var files: Int?
  public var sources: [Source] = []

  // MARK: Trouble

  public var hasTrouble = false
  public var lockWaits: UInt64 = 0
  public var storeFailures: UInt64 = 0
  public var stores: UInt64 = 0
  public var socketsEnded: UInt64 = 0
  public var storeSeconds = 0.0

  // MARK: Answers

  public var healthz = CodeCounts()
  public var livez = CodeCounts()
  public var readyz = CodeCounts()
  public var listeners: [ListenerState] = []
  public var listenFailures: UInt64 = 0

  public struct CodeCounts: Hashable, Sendable {
    private var good: UInt64 = 0
    private var bad: UInt64 = 0

    public mutating func count(_ code: Int) {
      if code == 200 { good += 1 } else if code == 503 { bad += 1 }
    }

    var all: [(String, UInt64)] { [("200", good), ("503", bad)] }
  }

  /// Where objects come from: a directory, or one kind of object of the API server.
  public struct Source: Hashable, Sendable {
    public var name: String
    /// nil: it has said all that there was, and has been heard of since; else what is amiss.
    public var problem: String?
    /// All that there is has been read once.
    public var isComplete: Bool
    public var isConnected: Bool

    public init(
      _ name: String, isComplete: Bool, isConnected: Bool = true, problem: String? = nil
    ) {
      self.name = name
      self.isComplete = isComplete
      self.isConnected = isConnected
      self.problem = problem
    }
  }

  /// What is used of a map, in one family.
  public struct MapUse: Hashable, Sendable {
    public var what: String
    public var family: IPFamily
    public var used: Int
    public var room: Int

    public init(_ what: String, _ family: IPFamily, used: Int, room: Int) {
      self.what = what
      self.family = family
      self.used = used
      self.room = room
    }
  }

  public struct ListenerState: Hashable, Sendable {
    public var name: String
    public var address: String
    public var isListening: Bool

    public init(_ name: String, _ address: String, isListening: Bool) {
      self.name = name
      self.address = address
      self.isListening = isListening
    }
  }

  struct Sums: Sendable {
    var internalWithout = LocalService.FamilyCount()
    var externalWithout = LocalService.FamilyCount()
    var healthChecks = 0

    init(_ services: [NamespacedName: LocalService]) {
      for service in services.values {
        internalWithout += service.internalWithout
        externalWithout += service.externalWithout
        if service.healthCheckNodePort != nil { healthChecks += 1 }
      }
    }
  }

  public init(started: WallTime, version: String, sourceKind: String) {
    self.started = started
    self.version = version
    self.sourceKind = sourceKind
  }

  // MARK: Noting

  /// A change was made.
  ///
  /// - Parameters:
  ///   - known: the objects after the change.
  ///   - isWhole: all of it was compared.
  public mutating func changed(
    _ changes: [ObjectChange], in known: KnownObjects, seconds: Double, at time: WallTime,
    isWhole: Bool
  ) {
    syncDuration.observe(seconds)
    lastSynced = time
    if isWhole { wholeSyncs += 1 }
    for change in changes {
      switch change.id.kind {
      case .service: serviceChanges += 1
      case .endpointSlice, .endpoints, .pod: endpointChanges += 1
      case .node: break
      }
      if !isWhole { note(change) }
      noteTrigger(known[change.id], at: time)
    }
    if isWhole {
      objects = [:]
      for id in known.objects.keys { objects[id.kind, default: 0] += 1 }
    }
  }

  private mutating func note(_ change: ObjectChange) {
    switch change.action {
    case .created: objects[change.id.kind, default: 0] += 1
    case .deleted, .pruned: objects[change.id.kind, default: 0] -= 1
    case .configured, .unchanged: break
    }
  }

  /// As kube-proxy, what was triggered before this process began says nothing about it.
  private mutating func noteTrigger(_ known: KnownObject?, at time: WallTime) {
    guard case .endpointSlice(let slice)? = known?.object,
      let text = slice.meta.annotations["endpoints.kubernetes.io/last-change-trigger-time"],
      let trigger = WallTime(rfc3339: text), trigger.seconds >= started.seconds,
      time.seconds >= trigger.seconds
    else { return }
    networkProgramming.observe(time.seconds - trigger.seconds)
  }
}
