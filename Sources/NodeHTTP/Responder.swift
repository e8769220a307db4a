import NIOCore
import NIOHTTP1

/// One connection: takes requests one after the other, and ends with whoever is too slow.
final class Responder: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let listener: HTTPListener
  private let limits: HTTPLimits
  private let handler: NodeHTTPServer.Handler
  private var context: ChannelHandlerContext?
  /// The request that came, or comes.
  private var head: HTTPRequestHead?
  private var bodyBytes = 0
  private var isAnswering = false
  /// Nothing else comes.
  private var isLast = false
  private var deadline: Scheduled<Void>?

  init(_ listener: HTTPListener, _ limits: HTTPLimits, _ handler: @escaping NodeHTTPServer.Handler)
  {
    self.listener = listener
    self.limits = limits
    self.handler = handler
  }

  static func add(
    to channel: any Channel, _ listener: HTTPListener, _ limits: HTTPLimits,
    _ handler: @escaping NodeHTTPServer.Handler
  ) throws {
    var decoder = NIOHTTPDecoderLimitConfiguration()
    decoder.maxHeaderFieldSize = limits.headerBytes
    decoder.maxHeaderListSize = limits.headerBytes
    decoder.maxHeaderFieldCount = 64
    let pipeline = channel.pipeline.syncOperations
    try pipeline.configureHTTPServerPipeline(
      withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
      withDecoderLimitConfiguration: decoder)
    try pipeline.addHandler(Responder(listener, limits, handler))
  }

  // MARK: The connection

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    deadline?.cancel()
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    close(after: limits.requestSeconds)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    deadline?.cancel()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent {
      isLast = true
      if !isAnswering { context.close(promise: nil) }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // What is no HTTP is answered by the handler before this one.
    context.close(promise: nil)
  }

  private func close(after seconds: Int64) {
    deadline?.cancel()
    guard let context else { return }
    let channel = context.channel
    deadline = context.eventLoop.scheduleTask(in: .seconds(seconds)) { channel.close(promise: nil) }
  }

  // MARK: Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      bodyBytes = 0
    case .body(let bytes):
      bodyBytes += bytes.readableBytes
      if bodyBytes > limits.bodyBytes { context.close(promise: nil) }
    case .end:
      if let head { take(head, context) }
    }
  }

  private func take(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    isAnswering = true
    close(after: limits.answerSeconds)
    guard head.method == .GET || head.method == .HEAD else {
      var answer = HTTPAnswer(code: 405, text: "only GET and HEAD\n")
      answer.headers.append(("Allow", "GET, HEAD"))
      write(answer, to: head)
      return
    }
    let parts = head.uri.split(
      separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let accept = head.headers["Accept"]
    let question = HTTPQuestion(
      listener: listener, path: parts.first.map(String.init) ?? "",
      query: parts.count > 1 ? String(parts[1]) : "",
      accept: accept.isEmpty ? nil : accept.joined(separator: ","))
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let loop = context.eventLoop
    handler(question) { answer in
      if loop.inEventLoop {
        bound.value.write(answer, to: head)
      } else {
        loop.execute { bound.value.write(answer, to: head) }
      }
    }
  }

  private func write(_ answer: HTTPAnswer, to head: HTTPRequestHead) {
    guard let context, isAnswering else { return }
    let isLast = isLast || !head.isKeepAlive || head.version.minor == 0
    var headers = HTTPHeaders(answer.headers.map { ($0.name, $0.value) })
    headers.add(name: "Content-Length", value: "\(answer.body.count)")
    if isLast { headers.add(name: "Connection", value: "close") }
    let response = HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: answer.code), headers: headers)
    context.write(wrapOutboundOut(.head(response)), promise: nil)
    if head.method != .HEAD {
      context.write(wrapOutboundOut(.body(.byteBuffer(answer.body.buffer))), promise: nil)
    }
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      bound.value.didWrite(isLast)
    }
  }

  private func didWrite(_ wasLast: Bool) {
    isAnswering = false
    head = nil
    if wasLast || isLast {
      context?.close(promise: nil)
    } else {
      close(after: limits.idleSeconds)
    }
  }
}
