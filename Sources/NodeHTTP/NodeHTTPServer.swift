import NIOCore
import NIOPosix
import Synchronization

/// A small HTTP/1.1 server for what a node says of itself: many listeners that come and go, GET and
/// HEAD only, one thread, and limits for whoever is slow or many.
///
/// Nothing that clients do holds up who calls this.
public final class NodeHTTPServer: Sendable {
  /// Called on the server's thread; `answer` may be called on any, once.
  public typealias Handler =
    @Sendable (_ question: HTTPQuestion, _ answer: @escaping @Sendable (HTTPAnswer) -> Void) -> Void

  public enum Event: Sendable {
    case listening(HTTPListener)
    /// Said once, until it listens.
    case failed(HTTPListener, reason: String)
    case closed(HTTPListener)
  }

  /// How a listener is doing.
  public struct State: Hashable, Sendable {
    public var listener: HTTPListener
    public var isListening: Bool
  }

  private let limits: HTTPLimits
  private let handler: Handler
  private let events: @Sendable (Event) -> Void
  private let group: MultiThreadedEventLoopGroup
  private let pool: NIOThreadPool
  private let connections: Connections
  private let entries = Mutex<[HTTPAddress: Entry]>([:])
  private let failureCount = Atomic<UInt64>(0)

  private struct Entry {
    var listener: HTTPListener
    var channel: (any Channel)?
    var isOpening = false
    /// It was said that it failed.
    var hasFailed = false
    /// Tells one that was closed and opened anew from the one before.
    var number: UInt64
  }

  private let numbers = Atomic<UInt64>(0)

  /// - Parameter events: called on the server's thread.
  public init(
    limits: HTTPLimits = HTTPLimits(), events: @escaping @Sendable (Event) -> Void,
    handler: @escaping Handler
  ) {
    self.limits = limits
    self.events = events
    self.handler = handler
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    connections = Connections(limit: limits.connections)
  }

  /// Does something that takes a while, on a thread of its own; one after the other.
  public func work(_ body: @escaping @Sendable () -> Void) {
    pool.submit { state in
      guard case .active = state else { return }
      Priority.yield()
      body()
    }
  }

  /// How often listening has failed.
  public var failures: UInt64 { failureCount.load(ordering: .relaxed) }

  /// Sorted by purpose and address.
  public var states: [State] {
    entries.withLock { entries in
      entries.values.map { State(listener: $0.listener, isListening: $0.channel != nil) }
    }.sorted {
      ($0.listener.purpose, $0.listener.address.port, $0.listener.address.description)
        < ($1.listener.purpose, $1.listener.address.port, $1.listener.address.description)
    }
  }

  // MARK: Listeners

  /// From now on there are to be these listeners: others are closed, and new ones opened. Returns at
  /// once. Of several with one address the first one goes.
  public func serve(_ listeners: [HTTPListener]) {
    let wanted = Dictionary(listeners.map { ($0.address, $0) }) { first, _ in first }
    var gone: [Entry] = []
    var new: [Entry] = []
    entries.withLock { entries in
      for (address, entry) in entries where wanted[address] != entry.listener {
        gone.append(entry)
        entries[address] = nil
      }
      for (address, listener) in wanted where entries[address] == nil {
        let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
        let entry = Entry(listener: listener, isOpening: true, number: number)
        entries[address] = entry
        new.append(entry)
      }
    }
    let loop = group.next()
    let opening = new
    let closing = gone.compactMap { entry in
      entry.channel.map { channel in
        channel.close().map { self.events(.closed(entry.listener)) }
      }
    }
    // What is in its place now may have the same port.
    EventLoopFuture.andAllComplete(closing, on: loop).whenComplete { _ in
      for entry in opening { self.open(entry.listener, entry.number, on: loop) }
    }
  }

  private func open(_ listener: HTTPListener, _ number: UInt64, on loop: any EventLoop) {
    bind(listener, on: loop).whenComplete { result in
      switch result {
      case .success(let channel):
        let isWanted = self.entries.withLock { entries in
          guard entries[listener.address]?.number == number else { return false }
          entries[listener.address]?.channel = channel
          entries[listener.address]?.isOpening = false
          entries[listener.address]?.hasFailed = false
          return true
        }
        if isWanted {
          self.events(.listening(listener))
        } else {
          channel.close(promise: nil)
        }
      case .failure(let error):
        self.failureCount.wrappingAdd(1, ordering: .relaxed)
        let (isWanted, isNews) = self.entries.withLock { entries in
          guard let entry = entries[listener.address], entry.number == number else {
            return (false, false)
          }
          entries[listener.address]?.hasFailed = true
          return (true, !entry.hasFailed)
        }
        if isNews { self.events(.failed(listener, reason: Reason.text(of: error))) }
        guard isWanted else { return }
        loop.scheduleTask(in: .seconds(self.limits.retrySeconds)) {
          let isWanted = self.entries.withLock { $0[listener.address]?.number == number }
          if isWanted { self.open(listener, number, on: loop) }
        }
      }
    }
  }

  private func bind(
    _ listener: HTTPListener, on loop: any EventLoop
  ) -> EventLoopFuture<any Channel> {
    let port = Int(listener.address.port)
    guard let host = listener.address.host else {
      // Both families, where there are both.
      return bind(listener, to: "::", port, on: loop).flatMapError { error in
        Reason.isNoSuchFamily(error)
          ? self.bind(listener, to: "0.0.0.0", port, on: loop) : loop.makeFailedFuture(error)
      }
    }
    return bind(listener, to: host, port, on: loop)
  }

  private func bind(
    _ listener: HTTPListener, to host: String, _ port: Int, on loop: any EventLoop
  ) -> EventLoopFuture<any Channel> {
    let address: SocketAddress
    do { address = try SocketAddress(ipAddress: host, port: port) } catch {
      return loop.makeFailedFuture(error)
    }
    let (limits, handler, connections) = (limits, handler, connections)
    var bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.backlog, value: 64)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.maxMessagesPerRead, value: 4)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try CloseOnExec.set(channel)
          // Without descriptors left it waits a while, instead of trying all the time.
          try channel.pipeline.syncOperations.addHandler(AcceptBackoffHandler())
        }
      }
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try CloseOnExec.set(channel)
          try Responder.add(to: channel, listener, limits, handler)
          connections.add(channel, for: listener.purpose)
        }
      }
    if case .v6 = address {
      bootstrap = bootstrap.serverChannelOption(
        ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 0)
    }
    return bootstrap.bind(to: address)
  }

  /// Closes all of it; clients see their connections end.
  public func end() {
    serve([])
    connections.closeAll()
  }
}

/// Connections in the order in which they came, for each purpose.
private final class Connections: Sendable {
  private let limit: Int
  private let all = Mutex<[String: [any Channel]]>([:])

  init(limit: Int) { self.limit = limit }

  /// Whoever comes last is let in: a check of health is not kept out by those who just sit there.
  func add(_ channel: any Channel, for purpose: String) {
    let oldest: (any Channel)? = all.withLock { all in
      all[purpose, default: []].append(channel)
      return all[purpose, default: []].count > limit ? all[purpose]?.removeFirst() : nil
    }
    oldest?.close(promise: nil)
    channel.closeFuture.whenComplete { _ in
      self.all.withLock { $0[purpose]?.removeAll { $0 === channel } }
    }
  }

  func closeAll() {
    let channels = all.withLock { Array($0.values.joined()) }
    for channel in channels { channel.close(promise: nil) }
  }
}
