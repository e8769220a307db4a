import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Makes connections: TCP, the way through a proxy, TLS, HTTP.
struct Connector: Sendable {
  let loop: any EventLoop
  let pool: ConnectionPool
  let tls: ClusterTLS
  let userAgent: String

  /// What a connection goes through.
  struct Way: Sendable {
    var server: ClusterServer
    var proxy: ProxyServer?
    var contexts: TLSContexts?
    var generation: Int
    var limit: Duration

    /// A proxy is asked to fetch http:// itself instead of being a tunnel.
    var isForwarded: Bool {
      guard let proxy else { return false }
      return server.scheme == .http && proxy.scheme != .socks5
    }
  }

  func connect(_ way: Way) async -> Result<ClusterConnection, ClusterAttempt> {
    switch await open(way, as: ClusterConnection.self, then: { self.finish($0, way) }) {
    case .success(let connection): return .success(connection)
    case .failure(let error): return .failure(await attempt(error, way))
    }
  }

  /// Opens a channel and sets it up, all within the limit.
  private func open<Value: Sendable>(
    _ way: Way, as _: Value.Type = Value.self,
    then finish: @escaping @Sendable (any Channel) -> EventLoopFuture<Value>
  ) async -> Result<Value, any Error> {
    let promise = loop.makePromise(of: Value.self)
    let attempt = NIOLoopBoundBox<(channel: (any Channel)?, isOver: Bool)>.makeBoxSendingValue(
      (nil, false), eventLoop: loop)
    let stop: @Sendable (any Error) -> Void = { error in
      attempt.value.isOver = true
      promise.fail(error)
      attempt.value.channel?.close(promise: nil)
    }
    let limit = TimeAmount(way.limit)
    let host = way.proxy?.host ?? way.server.host
    let port = way.proxy?.port ?? way.server.port
    loop.execute {
      if attempt.value.isOver { return }
      let timer = self.loop.scheduleTask(in: limit) { stop(ChannelError.connectTimeout(limit)) }
      let bootstrap = SocketChoices.bootstrap(self.loop, connect: limit) { self.pool.isOpening($0) }
      let channel: EventLoopFuture<any Channel>
      if let address = try? SocketAddress(ipAddress: host, port: port) {
        channel = bootstrap.connect(to: address)
      } else {
        channel = bootstrap.connect(host: host, port: port)
      }
      channel.flatMap { channel in
        attempt.value.channel = channel
        return self.tunnel(channel, way).flatMap { finish(channel) }
      }.whenComplete { result in
        timer.cancel()
        if let channel = attempt.value.channel { self.pool.hasOpened(channel) }
        if attempt.value.isOver || result.isFailure {
          attempt.value.channel?.close(promise: nil)
        }
        promise.completeWith(result)
      }
    }
    return await withTaskCancellationHandler {
      do { return .success(try await promise.futureResult.get()) } catch { return .failure(error) }
    } onCancel: {
      loop.execute { stop(CancellationError()) }
    }
  }

  /// Makes a way through the proxy.
  private func tunnel(_ channel: any Channel, _ way: Way) -> EventLoopFuture<Void> {
    guard let proxy = way.proxy else { return loop.makeSucceededVoidFuture() }
    var ready = loop.makeSucceededVoidFuture()
    if proxy.scheme == .https, let contexts = way.contexts {
      ready = handshake(channel, contexts.proxy, name: proxy.host).flatMapErrorThrowing { error in
        throw TunnelFailure(
          reason: "TLS to the proxy \(proxy): " + Self.certificateText(error, name: proxy.host))
      }.map { _ in }
    }
    if way.isForwarded { return ready }
    return ready.flatMap {
      let promise = self.loop.makePromise(of: Void.self)
      do {
        let negotiation: any TunnelNegotiation
        if proxy.scheme == .socks5 {
          negotiation = try SocksNegotiation(proxy, host: way.server.host, port: way.server.port)
        } else {
          negotiation = ConnectNegotiation(
            proxy: proxy, target: way.server.authority, userAgent: self.userAgent)
        }
        try channel.pipeline.syncOperations.addHandler(TunnelHandler(negotiation, promise))
      } catch { promise.fail(error) }
      return promise.futureResult
    }
  }

  private var serverName: (ClusterServer) -> String {
    { [tls] server in tls.serverName ?? server.host }
  }

  private func handshake(
    _ channel: any Channel, _ context: NIOSSLContext, name: String, isChecked: Bool = true
  ) -> EventLoopFuture<NIOSSLCertificate?> {
    let promise = loop.makePromise(of: NIOSSLCertificate?.self)
    do {
      let address = IPText.bytes(name)
      let host = name.hasSuffix(".") ? String(name.dropLast()) : name
      let handler = try NIOSSLClientHandler(
        context: context, serverHostname: address == nil ? host : nil)
      let waiter = HandshakeHandler(address: isChecked ? address : nil, promise)
      try channel.pipeline.syncOperations.addHandlers([handler, waiter])
    } catch { promise.fail(error) }
    return promise.futureResult
  }

  /// Adds TLS and HTTP.
  private func finish(_ channel: any Channel, _ way: Way) -> EventLoopFuture<ClusterConnection> {
    var ready = loop.makeSucceededVoidFuture()
    if way.server.scheme == .https, let contexts = way.contexts {
      let name = serverName(way.server)
      let isAddress = IPText.bytes(name) != nil
      ready = handshake(
        channel, isAddress ? contexts.addressed : contexts.named, name: name,
        isChecked: !tls.isInsecure
      ).map { _ in }
    }
    return ready.flatMapThrowing {
      var limits = NIOHTTPDecoderLimitConfiguration()
      limits.maxHeaderFieldSize = 64 << 10
      limits.maxHeaderListSize = 256 << 10
      let pipeline = channel.pipeline.syncOperations
      try pipeline.addHTTPClientHandlers(
        leftOverBytesStrategy: .dropBytes, decoderLimitConfiguration: limits)
      let holder = ConnectionHolder()
      let pool = self.pool
      let handler = ExchangeHandler(way.server) { isKept in
        if let connection = holder.connection { pool.release(connection, isKept: isKept) }
      }
      try pipeline.addHandler(handler)
      let connection = ClusterConnection(
        channel, way.server, generation: way.generation,
        handler: NIOLoopBound(handler, eventLoop: self.loop))
      holder.connection = connection
      pool.add(connection)
      try channel.syncOptions?.setOption(.autoRead, value: false)
      channel.read()
      return connection
    }
  }
}

/// A handler knows its connection by this; the connection holds the handler.
private final class ConnectionHolder {
  weak var connection: ClusterConnection?
}

extension Result {
  fileprivate var isFailure: Bool { if case .failure = self { true } else { false } }
}

extension Connector {
  /// Why there is no connection, in words.
  private func attempt(_ error: any Error, _ way: Way) async -> ClusterAttempt {
    var attempt = ClusterAttempt(
      server: way.server, kind: FailureText.kind(of: error), reason: FailureText.of(error))
    if let error = error as? NIOConnectionError {
      (attempt.kind, attempt.reason) = FailureText.connection(error)
    } else if case ChannelError.connectTimeout = error {
      attempt.reason = "no connection within \(way.limit.text)"
    } else if error is WrongCertificate || error is NIOSSLExtraError || error.isBadCertificate {
      attempt.kind = .tls
      attempt.reason = await certificateText(error, way)
    }
    if let proxy = way.proxy {
      if attempt.kind != .tls && attempt.kind != .proxy {
        attempt.reason = "the proxy \(proxy): \(attempt.reason)"
        attempt.kind = .proxy
      }
    }
    return attempt
  }

  /// Connects once more, sending nothing, to see what is wrong with the server's certificate.
  private func certificateText(_ error: any Error, _ way: Way) async -> String {
    let name = serverName(way.server)
    guard let context = way.contexts?.unchecked else {
      return Self.certificateText(error, name: name)
    }
    let seen = await open(way, as: NIOSSLCertificate?.self) { channel in
      self.handshake(channel, context, name: name, isChecked: false).map { certificate in
        channel.close(promise: nil)
        return certificate
      }
    }
    guard case .success(let certificate?) = seen else {
      return Self.certificateText(error, name: name)
    }
    return Self.certificateText(error, name: name, certificate)
  }

  private static func certificateText(
    _ error: any Error, name: String, _ certificate: NIOSSLCertificate? = nil
  ) -> String {
    let isWrongName =
      error is WrongCertificate
      || (error as? NIOSSLExtraError) == .failedToValidateHostname
    if isWrongName {
      let names = (certificate ?? (error as? WrongCertificate)?.certificate)?.names
      return "the server's certificate is not for \(name)" + (names.map { " but for: \($0)" } ?? "")
        + "; is this the right server? `tls-server-name` can name what to expect"
    }
    guard error.isBadCertificate else { return FailureText.of(error) }
    let now = System.now
    if let certificate, Int64(certificate.notValidAfter) < now {
      return "the server's certificate has expired; renew it, or set this machine's clock"
    }
    if let certificate, Int64(certificate.notValidBefore) > now {
      return "the server's certificate is not valid yet; is this machine's clock right?"
    }
    return
      "the server's certificate is not signed by the certificate authority that is trusted here; "
      + "check `certificate-authority` of the cluster"
  }
}
