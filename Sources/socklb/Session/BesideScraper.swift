import NodeHTTP
import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Synchronization

/// Puts pages of metrics together: on another thread, at most once a second, and once for all who
/// ask meanwhile.
final class BesideScraper: Sendable {
  typealias Reply = @Sendable (HTTPAnswer) -> Void
  typealias Source = @Sendable () -> (metrics: LiveMetrics, dataplane: Dataplane?)

  private let isPerService: Bool
  private let seriesLimit: Int
  private let state = Mutex(State())
  /// Of the thread that reads, one at a time.
  private let sums = Mutex<[IPFamily: CounterSums]>([:])

  private struct State: Sendable {
    var pages: [MetricText.Format: HTTPBody] = [:]
    /// When they were made.
    var time: UInt64 = 0
    var waiting: [(format: MetricText.Format, reply: Reply)] = []
    var isWorking = false
  }

  private static let lifetime: UInt64 = 1_000_000_000

  init(isPerService: Bool, seriesLimit: Int) {
    self.isPerService = isPerService
    self.seriesLimit = seriesLimit
  }

  /// - Parameter source: what there is to say, asked for when it is put together.
  func ask(
    _ format: MetricText.Format, _ reply: @escaping Reply, on server: NodeHTTPServer,
    _ source: @escaping Source
  ) {
    let (page, begins) = state.withLock { state -> (HTTPBody?, Bool) in
      let now = Waiting.now
      if now >= state.time, now - state.time < Self.lifetime, let page = state.pages[format] {
        return (page, false)
      }
      state.waiting.append((format, reply))
      let begins = !state.isWorking
      state.isWorking = true
      return (nil, begins)
    }
    if let page { reply(Self.answer(page, format)) }
    if begins { server.work { self.work(source) } }
  }

  private func work(_ source: Source) {
    while true {
      let wanted = state.withLock { state in
        if state.waiting.isEmpty { state.isWorking = false }
        return Set(state.waiting.map(\.format))
      }
      if wanted.isEmpty { return }
      let (metrics, dataplane) = source()
      let reading = read(dataplane)
      var pages: [MetricText.Format: HTTPBody] = [:]
      for format in wanted {
        pages[format] = HTTPBody(metrics.text(format, reading, seriesLimit: seriesLimit))
      }
      let made = pages
      let served = state.withLock { state in
        state.pages = made
        state.time = Waiting.now
        let served = state.waiting.filter { made[$0.format] != nil }
        state.waiting.removeAll { made[$0.format] != nil }
        return served
      }
      for (format, reply) in served {
        if let page = made[format] { reply(Self.answer(page, format)) }
      }
    }
  }

  private static func answer(_ page: HTTPBody, _ format: MetricText.Format) -> HTTPAnswer {
    HTTPAnswer(code: 200, headers: [("Content-Type", format.contentType)], body: page)
  }

  // MARK: Reading

  private func read(_ dataplane: Dataplane?) -> KernelReading {
    var reading = KernelReading()
    let start = Waiting.now
    do {
      if let dataplane { try read(dataplane.tables, &reading) }
    } catch {
      reading.problem = "\(error)"
    }
    reading.seconds = Double(Waiting.now - start) / 1e9
    if let facts = ProcessFacts.read() {
      reading.process = KernelReading.Process(
        cpuSeconds: facts.cpuSeconds, residentBytes: facts.residentBytes,
        virtualBytes: facts.virtualBytes, openFDs: facts.openFDs, maxFDs: facts.maxFDs,
        threads: facts.threads, startSeconds: facts.startSeconds)
    }
    return reading
  }

  private func read(
    _ tables: KernelTables, _ reading: inout KernelReading
  ) throws(DataplaneError) {
    for family in IPFamily.allCases {
      let counters = try tables.readCounters(of: family)
      let sum = sums.withLock { sums in
        sums[family, default: CounterSums()].take(counters)
        return sums[family, default: CounterSums()].sum
      }
      reading.families.append(
        KernelReading.Family(
          family, translated: sum.translated, refused: sum.refused, denied: sum.denied))
    }
    let use = try tables.socketUse()
    reading.events = [
      ("set-full", use.setFull), ("shared-backend", use.sharedBackends),
      ("flow-given-up", use.flowsGivenUp), ("no-memory", use.noMemory),
      ("tally-lost", use.talliesLost),
    ]
    reading.socketRecords = (use.records, use.capacity)
    if isPerService { reading.services = try tables.readCountersNow() }
  }
}
