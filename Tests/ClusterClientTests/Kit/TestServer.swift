import ClusterClient
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// What a server of a test does, step by step, when a request has come.
enum Step: Sendable {
  case send(String)
  case bytes(Int)
  case pause(milliseconds: Int)
  case until(@Sendable () -> Bool)
  case close
  /// With RST.
  case reset
}

struct Received: Sendable {
  /// Counted from 1.
  var connection: Int
  var method: String
  var path: String
  var head: String
  var body: String
  /// The serial number of the client's certificate.
  var client: [UInt8]?

  func header(_ name: String) -> [String] {
    head.split(separator: "\r\n").compactMap { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { return nil }
      return String(parts[1].drop { $0 == " " })
    }
  }
}

func response(_ body: String, status: String = "200 OK", headers: String = "") -> Step {
  .send("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
}

/// The certificates of a server, asked for with each connection.
struct TLSChoice: Sendable {
  var context: @Sendable () -> NIOSSLContext
}

struct HandlerChoice: Sendable {
  var make: @Sendable () -> any ChannelHandler
}

/// A server on loopback that says byte for byte what a test tells it to. It stays until `stop`, or as long as the
/// process: a test may need no more of it than its port.
final class TestServer: Sendable {
  typealias Script = @Sendable (Received) -> [Step]

  private let channel: any Channel
  private let shared: Shared

  private final class Shared: Sendable {
    let requests = Mutex<[Received]>([])
    let channels = Mutex<[any Channel]>([])

    func add(_ channel: any Channel) -> Int {
      channels.withLock { channels in
        channels.append(channel)
        return channels.count
      }
    }
  }

  var port: Int { channel.localAddress?.port ?? 0 }
  var requests: [Received] { shared.requests.withLock { $0 } }
  var connectionCount: Int { shared.channels.withLock { $0.count } }
  var openCount: Int { shared.channels.withLock { $0.filter(\.isActive).count } }

  /// - Parameter handler: takes the bytes instead of HTTP.
  init(
    host: String = "127.0.0.1", tls: TLSChoice? = nil,
    handler: HandlerChoice? = nil, _ script: @escaping Script = { _ in [] }
  ) async throws {
    let shared = Shared()
    self.shared = shared
    channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let number = shared.add(channel)
          let pipeline = channel.pipeline.syncOperations
          if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.context())) }
          if let handler {
            try pipeline.addHandler(handler.make())
          } else {
            try pipeline.addHandler(
              ScriptHandler(number, script) { received in
                shared.requests.withLock { $0.append(received) }
              })
          }
        }
      }
      .bind(host: host, port: 0).get()
  }

  /// Nobody listens any more, and all connections are closed.
  func stop() async {
    try? await channel.close()
    for channel in shared.channels.withLock({ $0 }) { try? await channel.close() }
  }

  func url(_ scheme: String = "http", host: String = "127.0.0.1") -> String {
    "\(scheme)://\(host):\(port)"
  }
}

/// Waits for whole requests and plays the script for each.
private final class ScriptHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let number: Int
  private let script: TestServer.Script
  private let note: (Received) -> Void
  private var bytes: [UInt8] = []

  init(_ number: Int, _ script: @escaping TestServer.Script, _ note: @escaping (Received) -> Void) {
    self.number = number
    self.script = script
    self.note = note
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes += unwrapInboundIn(data).readableBytesView
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.range(of: "\r\n\r\n") else { return }
    let head = String(text[..<end.lowerBound])
    var received = Received(
      connection: number, method: "", path: "", head: head, body: String(text[end.upperBound...]))
    let length = Int(received.header("Content-Length").first ?? "0") ?? 0
    guard received.body.utf8.count >= length else { return }
    let words = head.split(separator: " ", maxSplits: 2)
    received.method = String(words[0])
    received.path = String(words[1])
    received.client = try? context.pipeline.syncOperations.nioSSL_peerCertificate()?.serialNumber
    bytes = []
    note(received)
    play(script(received)[...], context)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func play(_ steps: ArraySlice<Step>, _ context: ChannelHandlerContext) {
    guard let step = steps.first else { return }
    let rest = steps.dropFirst()
    switch step {
    case .send(let text): write(ByteBuffer(string: text), rest, context)
    case .bytes(let count): write(ByteBuffer(repeating: 0x78, count: count), rest, context)
    case .pause(let milliseconds):
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      context.eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) {
        bound.value.0.play(rest, bound.value.1)
      }
    case .until(let condition):
      play(condition() ? rest : [.pause(milliseconds: 5)] + steps, context)
    case .close: context.close(promise: nil)
    case .reset:
      let now = linger(l_onoff: 1, l_linger: 0)
      _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(now)
      context.close(promise: nil)
    }
  }

  /// Goes on when the bytes have been taken.
  private func write(
    _ bytes: ByteBuffer, _ rest: ArraySlice<Step>, _ context: ChannelHandlerContext
  ) {
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(bytes)).whenSuccess {
      bound.value.0.play(rest, bound.value.1)
    }
  }
}
