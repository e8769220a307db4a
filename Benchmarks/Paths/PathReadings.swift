/// Kinds of traffic.
enum PathKind: CaseIterable {
  /// A TCP connection, made and reset.
  case connect
  /// A byte there and a byte back, on one socket.
  case tcp, udp
  /// Many bytes through one TCP connection.
  case bulk

  var name: String {
    switch self {
    case .connect: "TCP connect"
    case .tcp: "TCP request/response"
    case .udp: "UDP request/response"
    case .bulk: "TCP throughput"
    }
  }

  /// Throughput differs most from turn to turn.
  func rounds(_ options: PathOptions) -> Int { options.rounds * (self == .bulk ? 3 : 1) }

  /// In one turn.
  func operations(_ options: PathOptions) -> Int {
    switch self {
    case .connect: options.connects
    case .tcp, .udp: options.exchanges
    case .bulk: options.bytes
    }
  }
}

/// One turn of one side.
struct PathTurn {
  /// Nanoseconds, sorted.
  let latencies: [UInt32]
  /// Microseconds of thread CPU for each operation.
  let cpu: Double
  /// Operations, or bytes, in a nanosecond.
  let rate: Double

  init(latencies: [UInt32], cpu: Double, operations: Int) {
    self.latencies = latencies.sorted()
    self.cpu = cpu / 1000 / Double(operations)
    rate = Double(operations) / Double(max(latencies.reduce(0, { $0 + UInt64($1) }), 1))
  }

  /// Microseconds.
  var middle: Double { Self.percentile(0.5, of: latencies) }

  /// Microseconds, of sorted nanoseconds.
  static func percentile(_ share: Double, of sorted: [UInt32]) -> Double {
    guard !sorted.isEmpty else { return 0 }
    return Double(sorted[Int(share * Double(sorted.count - 1) + 0.5)]) / 1000
  }
}

/// Both sides of a route, one right after the other.
struct PathRound {
  let vip: PathTurn
  let direct: PathTurn
}

struct PathResult {
  let route: PathRoute
  var rounds: [PathRound] = []

  init(route: PathRoute) { self.route = route }

  /// VIP against direct, of neighbouring turns.
  func ratio(_ value: (PathTurn) -> Double) -> Readings {
    Readings(rounds.map { value($0.vip) / max(value($0.direct), .leastNormalMagnitude) })
  }
}

/// The turns of one side.
struct PathTurns {
  var turns: [PathTurn]

  func readings(_ value: (PathTurn) -> Double) -> Readings { Readings(turns.map(value)) }

  /// One turn has too few readings for the last percentiles: of so many turns together.
  private static let together = 5

  func percentile(_ share: Double) -> Readings {
    Readings(
      stride(from: 0, to: turns.count, by: Self.together).map { start in
        let some = turns[start..<min(start + Self.together, turns.count)]
        return PathTurn.percentile(share, of: some.flatMap(\.latencies).sorted())
      })
  }
}

/// How long rule sets and tables took, by who takes them and by size.
struct PathLoading {
  private(set) var milliseconds: [String: [Int: [Double]]] = [:]

  mutating func add(_ name: String, _ services: PathServices, _ nanoseconds: Int64) {
    milliseconds[name, default: [:]][services.count, default: []].append(
      Double(nanoseconds) / 1_000_000)
  }

  /// In this thread's namespace. The rules are made before the clock runs.
  mutating func load(_ rules: RuleSet, _ services: PathServices) throws {
    let inputs = try rules.texts(services).map { try PathInput($0) }
    let tool = try PathTool(rules.command)
    add(rules.name, services, try inputs.reduce(0) { try $0 + tool.run($1) })
  }

  func readings(_ name: String, _ services: PathServices) -> Readings? {
    milliseconds[name]?[services.count].map { Readings($0) }
  }
}

struct PathResults {
  var traffic: [PathKind: [PathResult]] = [:]
  var loading = PathLoading()
}
