/// Identifies connections to one endpoint of one service port, as programs count them.
public struct PathID: Hashable, Sendable {
  /// Of the VIP: in whose maps `service` and `endpoint` mean something.
  public var family: IPFamily
  public var service: UInt32
  public var endpoint: UInt32
  /// Of the endpoint, when it was chosen.
  public var generation: UInt32

  public init(family: IPFamily, service: UInt32, endpoint: UInt32, generation: UInt32) {
    self.family = family
    self.service = service
    self.endpoint = endpoint
    self.generation = generation
  }
}

/// What became of TCP connections to one endpoint, counted since somebody began to.
public struct PathCounts: Hashable, Sendable {
  /// A SYN was sent.
  public var begun: UInt64
  public var established: UInt64
  /// Refused, timed out, or ended by an error before they were established.
  public var failed: UInt64
  /// Closed by their client before they were established.
  public var givenUp: UInt64
  /// From the first SYN until they were established.
  public var took: LatencyHistogram

  public init(
    begun: UInt64 = 0, established: UInt64 = 0, failed: UInt64 = 0, givenUp: UInt64 = 0,
    took: LatencyHistogram = LatencyHistogram()
  ) {
    self.begun = begun
    self.established = established
    self.failed = failed
    self.givenUp = givenUp
    self.took = took
  }

  /// Those that came to nothing.
  public var failures: UInt64 { failed + givenUp }

  var isZero: Bool { begun == 0 && established == 0 && failures == 0 && took.count == 0 }

  mutating func add(_ other: PathCounts) {
    begun += other.begun
    established += other.established
    failed += other.failed
    givenUp += other.givenUp
    took.add(other.took)
  }

  /// What was counted since `before`.
  func since(_ before: PathCounts) -> PathCounts {
    PathCounts(
      begun: begun.counted(since: before.begun),
      established: established.counted(since: before.established),
      failed: failed.counted(since: before.failed),
      givenUp: givenUp.counted(since: before.givenUp), took: took.since(before.took))
  }
}

extension UInt64 {
  /// What a counter was raised by. One that is smaller than before has begun anew meanwhile, with
  /// its service port or the whole data plane: what it says was all counted since.
  func counted(since before: UInt64) -> UInt64 { self >= before ? self - before : self }
}

/// Times in powers of two of a microsecond, as programs count them.
public struct LatencyHistogram: Hashable, Sendable {
  /// How many took less than 2 µs, from 2 to 4 µs, 4 to 8 µs and so on; the last one: longer, too.
  /// Empty: none.
  public private(set) var buckets: [UInt64]

  public init(buckets: [UInt64] = []) {
    self.buckets = buckets.allSatisfy { $0 == 0 } ? [] : buckets
  }

  public var count: UInt64 { buckets.reduce(0, +) }

  mutating func add(_ other: LatencyHistogram) {
    if other.buckets.isEmpty { return }
    while buckets.count < other.buckets.count { buckets.append(0) }
    for index in other.buckets.indices { buckets[index] += other.buckets[index] }
  }

  func since(_ before: LatencyHistogram) -> LatencyHistogram {
    LatencyHistogram(
      buckets: buckets.indices.map { index in
        buckets[index].counted(
          since: index < before.buckets.count ? before.buckets[index] : 0)
      })
  }

  /// The time that this part of all stays below, in microseconds: how far into its bucket it lies is
  /// how far it would be if those in there were spread evenly. nil: there are none.
  public func quantile(_ part: Double) -> Double? {
    let all = count
    guard all > 0 else { return nil }
    let rank = min(max(part, 0), 1) * Double(all)
    var below: UInt64 = 0
    for (index, number) in buckets.enumerated() where number > 0 {
      if Double(below + number) >= rank {
        let start = index == 0 ? 0 : Double(UInt64(1) << UInt64(index))
        let end = Double(UInt64(2) << UInt64(index))
        return start + (end - start) * (rank - Double(below)) / Double(number)
      }
      below += number
    }
    return nil
  }
}

/// Sockets that are with one endpoint now.
public struct PathSockets: Hashable, Sendable {
  /// Of one of them.
  public var flow: SocketFlow
  public var count: UInt64

  public init(flow: SocketFlow, count: UInt64) {
    self.flow = flow
    self.count = count
  }
}
