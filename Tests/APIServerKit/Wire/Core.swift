import NIOConcurrencyHelpers
import NIOCore

/// What the connections of one server share.
final class Core: @unchecked Sendable {
  let options: APIServer.Options
  let store: Store
  let addresses = Addresses()
  let faults = FaultPlan()
  let access: NIOLockedValueBox<Access>
  let watchList: NIOLockedValueBox<Bool>
  let bookmarkInterval: NIOLockedValueBox<Double?>
  let expiresByStatus: NIOLockedValueBox<Bool>
  let isReady = NIOLockedValueBox(true)
  private let log = NIOLockedValueBox<[Request]>([])
  let disturbance = NIOLockedValueBox<Disturbance?>(nil)
  private let disturbances = NIOLockedValueBox(0)
  private let variants = NIOLockedValueBox(0)
  private let counts = NIOLockedValueBox((requests: 0, events: 0))
  /// Only on the event loop.
  var connections: [Int: Connection] = [:]
  private var connectionsEver = 0
  private let isWoken = NIOLockedValueBox(false)
  private let loop = NIOLockedValueBox<(any EventLoop)?>(nil)

  init(_ options: APIServer.Options, store: Store) {
    self.options = options
    self.store = store
    access = NIOLockedValueBox(options.access)
    watchList = NIOLockedValueBox(options.watchList)
    bookmarkInterval = NIOLockedValueBox(options.bookmarkInterval)
    expiresByStatus = NIOLockedValueBox(options.expiresByStatus)
    store.observe { [weak self] in self?.wake() }
  }

  func run(on loop: (any EventLoop)?) { self.loop.withLockedValue { $0 = loop } }

  /// Lets the watches look for changes, once for all those made until they do.
  func wake() {
    guard let loop = loop.withLockedValue({ $0 }) else { return }
    let wasWoken = isWoken.withLockedValue { isWoken in
      defer { isWoken = true }
      return isWoken
    }
    guard !wasWoken else { return }
    loop.execute {
      self.isWoken.withLockedValue { $0 = false }
      for connection in self.connections.values { connection.stream?.pump() }
    }
  }

  /// Begins to disturb watches, until nothing says how any more.
  func disturb() {
    guard let loop = loop.withLockedValue({ $0 }),
      let period = disturbance.withLockedValue({ $0?.period })
    else { return }
    let started = disturbances.withLockedValue {
      $0 += 1
      return $0
    }
    loop.scheduleRepeatedTask(
      initialDelay: .milliseconds(Int64(period)), delay: .milliseconds(Int64(period))
    ) { task in
      let isLast = self.disturbances.withLockedValue { $0 == started }
      guard isLast, self.disturbance.withLockedValue({ $0 != nil }) else { return task.cancel() }
      let streams = self.connections.sorted { $0.key < $1.key }.compactMap(\.value.stream)
      let chosen = self.disturbance.withLockedValue { disturbance -> (Int, StreamFault)? in
        guard var now = disturbance, !streams.isEmpty else { return nil }
        defer { disturbance = now }
        guard let fault = now.faults.randomElement(using: &now.generator) else { return nil }
        return (Int.random(in: 0..<streams.count, using: &now.generator), fault)
      }
      if let (index, fault) = chosen { streams[index].perform(fault) }
    }
  }

  // MARK: On the event loop

  func nextConnection() -> Int {
    connectionsEver += 1
    return connectionsEver
  }

  // MARK: Records

  func nextRequest() -> Int {
    counts.withLockedValue {
      $0.requests += 1
      return $0.requests
    }
  }

  /// Another number each time.
  func nextVariant() -> Int {
    variants.withLockedValue {
      $0 += 1
      return $0
    }
  }

  func countEvent() { counts.withLockedValue { $0.events += 1 } }
  var eventCount: Int { counts.withLockedValue { $0.events } }
  var requestCount: Int { counts.withLockedValue { $0.requests } }

  func record(_ request: Request) {
    log.withLockedValue { log in
      if log.count >= 20000 { log.removeFirst(10000) }
      log.append(request)
    }
  }

  /// Adds to what is recorded what was found out since.
  func update(_ request: Request) {
    log.withLockedValue { log in
      guard let index = log.lastIndex(where: { $0.number == request.number }) else { return }
      log[index] = request
    }
  }

  var requests: [Request] { log.withLockedValue { $0 } }
  func clearRequests() { log.withLockedValue { $0 = [] } }
}
