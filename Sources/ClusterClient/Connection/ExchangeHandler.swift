import NIOCore
import NIOHTTP1

/// One connection's requests, one after the other: sends them, tells the head of the response, and puts its body
/// into a queue. It lives on the event loop.
final class ExchangeHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  struct Request: Sendable {
    var head: HTTPRequestHead
    var body: [UInt8]
    var limits: ClusterLimits
  }

  struct Answer: Sendable {
    var head: HTTPResponseHead
    var queue: BodyQueue
  }

  typealias Reply = @Sendable (Result<Answer, ExchangeFailure>) -> Void

  private enum State {
    case idle
    case head(Reply, Scheduled<Void>)
    case body(BodyQueue, isKept: Bool)
    case closed
  }

  private var state = State.idle
  private var context: ChannelHandlerContext?
  private var limits = ClusterLimits()
  private var idleTimer: Scheduled<Void>?
  /// The first error that came; what is reported when the channel closes.
  private var failure: (any Error)?
  private let server: ClusterServer
  /// Called when a request is over: whether another one may follow.
  private let onIdle: (_ isKept: Bool) -> Void
  /// The end of a body that is to be given up, unless another one comes first.
  var closeReason: ClusterError?

  init(_ server: ClusterServer, onIdle: @escaping (_ isKept: Bool) -> Void) {
    self.server = server
    self.onIdle = onIdle
  }

  var isIdle: Bool { if case .idle = state { true } else { false } }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    close(context: context)
    self.context = nil
  }

  /// Sends a request; `reply` is called once.
  func start(_ request: Request, _ reply: @escaping Reply) {
    guard let context, case .idle = state, context.channel.isActive else {
      // With TLS 1.3 a server says only after the handshake that it does not want this client.
      let error = closeReason ?? failure.map { clusterError(of: $0, .head) }
      reply(
        .failure(
          ExchangeFailure(
            error ?? .connectionLost(server, .head, "closed by the server"), isUnused: true,
            isUnsent: true)))
      return
    }
    limits = request.limits
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let timer = context.eventLoop.scheduleTask(in: TimeAmount(request.limits.head)) {
      bound.value.headTimeout()
    }
    state = .head(reply, timer)
    context.write(wrapOutboundOut(.head(request.head)), promise: nil)
    if !request.body.isEmpty {
      context.write(
        wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: request.body)))), promise: nil)
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (unwrapInboundIn(data), state) {
    case (.head(let head), .head(let reply, let timer)):
      timer.cancel()
      let queue = BodyQueue(context.channel)
      state = .body(queue, isKept: head.isKeepAlive)
      watchSilence(of: queue, context: context)
      reply(.success(Answer(head: head, queue: queue)))
    case (.body(let bytes), .body(let queue, _)):
      queue.push(bytes)
    case (.end, .body(let queue, let isKept)):
      idleTimer?.cancel()
      idleTimer = nil
      state = .idle
      // Before the reader knows of it: its next request is to find this connection.
      onIdle(isKept)
      queue.finish(.success(()))
    default:
      // Something that nobody asked for: this connection is not to be trusted.
      context.close(promise: nil)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if case .body(let queue, _) = state, !queue.wantsMore() { return }
    context.read()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if failure == nil { failure = error }
    // At once: TLS takes its time to close.
    close(context: context)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    close(context: context)
    context.fireChannelInactive()
  }

  private func headTimeout() {
    guard case .head(let reply, _) = state else { return }
    state = .closed
    reply(.failure(ExchangeFailure(.timeout(server, .head, limits.head), isUnused: false)))
    context?.close(promise: nil)
  }

  /// Looks once per limit whether the reader has been waiting for that long.
  private func watchSilence(of queue: BodyQueue, context: ChannelHandlerContext) {
    guard let limit = limits.idle else { return }
    let wait = TimeAmount(limit)
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let since = queue.silence ?? .now()
    let due = since + wait
    idleTimer = context.eventLoop.scheduleTask(deadline: due) {
      let handler = bound.value
      guard let context = handler.context, !queue.isFinished else { return }
      if let since = queue.silence, since + wait <= .now() {
        queue.finish(.failure(.timeout(handler.server, .body, limit)))
        context.close(promise: nil)
      } else {
        handler.watchSilence(of: queue, context: context)
      }
    }
  }

  private func close(context: ChannelHandlerContext) {
    idleTimer?.cancel()
    idleTimer = nil
    let old = state
    state = .closed
    onIdle(false)
    switch old {
    case .head(let reply, let timer):
      timer.cancel()
      let error =
        closeReason ?? failure.map { clusterError(of: $0, .head) }
        ?? .connectionLost(server, .head, "closed by the server")
      reply(.failure(ExchangeFailure(error, isUnused: isBeforeAnswer(failure))))
    case .body(let queue, _):
      let end =
        closeReason ?? failure.map { clusterError(of: $0, .body) }
        ?? .truncated(server, "the connection was closed before the end")
      queue.finish(.failure(end))
    case .idle, .closed: break
    }
  }

  /// Whether the server may have closed a connection that it had left unused, just before it was used again.
  private func isBeforeAnswer(_ failure: (any Error)?) -> Bool {
    guard let failure else { return true }
    if case .invalidEOFState? = failure as? HTTPParserError { return true }
    if let error = failure as? IOError { return error.isClosedByPeer }
    return failure.isUncleanTLS
  }

  private func clusterError(of error: any Error, _ phase: ClusterPhase) -> ClusterError {
    if let error = error as? HTTPParserError {
      if error == .invalidEOFState {
        return phase == .body
          ? .truncated(server, "the connection was closed before the end")
          : .connectionLost(server, .head, "closed by the server")
      }
      if error == .headerOverflow {
        return .protocolViolation(server, "the head of the response is too large")
      }
      return .protocolViolation(server, "this is no HTTP/1.1 response: \(error)")
    }
    if error.isUncleanTLS {
      return phase == .body
        ? .truncated(server, "the connection was closed before the end")
        : .connectionLost(server, .head, "closed by the server")
    }
    return .connectionLost(server, phase, FailureText.of(error))
  }
}

/// Why a request got no response.
struct ExchangeFailure: Error {
  var error: ClusterError
  /// The server has closed a kept connection, most likely without having seen the request.
  var isUnused: Bool
  /// Surely so.
  var isUnsent: Bool

  init(_ error: ClusterError, isUnused: Bool, isUnsent: Bool = false) {
    self.error = error
    self.isUnused = isUnused
    self.isUnsent = isUnsent
  }
}

extension TimeAmount {
  init(_ duration: Duration) {
    let parts = duration.components
    self = .nanoseconds(parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
  }
}
