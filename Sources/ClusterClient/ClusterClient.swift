public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Sends requests to the API servers of one cluster.
///
/// It has one thread for all connections; the system's name lookup and credential plugins have threads of their
/// own. These inherit the signal mask of the thread that makes the client: a process that takes its signals with
/// signalfd or sigwait blocks them before. SIGPIPE is ignored from then on, and names of hosts are looked up in
/// /etc/hosts and by DNS only.
///
/// It has to be shut down before it is given up.
///
/// A request goes to the server that worked last. When there is no connection to it, the others are tried at once, in
/// their order. Errors and log lines never hold tokens, passwords or keys.
public final class ClusterClient: Sendable {
  public let configuration: ClusterConfiguration
  private let log: Logger
  private let group: MultiThreadedEventLoopGroup
  private let loop: any EventLoop
  private let pool = ConnectionPool()
  private let connector: Connector
  private let runner = PluginRunner()
  private let access: ClusterAccess
  private let state = Mutex(State())
  private let watcher = Mutex<Task<Void, Never>?>(nil)

  private struct State {
    /// The index of the server that worked last.
    var server = 0
    var requests = 0
    var isShutDown = false
    /// Wait for the last request.
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  /// How changing client certificates are dealt with.
  public struct Rotation: Sendable {
    /// How often files are looked at without a request.
    public var interval = Duration.seconds(60)
    /// Responses that are still coming over connections with the old certificate end at a random moment
    /// within this time, with `superseded`.
    public var delay = Duration.seconds(30)

    public init() {}
  }

  public init(_ configuration: ClusterConfiguration, log: Logger, rotation: Rotation = Rotation()) {
    System.prepareNameLookup
    self.configuration = configuration
    self.log = log
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    loop = group.next()
    connector = Connector(
      loop: loop, pool: pool, tls: configuration.tls, userAgent: configuration.userAgent)
    access = ClusterAccess(configuration, runner, log: log)
    delay = TimeAmount(rotation.delay)
    guard access.hasChangingCertificate else { return }
    let (access, pool, delay) = (access, pool, delay)
    let task = Task {
      while (try? await Task.sleep(for: rotation.interval)) != nil {
        pool.retire(before: await access.currentGeneration(), in: delay)
      }
    }
    watcher.withLock { $0 = task }
  }

  private let delay: TimeAmount

  /// Sends a request and waits for the head of its response, whatever its status is. After a 401 it is sent once
  /// more if there are other credentials by then.
  public func send(_ request: ClusterRequest) async throws(ClusterError) -> ClusterResponse {
    guard enter() else { throw .shutDown }
    defer { leave() }
    if let problem = request.problem { throw .invalidRequest(problem) }
    let first = try await access.current().get()
    pool.retire(before: first.generation, in: delay)
    var response = try await exchange(request, first)
    if response.status == 401, let other = try await access.renewed(after: first.version).get() {
      log.info("\(response.server) refused the credentials; there are new ones")
      response.body.close()
      pool.retire(before: other.generation, in: delay)
      response = try await exchange(request, other)
    }
    if response.status >= 500 {
      // Others may be well.
      let servers = configuration.servers
      state.withLock { state in
        if servers[state.server] == response.server {
          state.server = (state.server + 1) % servers.count
        }
      }
    }
    if (300...399).contains(response.status), response.status != 304 {
      response.body.close()
      let location = response.header("Location") ?? "nowhere"
      throw .redirected(
        response.server, status: response.status,
        location: String(location.prefix { $0 != "?" && $0 != "#" }.prefix(200)))
    }
    return response
  }

  /// Kills the credential plugin that is running, if there is one: for a process that is about to end. Nothing
  /// can be asked for after that.
  public func endPlugins() { runner.end() }

  /// Closes all connections; requests and responses end with `shutDown`. Returns when the threads have ended.
  public func shutdown() async {
    state.withLock { $0.isShutDown = true }
    watcher.withLock { $0?.cancel() }
    pool.close()
    await runner.shutdown()
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.requests > 0 { state.waiters.append(continuation) }
        return state.requests == 0
      }
      if isOver { continuation.resume() }
    }
    try? await group.shutdownGracefully()
  }

  private func enter() -> Bool {
    state.withLock { state in
      if !state.isShutDown { state.requests += 1 }
      return !state.isShutDown
    }
  }

  private func leave() {
    let waiters = state.withLock { state in
      state.requests -= 1
      defer { if state.requests == 0 { state.waiters = [] } }
      return state.requests == 0 ? state.waiters : []
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Sends a request to the first server that there is a connection to.
  private func exchange(
    _ request: ClusterRequest, _ access: ClusterAccess.Snapshot
  ) async throws(ClusterError) -> ClusterResponse {
    let count = configuration.servers.count
    let start = state.withLock { $0.server }
    var attempts: [ClusterAttempt] = []
    for step in 0..<count {
      let index = (start + step) % count
      let way = way(to: index, request, access)
      let order = order(request, way, access)
      while let connection = pool.take(way.server, generation: way.generation) {
        switch await connection.exchange(order) {
        case .success(let answer): return response(answer, way.server)
        // The server closed it while nobody used it, and has seen nothing of this.
        case .failure(let failure)
        where failure.isUnsent || failure.isUnused && request.isRepeatable: continue
        case .failure(let failure): throw failed(failure, index)
        }
      }
      switch await connector.connect(way) {
      case .success(let connection):
        switch await connection.exchange(order) {
        case .success(let answer):
          succeeded(index, attempts)
          return response(answer, way.server)
        case .failure(let failure): throw failed(failure, index)
        }
      case .failure(let attempt):
        try checkEnd()
        attempts.append(attempt)
      }
    }
    throw .unreachable(attempts)
  }

  private func checkEnd() throws(ClusterError) {
    if state.withLock({ $0.isShutDown }) { throw .shutDown }
    if Task.isCancelled { throw .cancelled }
  }

  private func way(
    to index: Int, _ request: ClusterRequest, _ access: ClusterAccess.Snapshot
  ) -> Connector.Way {
    let server = configuration.servers[index]
    return Connector.Way(
      server: server, proxy: configuration.proxy.proxy(for: server), contexts: access.contexts,
      generation: access.generation, limit: request.limits.connect)
  }

  private func order(
    _ request: ClusterRequest, _ way: Connector.Way, _ access: ClusterAccess.Snapshot
  ) -> ExchangeHandler.Request {
    let server = way.server
    var uri = server.basePath + request.path
    var headers = HTTPHeaders([
      ("Host", server.hostHeader), ("User-Agent", configuration.userAgent),
    ])
    if way.isForwarded, let proxy = way.proxy {
      uri = "http://\(server.authority)\(uri)"
      if let authorization = proxy.authorization {
        headers.add(name: "Proxy-Authorization", value: authorization.value)
      }
    }
    headers.add(contentsOf: request.headers.map { ($0.name, $0.value) })
    for (name, value) in access.headers
    where !headers.contains(name: name) || name != "Authorization" {
      headers.add(name: name, value: value)
    }
    if !request.body.isEmpty || !["GET", "HEAD", "DELETE"].contains(request.method) {
      headers.replaceOrAdd(name: "Content-Length", value: String(request.body.count))
    }
    let head = HTTPRequestHead(
      version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: uri, headers: headers)
    return ExchangeHandler.Request(head: head, body: request.body, limits: request.limits)
  }

  private func response(_ answer: ExchangeHandler.Answer, _ server: ClusterServer)
    -> ClusterResponse
  {
    ClusterResponse(
      status: Int(answer.head.status.code), server: server,
      headers: answer.head.headers.map { (name: $0.name, value: $0.value) },
      body: ClusterBody(source: BodySource(answer.queue)))
  }

  private func succeeded(_ index: Int, _ attempts: [ClusterAttempt]) {
    state.withLock { $0.server = index }
    for attempt in attempts {
      log.warning("\(attempt); using \(configuration.servers[index]) from now on")
    }
  }

  /// A server that does not answer is not the first one to be asked the next time.
  private func failed(_ failure: ExchangeFailure, _ index: Int) -> ClusterError {
    switch failure.error {
    case .timeout, .connectionLost, .protocolViolation:
      state.withLock { state in
        if state.server == index { state.server = (index + 1) % configuration.servers.count }
      }
    default: break
    }
    return failure.error
  }
}

extension ClusterRequest {
  /// Whether it does no harm to send it twice.
  fileprivate var isRepeatable: Bool { method == "GET" || method == "HEAD" }

  /// What keeps it from being sent.
  fileprivate var problem: String? {
    guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      return "a path begins with / and has no spaces, control characters or characters beyond ASCII"
    }
    guard !method.isEmpty, method.utf8.allSatisfy(isLetter) else { return "a method is a word" }
    let isGood = headers.allSatisfy { header in
      !header.name.isEmpty
        && (header.name + header.value).utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }
    return isGood ? nil : "a header has a control character"
  }
}
