/// How many observations there were, by size.
public struct Histogram: Hashable, Sendable {
  /// Upper bounds, which belong to their buckets; sorted. What is above the last one is in `count`.
  public let bounds: [Double]
  /// By bucket, not added up.
  public private(set) var counts: [UInt64]
  public private(set) var count: UInt64 = 0
  public private(set) var sum = 0.0

  public init(_ bounds: [Double]) {
    self.bounds = bounds
    counts = Array(repeating: 0, count: bounds.count)
  }

  public mutating func observe(_ value: Double) {
    var low = 0
    var high = bounds.count
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] < value { low = middle + 1 } else { high = middle }
    }
    if low < counts.count { counts[low] += 1 }
    count += 1
    sum += value
  }

  /// kube-proxy's (1 ms, doubled 14 times), and finer ones below: here a change takes less.
  public static let syncDuration = Histogram(
    [0.000_125, 0.000_25, 0.000_5] + (0..<15).map { 0.001 * Double(1 << $0) })

  /// kube-proxy's, from 0.25 s to 5 min, and finer ones below.
  public static let networkProgramming = Histogram(
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5] + (1...59).map(Double.init)
      + stride(from: 60.0, through: 115, by: 5) + stride(from: 120.0, through: 300, by: 30))
}
