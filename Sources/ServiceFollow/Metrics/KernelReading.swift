public import ServiceMaps

/// What the kernel's maps and the process say when somebody asks for metrics.
public struct KernelReading: Sendable {
  public var families: [Family] = []
  /// By name, since attach.
  public var events: [(name: String, count: UInt64)] = []
  public var socketRecords: (used: Int, room: Int)?
  public var process: Process?
  /// With `--metrics-per-service`.
  public var services: [ServicePortName: ServiceCounters]?
  /// How long it took to read.
  public var seconds = 0.0
  /// Nothing could be read: why.
  public var problem: String?

  public init() {}

  /// What was counted for all service ports of a family together; never goes down.
  public struct Family: Hashable, Sendable {
    public var family: IPFamily
    public var translated: UInt64
    public var refused: UInt64
    public var denied: UInt64

    public init(_ family: IPFamily, translated: UInt64, refused: UInt64, denied: UInt64) {
      self.family = family
      self.translated = translated
      self.refused = refused
      self.denied = denied
    }
  }

  public struct Process: Hashable, Sendable {
    public var cpuSeconds: Double
    public var residentBytes: UInt64
    public var virtualBytes: UInt64
    public var openFDs: UInt64
    public var maxFDs: UInt64
    public var threads: UInt64
    /// Since 1970.
    public var startSeconds: Double

    public init(
      cpuSeconds: Double, residentBytes: UInt64, virtualBytes: UInt64, openFDs: UInt64,
      maxFDs: UInt64, threads: UInt64, startSeconds: Double
    ) {
      self.cpuSeconds = cpuSeconds
      self.residentBytes = residentBytes
      self.virtualBytes = virtualBytes
      self.openFDs = openFDs
      self.maxFDs = maxFDs
      self.threads = threads
      self.startSeconds = startSeconds
    }
  }
}

/// Adds up counters of service ports that come and go, so that the sum never goes down: that a
/// Service went must not look as if the counter had begun anew.
public struct CounterSums: Sendable {
  public private(set) var sum = ServiceCounters()
  private var last: [UInt32: ServiceCounters] = [:]

  public init() {}

  /// - Parameter counters: by service port id, as they are now.
  public mutating func take(_ counters: [UInt32: ServiceCounters]) {
    for (id, now) in counters {
      let before = last[id] ?? ServiceCounters()
      sum.translated &+= Self.increase(before.translated, now.translated)
      sum.refused &+= Self.increase(before.refused, now.refused)
      sum.denied &+= Self.increase(before.denied, now.denied)
    }
    last = counters
  }

  /// Less than before: the id stands for another service port, which began with nothing.
  private static func increase(_ before: UInt64, _ now: UInt64) -> UInt64 {
    now >= before ? now - before : now
  }
}
