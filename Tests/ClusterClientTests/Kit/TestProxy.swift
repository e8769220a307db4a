import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A proxy on loopback that connects to whatever is asked for, as long as that is on loopback too.
final class TestProxy: Sendable {
  private let server: TestServer
  private let seen: Seen

  final class Seen: Sendable {
    let targets = Mutex<[String]>([])
  }

  var port: Int { server.port }
  /// `host:port`, or `user:password host:port`.
  var targets: [String] { seen.targets.withLock { $0 } }

  init(_ scheme: String, needsLogin: Bool = false) async throws {
    let seen = Seen()
    self.seen = seen
    let isSocks = scheme.hasPrefix("socks5")
    let context = try Authority.shared.get().context(Authority.server.get())
    server = try await TestServer(
      tls: scheme == "https" ? TLSChoice { context } : nil,
      handler: HandlerChoice { ProxyHandler(seen, isSocks: isSocks, needsLogin: needsLogin) })
  }
}

private final class ProxyHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Step {
    case greeting, login, request, tunnel
  }

  private let seen: TestProxy.Seen
  private let isSocks: Bool
  private let needsLogin: Bool
  private var step = Step.greeting
  private var bytes: [UInt8] = []
  private var login = ""
  private var peer: (any Channel)?

  init(_ seen: TestProxy.Seen, isSocks: Bool, needsLogin: Bool) {
    self.seen = seen
    self.isSocks = isSocks
    self.needsLogin = needsLogin
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    if let peer {
      peer.writeAndFlush(buffer, promise: nil)
      return
    }
    bytes += buffer.readableBytesView
    if isSocks { socks(context) } else { http(context) }
  }

  func channelInactive(context: ChannelHandlerContext) { peer?.close(promise: nil) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func http(_ context: ChannelHandlerContext) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasSuffix("\r\n\r\n") else { return }
    if let line = text.split(separator: "\r\n").first(where: {
      $0.hasPrefix("Proxy-Authorization: Basic ")
    }) {
      login =
        String(
          decoding: Data(base64Encoded: String(line.dropFirst(27))) ?? Data(), as: UTF8.self) + " "
    }
    if needsLogin && login.isEmpty {
      say(Array("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".utf8), context)
      return
    }
    let target = String(text.split(separator: " ")[1])
    let colon = target.lastIndex(of: ":") ?? target.endIndex
    connect(
      String(target[..<colon]), Int(target[target.index(after: colon)...]) ?? 0,
      answer: Array("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n".utf8), context)
  }

  private func socks(_ context: ChannelHandlerContext) {
    switch step {
    case .greeting:
      guard bytes.count >= 2, bytes.count == 2 + Int(bytes[1]) else { return }
      let hasLogin = bytes[2...].contains(2)
      if needsLogin && !hasLogin {
        say([5, 255], context)
        return
      }
      step = hasLogin ? .login : .request
      bytes = []
      say([5, hasLogin ? 2 : 0], context)
    case .login:
      let name = bytes[2..<2 + Int(bytes[1])]
      let password = bytes[(3 + Int(bytes[1]))...]
      login =
        String(decoding: name, as: UTF8.self) + ":" + String(decoding: password, as: UTF8.self)
        + " "
      step = .request
      bytes = []
      say([1, 0], context)
    case .request:
      let port = Int(bytes[bytes.count - 2]) << 8 | Int(bytes[bytes.count - 1])
      let host =
        bytes[3] == 1
        ? bytes[4..<8].map(String.init).joined(separator: ".")
        : String(decoding: bytes[5..<5 + Int(bytes[4])], as: UTF8.self)
      connect(host, port, answer: [5, 0, 0, 1, 127, 0, 0, 1, 0, 0], context)
    case .tunnel: break
    }
  }

  private func connect(
    _ host: String, _ port: Int, answer: [UInt8], _ context: ChannelHandlerContext
  ) {
    step = .tunnel
    seen.targets.withLock { $0.append("\(login)\(host):\(port)") }
    let near = context.channel
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    ClientBootstrap(group: context.eventLoop)
      .channelInitializer { far in
        far.eventLoop.makeCompletedFuture {
          try far.pipeline.syncOperations.addHandler(Forward(near))
        }
      }
      .connect(host: "127.0.0.1", port: port).whenSuccess { far in
        bound.value.0.peer = far
        bound.value.0.say(answer, bound.value.1)
      }
  }

  private func say(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
  }
}

private final class Forward: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let channel: any Channel

  init(_ channel: any Channel) { self.channel = channel }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    channel.writeAndFlush(unwrapInboundIn(data), promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { channel.close(promise: nil) }
}
