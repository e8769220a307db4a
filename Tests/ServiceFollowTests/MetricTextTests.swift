import ServiceFollow
import ServiceMaps
import Testing

@Suite struct MetricTextTests {
  private func page(_ format: MetricText.Format) -> String {
    var text = MetricText(format)
    text.begin("a_total", .counter, "What \"it\" is\nand \\ more")
    text.sample([("x", "a\"b\\c\nd"), ("y", "")], 7)
    text.add("b", .gauge, "A number", .number(-0.25))
    var histogram = Histogram([0.5, 1, 2])
    for value in [0.5, 0.6, 5] { histogram.observe(value) }
    text.begin("c_seconds", .histogram, "Times")
    text.histogram([("z", "1")], histogram)
    return String(decoding: text.finish(), as: UTF8.self)
  }

  @Test func isWhatPrometheusReads() {
    #expect(
      page(.prometheus) == #"""
        # HELP a_total What "it" is\nand \\ more
        # TYPE a_total counter
        a_total{x="a\"b\\c\nd",y=""} 7
        # HELP b A number
        # TYPE b gauge
        b -0.25
        # HELP c_seconds Times
        # TYPE c_seconds histogram
        c_seconds_bucket{z="1",le="0.5"} 1
        c_seconds_bucket{z="1",le="1"} 2
        c_seconds_bucket{z="1",le="2"} 2
        c_seconds_bucket{z="1",le="+Inf"} 3
        c_seconds_sum{z="1"} 6.1
        c_seconds_count{z="1"} 3

        """#)
  }

  @Test func openMetricsNamesCountersWithoutTotalAndHasAnEnd() {
    let text = page(.openMetrics)
    #expect(
      text.hasPrefix(
        #"""
        # HELP a What \"it\" is\nand \\ more
        # TYPE a counter
        a_total{x="a\"b\\c\nd",y=""} 7

        """#))
    #expect(text.contains(#"le="1.0""#))
    #expect(text.hasSuffix("\n# EOF\n"))
  }

  @Test(
    arguments: [
      (nil, .prometheus), ("*/*", .prometheus), ("text/plain", .prometheus),
      ("application/openmetrics-text", .openMetrics),
      (
        "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3",
        .openMetrics
      ),
      ("text/plain;version=0.0.4, application/openmetrics-text; version=1.0.0; q=0.5", .prometheus),
      ("application/openmetrics-text;version=2.0.0", .prometheus),
      ("application/openmetrics-text;q=0", .prometheus),
    ] as [(String?, MetricText.Format)])
  func theFormatIsWhatTheClientLikesBest(accept: String?, format: MetricText.Format) {
    #expect(MetricText.Format(accept: accept) == format)
  }

  @Test func aValueOnABoundBelongsToItsBucket() {
    var histogram = Histogram.syncDuration
    histogram.observe(0.000_125)
    histogram.observe(0.000_126)
    histogram.observe(16.384)
    histogram.observe(17)
    #expect(histogram.counts.first == 1 && histogram.counts[1] == 1)
    #expect(histogram.counts.last == 1 && histogram.count == 4)
    for bounds in [Histogram.syncDuration.bounds, Histogram.networkProgramming.bounds] {
      #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 })
    }
  }

  @Test func sumsNeverGoDown() {
    var sums = CounterSums()
    func counters(_ all: [UInt32: UInt64]) -> [UInt32: ServiceCounters] {
      all.mapValues { ServiceCounters(translated: $0, refused: $0 * 2, denied: 1) }
    }
    sums.take(counters([1: 10, 2: 5]))
    #expect(sums.sum.translated == 15 && sums.sum.refused == 30 && sums.sum.denied == 2)
    // One has gone.
    sums.take(counters([2: 6]))
    #expect(sums.sum.translated == 16)
    // Its id stands for another one, which has counted three.
    sums.take(counters([1: 3, 2: 6]))
    #expect(sums.sum.translated == 19)
    // An id that was cleared and counts anew.
    sums.take(counters([1: 1, 2: 6]))
    #expect(sums.sum.translated == 20)
  }
}
