import Logging
import NodeHTTP
import ServiceDataplane
import ServiceFollow
import ServiceMaps
import Synchronization

/// What a process that follows objects offers beside: metrics, answers about its health, and the
/// servers at the `healthCheckNodePort` of Services.
///
/// Whoever changes the table notes here what there is to say, which takes microseconds; clients are
/// answered on threads of their own. Nothing is opened, and no thread made, while nothing is to be
/// served.
final class Beside: Sendable {
  private let metricsAddress: HTTPAddress?
  private let healthAddress: HTTPAddress?
  private let servesNodePorts: Bool
  private let log: Logger
  /// Else there is nobody who would take this node away.
  let isCluster: Bool
  private let waker: Waker
  private let state: Mutex<State>
  private let server: Mutex<NodeHTTPServer?>
  let scraper: BesideScraper

  /// What is known; copies of it are shown.
  struct State: Sendable {
    var metrics: LiveMetrics
    var health = ProxyHealth()
    var facts = Facts()
    var services = ServiceHealth()
    /// Where node ports are served; nil: at all addresses.
    var addresses: [IPAddress]?
    var dataplane: Dataplane?
    var localVersion: UInt64?
    var isOpen = false
  }

  /// What readiness depends on, as the main thread has it.
  struct Facts: Hashable, Sendable {
    var isServed = false
    /// It did not fit, or could not be written.
    var isBehind = true
    var trouble: String?
    var brokenFiles = 0
    var isEnding = false
    /// Something is known that is not in force.
    var isWaiting = false
    /// Lists of the API server.
    var sources: [LiveMetrics.Source] = []
  }

  init(
    _ options: BesideOptions, _ defaults: BesideOptions.Defaults, sourceKind: String, log: Logger,
    waker: Waker
  ) {
    metricsAddress = options.metrics(defaults)
    healthAddress = options.healthz(defaults)
    servesNodePorts = options.healthCheckNodePorts ?? defaults.healthCheckNodePorts
    self.log = log
    isCluster = sourceKind == "kubernetes"
    self.waker = waker
    state = Mutex(
      State(
        metrics: LiveMetrics(
          started: Self.now, version: "\(ReleaseVersion.current)", sourceKind: sourceKind)))
    server = Mutex(nil)
    scraper = BesideScraper(
      isPerService: options.perService, seriesLimit: options.seriesLimit)
  }

  static var now: WallTime {
    let (seconds, milliseconds) = WallClock.milliseconds
    return WallTime(milliseconds: seconds * 1000 + milliseconds)
  }

  /// For whoever changes the table: short, and nobody else has it for long.
  func note<Result: Sendable>(_ body: (inout sending State) -> sending Result) -> Result {
    state.withLock(body)
  }

  // MARK: Listeners

  /// From now on it listens.
  func begin() {
    note { $0.isOpen = true }
    listen()
  }

  /// Makes listeners be what the Services ask for; others are left alone.
  func listen() {
    let (isOpen, ports, addresses) = note { ($0.isOpen, $0.services.servers, $0.addresses) }
    guard isOpen else { return }
    var listeners: [HTTPListener] = []
    if let metricsAddress { listeners.append(HTTPListener("metrics", metricsAddress)) }
    if let healthAddress { listeners.append(HTTPListener("healthz", healthAddress)) }
    if servesNodePorts {
      for port in ports.keys.sorted() {
        for host in addresses.map({ $0.map { "\($0)" as String? } }) ?? [nil] {
          listeners.append(
            HTTPListener("health-check", HTTPAddress(host: host, port: port.number)))
        }
      }
    }
    let server = server.withLock { server in
      if server == nil && !listeners.isEmpty { server = makeServer() }
      return server
    }
    server?.serve(listeners)
  }

  private func makeServer() -> NodeHTTPServer {
    ProcessFacts.raiseFileLimit()
    let log = log
    return NodeHTTPServer(
      events: { event in
        switch event {
        case .listening(let listener):
          log.info("\(listener.purpose) is served at \(listener.address)")
        case .failed(let listener, let reason):
          let text = "\(listener.purpose) cannot be served at \(listener.address): \(reason)"
          log.error("\(text); it is tried again every 5 s")
        case .closed(let listener):
          log.info("\(listener.purpose) is not served at \(listener.address) any more")
        }
      }, handler: { [weak self] question, answer in self?.answer(question, answer) })
  }

  /// Clients see the end.
  func end() {
    note {
      $0.facts.isEnding = true
      $0.isOpen = false
    }
    server.withLock { $0 }?.end()
  }

  // MARK: Answers, on the server's thread

  private func answer(
    _ question: HTTPQuestion, _ answer: @escaping @Sendable (HTTPAnswer) -> Void
  ) {
    switch question.listener.purpose {
    case "metrics": answerMetrics(question, answer)
    case "healthz": answer(HTTPAnswer(health(question)))
    default:
      let port = Port(question.listener.address.port)
      let found = note { state in
        port.flatMap { port in
          state.services.answer(
            port: port, isProxyHealthy: state.health.isHealthy(at: Waiting.now))
        }
      }
      answer(found.map { HTTPAnswer($0) } ?? HTTPAnswer(code: 404, text: "no such Service\n"))
    }
  }

  private func answerMetrics(
    _ question: HTTPQuestion, _ answer: @escaping @Sendable (HTTPAnswer) -> Void
  ) {
    switch question.path {
    case "/metrics":
      guard let server = server.withLock({ $0 }) else { return }
      let format = MetricText.Format(accept: question.accept)
      scraper.ask(format, answer, on: server) { [self] in
        var (metrics, dataplane) = note { ($0.metrics, $0.dataplane) }
        metrics.listeners = server.states.map { state in
          LiveMetrics.ListenerState(
            state.listener.purpose, "\(state.listener.address)", isListening: state.isListening)
        }
        metrics.listenFailures = server.failures
        return (metrics, dataplane)
      }
    case "/healthz": answer(HTTPAnswer(code: 200, text: "ok"))
    case "/proxyMode": answer(HTTPAnswer(code: 200, text: "socklb"))
    default: answer(HTTPAnswer(code: 404, text: "there is /metrics\n"))
    }
  }

  private func health(_ question: HTTPQuestion) -> HealthAnswer {
    let now = Waiting.now
    let time = Self.now
    // The main thread shows that it is alive; only once it has a loop.
    let asksForLife = question.path == "/healthz" || question.path == "/livez"
    let (result, isPing) = note { state -> (HealthAnswer, Bool) in
      let isPing =
        asksForLife && state.facts.isServed && !state.facts.isEnding && state.health.pinged == nil
      if isPing { state.health.ping(at: now) }
      let answer: HealthAnswer
      switch question.path {
      case "/healthz":
        answer = state.health.healthz(at: now, time)
        state.metrics.healthz.count(answer.code)
      case "/livez":
        answer = state.health.livez(at: now, time)
        state.metrics.livez.count(answer.code)
      case let path where path == "/readyz" || path.hasPrefix("/readyz/"):
        answer = state.facts.readiness(
          waitingSince: state.health.oldestQueued, now, isCluster: isCluster
        ).answer(
          path: path.dropFirst(7), query: question.query[...])
        state.metrics.readyz.count(answer.code)
      default:
        answer = HealthAnswer(
          code: 404, headers: [], body: "there are /healthz, /livez and /readyz\n")
      }
      return (answer, isPing)
    }
    if isPing { waker.wake() }
    return result
  }
}

extension HTTPAnswer {
  init(_ answer: HealthAnswer) {
    self.init(
      code: answer.code, headers: answer.headers.map { ($0.name, $0.value) },
      body: HTTPBody(Array(answer.body.utf8)))
  }
}

extension Beside.Facts {
  /// What is found and not in force after this long is worth a word: it is not the usual delay.
  private static let patience: UInt64 = 2_000_000_000

  /// - Parameter isCluster: then one object that makes no sense, or an API server that is away for a
  ///   while, does not make all nodes of a cluster not ready at once.
  func readiness(waitingSince since: UInt64?, _ now: UInt64, isCluster: Bool) -> Readiness {
    let isLate = since.map { now > $0 && now - $0 > Self.patience } ?? false
    let incomplete = sources.filter { !$0.isComplete || $0.problem != nil }.map {
      "\($0.name): \($0.problem ?? "not read completely yet")"
    }
    return Readiness([
      .init("ping", nil),
      .init("table", isServed ? nil : "the table is not in force yet"),
      .init("source", incomplete.isEmpty ? nil : incomplete.joined(separator: "; ")),
      .init("trouble", isCluster && isServed ? nil : trouble),
      .init(
        "files",
        brokenFiles == 0 || isCluster
          ? nil
          : "\(brokenFiles) cannot be used: the objects of their last good version stay in force"),
      .init(
        "changes",
        isBehind && isServed
          ? "what the source says is not all in force"
          : isLate ? "changes wait to be put in force" : nil),
      .init("end", isEnding ? "this process is ending" : nil),
    ])
  }
}
