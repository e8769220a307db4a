import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One connection of a client. It answers one request after the other.
///
/// The answers are written as bytes and not as parts of HTTP, so that they can be wrong.
final class Connection: ChannelInboundHandler, @unchecked Sendable {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = ByteBuffer

  let core: Core
  let number: Int
  let channel: any Channel
  private var context: ChannelHandlerContext?
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  private var waiting: [(request: Request, keepsAlive: Bool)] = []
  private var isBusy = false
  private var keepsAlive = true
  private var current: Request?
  /// The watch that is being answered.
  private(set) var stream: WatchStream?
  /// Who the client's certificate says it is; found at the first request.
  private var certificate: Access.User?
  private var isCertificateKnown = false

  // Faults of what is sent.
  private var isMute = false
  private var cutAfter: (bytes: Int, byReset: Bool)?
  private var bytesPerSecond: Int?
  private var throttled = ByteBuffer()
  private var isThrottleRunning = false

  init(_ core: Core, _ channel: any Channel) {
    self.core = core
    self.channel = channel
    number = core.nextConnection()
  }

  func channelActive(context: ChannelHandlerContext) {
    context.fireChannelActive()
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    core.connections[number] = self
  }

  func channelInactive(context: ChannelHandlerContext) {
    core.connections[number] = nil
    stream?.stop()
    stream = nil
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { stream?.pump() }
    context.fireChannelWritabilityChanged()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
      if head.headers.contains(name: "expect") { write("HTTP/1.1 100 Continue\r\n\r\n") }
    case .body(let buffer): body += buffer.readableBytesView
    case .end:
      guard let head else { return }
      self.head = nil
      let request = Request(
        number: core.nextRequest(), connection: number, head: head, body: body)
      waiting.append((request, head.isKeepAlive))
      answerNext()
    }
  }

  // MARK: Answering

  private func answerNext() {
    guard !isBusy, !waiting.isEmpty else { return }
    let (request, keepsAlive) = waiting.removeFirst()
    isBusy = true
    self.keepsAlive = keepsAlive
    current = request
    core.record(request)
    if core.options.acceptsCertificates, !isCertificateKnown {
      isCertificateKnown = true
      certificate = PeerCertificate.user(of: channel)
    }
    start(request, fault: core.faults.take(for: request))
  }

  private func start(_ request: Request, fault: Fault?) {
    switch fault {
    case .reset: return reset()
    case .close: return close()
    case .silence: isMute = true
    case .delay(let seconds):
      channel.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
        self.start(request, fault: nil)
      }
      return
    case .cut(let bytes, let byReset): cutAfter = (bytes, byReset)
    case .slow(let rate): bytesPerSecond = rate
    case .page(let status, let text, let type, let seconds):
      let headers = seconds.map { [("Retry-After", String($0))] } ?? []
      return send(status, [Array(text.utf8)], type: type, headers: headers)
    case .garbage: return send(200, [Array("{\"kind\":\"ServiceList\",\"items\":[{]".utf8)])
    default: break
    }
    do throws(APIStatus) {
      var request = request
      let access = core.access.withLockedValue { $0 }
      let user = try access.user(request, certificate: certificate)
      request.user = user.name
      current = request
      if case .answer(let status) = fault { throw status }
      try access.check(request, user)
      let answer = try Router(core: core, request: request).answer()
      switch answer {
      case .json(let status, let bytes): send(status, [bytes])
      case .pieces(let pieces): send(200, pieces)
      case .text(let status, let text):
        send(
          status, [Array(text.utf8)], type: "text/plain; charset=utf-8",
          headers: [("X-Content-Type-Options", "nosniff")])
      case .bytes(let bytes, let type): send(200, [bytes], type: type)
      case .later(let seconds, let status):
        channel.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
          self.refuse(status)
        }
      case .watch(let options, let index):
        try begin(options, index, fault)
      }
    } catch {
      refuse(error)
    }
  }

  private func refuse(_ status: APIStatus) {
    var headers: [(String, String)] = []
    if let seconds = status.retryAfter { headers.append(("Retry-After", String(seconds))) }
    send(status.code, [status.json.bytes + [0x0A]], headers: headers)
  }

  private func begin(_ options: ListOptions, _ index: Int, _ fault: Fault?) throws(APIStatus) {
    guard let request = current else { return }
    let stream = WatchStream(self, core, request, options, index)
    try stream.find()
    beginStream()
    self.stream = stream
    stream.start(fault)
  }

  // MARK: Writing

  private func note(_ status: Int) {
    guard var request = current else { return }
    request.status = status
    core.update(request)
  }

  private func headText(_ status: Int, _ type: String, _ headers: [(String, String)]) -> String {
    let reason = HTTPResponseStatus(statusCode: status).reasonPhrase
    var text = "HTTP/1.1 \(status) \(reason)\r\nAudit-Id: \(Admission.uid())\r\n"
    text += "Cache-Control: no-cache, private\r\nContent-Type: \(type)\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    if current?.resource == "endpoints" {
      text +=
        "Warning: 299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 "
        + "EndpointSlice\"\r\n"
    }
    text += "Date: \(HTTPDate.now())\r\n"
    if !keepsAlive { text += "Connection: close\r\n" }
    return text
  }

  /// Small answers have a length, large ones come in chunks, as from Go's server.
  private func send(
    _ status: Int, _ pieces: [[UInt8]], type: String = "application/json",
    headers: [(String, String)] = []
  ) {
    note(status)
    let length = pieces.reduce(0) { $0 + $1.count }
    var text = headText(status, type, headers)
    let isHead = current?.method == "HEAD"
    let isSmall = length <= 2048
    text += isSmall ? "Content-Length: \(length)\r\n\r\n" : "Transfer-Encoding: chunked\r\n\r\n"
    var buffer = channel.allocator.buffer(capacity: length + 1024)
    buffer.writeString(text)
    if !isHead {
      if isSmall {
        for piece in pieces { buffer.writeBytes(piece) }
      } else {
        writeChunks(pieces, to: &buffer)
        buffer.writeString("0\r\n\r\n")
      }
    }
    write(buffer)
    finished()
  }

  private func writeChunks(_ pieces: [[UInt8]], to buffer: inout ByteBuffer) {
    var chunk = channel.allocator.buffer(capacity: 32768)
    for piece in pieces {
      chunk.writeBytes(piece)
      if chunk.readableBytes >= 16384 {
        writeChunk(chunk, to: &buffer)
        chunk.clear()
      }
    }
    if chunk.readableBytes > 0 { writeChunk(chunk, to: &buffer) }
  }

  func writeChunk(_ chunk: ByteBuffer, to buffer: inout ByteBuffer) {
    buffer.writeString(String(chunk.readableBytes, radix: 16))
    buffer.writeString("\r\n")
    buffer.writeImmutableBuffer(chunk)
    buffer.writeString("\r\n")
  }

  private func beginStream() {
    note(200)
    write(headText(200, "application/json", []) + "Transfer-Encoding: chunked\r\n\r\n")
  }

  /// Ends the answer to a watch as it should end.
  func endStream() {
    stream?.stop()
    stream = nil
    write("0\r\n\r\n")
    finished()
  }

  private func finished() {
    isBusy = false
    current = nil
    if keepsAlive {
      answerNext()
    } else {
      // After what is written.
      channel.writeAndFlush(ByteBuffer()).whenComplete { _ in self.close() }
    }
  }

  func write(_ text: String) { write(ByteBuffer(string: text)) }

  func write(_ buffer: ByteBuffer) {
    guard !isMute, channel.isActive else { return }
    var buffer = buffer
    if let cut = cutAfter {
      guard buffer.readableBytes > cut.bytes else {
        cutAfter = (cut.bytes - buffer.readableBytes, cut.byReset)
        return put(buffer)
      }
      put(buffer.readSlice(length: max(0, cut.bytes)) ?? ByteBuffer())
      isMute = true
      return endSoon(byReset: cut.byReset)
    }
    put(buffer)
  }

  private func put(_ buffer: ByteBuffer) {
    guard bytesPerSecond != nil || throttled.readableBytes > 0 else {
      return channel.writeAndFlush(buffer, promise: nil)
    }
    throttled.writeImmutableBuffer(buffer)
    guard !isThrottleRunning else { return }
    isThrottleRunning = true
    trickle()
  }

  private func trickle() {
    let rate = bytesPerSecond ?? 1 << 30
    let count = min(throttled.readableBytes, max(1, rate / 50))
    if let part = throttled.readSlice(length: count) { channel.writeAndFlush(part, promise: nil) }
    guard throttled.readableBytes > 0, channel.isActive else {
      isThrottleRunning = false
      throttled = ByteBuffer()
      return
    }
    channel.eventLoop.scheduleTask(in: .milliseconds(20)) { self.trickle() }
  }

  // MARK: Ends

  /// What was written is given a moment to arrive: a reset discards what is on the way.
  private func endSoon(byReset: Bool) {
    channel.eventLoop.scheduleTask(in: .milliseconds(20)) {
      if byReset { self.reset() } else { self.closeTransport() }
    }
  }

  /// RST instead of FIN.
  func reset() {
    isMute = true
    (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
      .whenComplete { _ in self.closeTransport() }
  }

  /// Past TLS, which would say goodbye.
  private func closeTransport() {
    if let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
    {
      tls.close(promise: nil)
    } else {
      channel.close(promise: nil)
    }
  }

  /// FIN; with TLS after a goodbye, whose answer is not waited for.
  func close() {
    isMute = true
    channel.close(promise: nil)
    channel.eventLoop.scheduleTask(in: .milliseconds(50)) {
      if self.channel.isActive { self.closeTransport() }
    }
  }
  func mute() { isMute = true }
  func throttle(_ rate: Int?) { bytesPerSecond = rate }

  /// Ends the connection in the middle of what was promised.
  func abort(byReset: Bool) {
    stream?.stop()
    stream = nil
    endSoon(byReset: byReset)
  }
}
