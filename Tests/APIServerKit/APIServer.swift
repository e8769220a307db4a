import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A Kubernetes API server for tests: real lists and watches of real objects in memory, and all
/// that may go wrong with them.
///
/// Everything may be called from any thread, and nothing is started before `start()`; a process
/// that enters namespaces does so first.
public final class APIServer: @unchecked Sendable {
  let core: Core
  private let lock = NIOLock()
  private var group: MultiThreadedEventLoopGroup?
  private var listener: (any Channel)?
  private let context = NIOLockedValueBox<NIOSSLContext?>(nil)
  /// Where it listens, once started.
  public private(set) var port = 0

  /// - Parameter sharing: another server, whose objects this one serves too.
  public init(_ options: Options = Options(), sharing other: APIServer? = nil) {
    let revision = options.revision ?? UInt64.random(in: 100_000_000...900_000_000)
    let store = other?.core.store ?? Store(revision: revision, capacity: options.historyLength)
    core = Core(options, store: store)
    port = options.port
    guard other == nil, let index = APIResource.index(kind: "Namespace") else { return }
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
      _ = try? store.write(index, name) { (_: JSON?) throws(APIStatus) in
        Defaults.fill(["metadata": ["name": .string(name)]], APIResource.all[index], old: nil)
      }
    }
  }

  deinit { stop() }

  // MARK: Life

  /// Begins to listen.
  /// - Returns: the port.
  @discardableResult
  public func start() throws -> Int {
    try lock.withLock {
      guard group == nil else { return port }
      if let files = core.options.tls { try use(files) }
      let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
      self.group = group
      core.run(on: group.next())
      do { try listen() } catch {
        core.run(on: nil)
        self.group = nil
        try? group.syncShutdownGracefully()
        throw APIServerProblem("cannot listen at \(core.options.address):\(port): \(error)")
      }
      return port
    }
  }

  /// Ends all connections and listens no longer. The objects stay.
  public func stop() {
    lock.withLock {
      guard let group else { return }
      core.run(on: nil)
      try? listener?.close().wait()
      listener = nil
      self.group = nil
      try? group.syncShutdownGracefully()
    }
  }

  private func listen() throws {
    guard let group else { return }
    let core = core
    let context = context
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context = context.withLockedValue({ $0 }) {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
          }
          try channel.pipeline.syncOperations.addHandler(
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
          try channel.pipeline.syncOperations.addHandler(Connection(core, channel))
        }
      }
    // The port that was chosen is kept: another process may need a moment to let go of it.
    let listener = try bootstrap.bind(host: core.options.address, port: port).wait()
    self.listener = listener
    port = listener.localAddress?.port ?? port
  }

  private func use(_ files: TLSFiles) throws {
    let chain = try NIOSSLCertificate.fromPEMFile(files.certificate)
    let key = try NIOSSLPrivateKey(file: files.key, format: .pem)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.applicationProtocols = ["http/1.1"]
    configuration.minimumTLSVersion = .tlsv12
    if let authority = files.clientCA {
      configuration.trustRoots = .file(authority)
      configuration.certificateVerification = .optionalVerification
    }
    let made = try NIOSSLContext(configuration: configuration)
    context.withLockedValue { $0 = made }
  }

  /// New connections are made with another certificate; those there are go on.
  public func rotate(to files: TLSFiles) throws { try use(files) }

  /// The address that clients use.
  public var url: String {
    let scheme = core.options.tls == nil ? "http" : "https"
    let address = core.options.address
    return "\(scheme)://\(address.contains(":") ? "[\(address)]" : address):\(port)"
  }

  // MARK: Outages

  /// Listens no longer and ends all connections. The event loop stays.
  public func goAway(byReset: Bool = false) {
    lock.withLock {
      try? listener?.close().wait()
      listener = nil
    }
    onLoop { for connection in $0 { byReset ? connection.reset() : connection.close() } }
  }

  /// Listens again. As after a real restart, the watch cache begins with what there is now.
  /// - Parameter keepingCache: watches from before go on instead of being refused.
  public func comeBack(keepingCache: Bool = false) throws {
    if !keepingCache { core.store.dropCache() }
    try lock.withLock { if listener == nil, group != nil { try listen() } }
  }

  /// Listens no longer; the connections that there are go on.
  public func stopAccepting() {
    lock.withLock {
      try? listener?.close().wait()
      listener = nil
    }
  }

  /// Ends all connections that there are.
  public func dropConnections(byReset: Bool = false) {
    onLoop { for connection in $0 { byReset ? connection.reset() : connection.close() } }
  }

  /// All connections that there are fall silent, as when a cable is cut.
  public func silenceConnections() { onLoop { for connection in $0 { connection.mute() } } }

  /// What is sent on the connections that there are comes no faster.
  public func slowConnections(bytesPerSecond: Int?) {
    onLoop { for connection in $0 { connection.throttle(bytesPerSecond) } }
  }

  /// How many connections there are.
  public var connectionCount: Int {
    let count = NIOLockedValueBox(0)
    onLoop { connections in count.withLockedValue { $0 = connections.count } }
    return count.withLockedValue { $0 }
  }

  /// How many watches run, of one resource or of all.
  public func watchCount(_ resource: String? = nil) -> Int {
    let count = NIOLockedValueBox(0)
    onLoop { connections in
      let streams = connections.compactMap(\.stream)
      count.withLockedValue {
        $0 = streams.count { resource == nil || $0.resourceName == resource }
      }
    }
    return count.withLockedValue { $0 }
  }

  /// Does something to the watches that run, of one resource or of all.
  public func disturbWatches(_ fault: StreamFault, of resource: String? = nil) {
    onLoop { connections in
      for stream in connections.compactMap(\.stream)
      where resource == nil || stream.resourceName == resource { stream.perform(fault) }
    }
  }

  private func onLoop(_ body: @escaping @Sendable ([Connection]) -> Void) {
    let group = lock.withLock { self.group }
    let core = core
    try? group?.next().submit {
      body(core.connections.sorted { $0.key < $1.key }.map(\.value))
    }.wait()
  }
}
