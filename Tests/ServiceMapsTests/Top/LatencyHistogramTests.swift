import ServiceMaps
import Testing

@Suite struct LatencyHistogramTests {
  @Test func ofNothingThereIsNoQuantile() {
    #expect(LatencyHistogram().quantile(0.5) == nil)
    #expect(LatencyHistogram(buckets: [0, 0]).quantile(0.99) == nil)
  }

  @Test func quantilesLieWithinTheirBuckets() {
    // Four of 8 to 16 µs.
    let one = LatencyHistogram(buckets: [0, 0, 0, 4])
    #expect(one.quantile(0) == 8 && one.quantile(0.5) == 12 && one.quantile(1) == 16)
    // Below 2 µs begins at nothing.
    #expect(LatencyHistogram(buckets: [2]).quantile(0.5) == 1)
    // Nine fast ones, a slow one.
    let two = LatencyHistogram(buckets: [0, 0, 0, 0, 9] + [UInt64](repeating: 0, count: 15) + [1])
    #expect(two.quantile(0.9) == 32)
    #expect(two.quantile(0.99)! > 1_048_576 && two.quantile(0.99)! < 2_097_152)
  }

  @Test func theyNeverDecreaseAndAreNeverFurtherOffThanABucket() {
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<200 {
      let values = (0..<Int.random(in: 1...300, using: &generator)).map { _ in
        UInt64.random(
          in: 0...(1 << UInt64.random(in: 1...24, using: &generator)), using: &generator)
      }.sorted()
      var buckets = [UInt64](repeating: 0, count: 28)
      for value in values {
        buckets[value < 2 ? 0 : UInt64.bitWidth - 1 - value.leadingZeroBitCount] += 1
      }
      let histogram = LatencyHistogram(buckets: buckets)
      var last = -1.0
      for percent in stride(from: 1, through: 100, by: 1) {
        let found = histogram.quantile(Double(percent) / 100)!
        #expect(found >= last)
        last = found
        // The value at that rank shares its bucket.
        let rank = max(1, (values.count * percent + 99) / 100)
        let exact = Double(values[rank - 1])
        #expect(found <= max(2, 2 * exact) && found >= exact / 2 - 1)
      }
    }
  }
}
