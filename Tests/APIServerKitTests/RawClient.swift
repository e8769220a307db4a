import APIServerKit
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL

struct ClientProblem: Error, CustomStringConvertible {
  let description: String
}

/// One connection, over which a test writes requests by hand and reads bytes.
final class RawClient: @unchecked Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var isEnded = false
    var error: String?
  }

  private final class Reader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let state: NIOLockedValueBox<State>
    init(_ state: NIOLockedValueBox<State>) { self.state = state }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let buffer = unwrapInboundIn(data)
      state.withLockedValue { $0.bytes += buffer.readableBytesView }
    }

    func channelInactive(context: ChannelHandlerContext) {
      state.withLockedValue { $0.isEnded = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      state.withLockedValue { if $0.error == nil { $0.error = "\(error)" } }
      context.close(promise: nil)
    }
  }

  private let state = NIOLockedValueBox(State())
  private let channel: any Channel

  init(_ server: APIServer, tls: TLSConfiguration? = nil) throws {
    let state = state
    let context = try tls.map { try NIOSSLContext(configuration: $0) }
    channel = try ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context {
            try channel.pipeline.syncOperations.addHandler(
              NIOSSLClientHandler(context: context, serverHostname: nil))
          }
          try channel.pipeline.syncOperations.addHandler(Reader(state))
        }
      }
      .connect(host: "127.0.0.1", port: server.port).wait()
  }

  deinit { channel.close(promise: nil) }

  func close() { try? channel.close().wait() }

  func send(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: String = ""
  ) {
    var text = "\(method) \(path) HTTP/1.1\r\nHost: test\r\nUser-Agent: raw/1\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
    channel.writeAndFlush(ByteBuffer(string: text + "\r\n" + body), promise: nil)
  }

  var error: String? { state.withLockedValue { $0.error } }

  /// Waits until what was received satisfies something, or the connection has ended.
  private func wait<Value>(
    _ what: String, seconds: Double, _ body: (inout [UInt8]) throws -> Value?
  ) throws -> Value? {
    let end = NIODeadline.now() + .milliseconds(Int64(seconds * 1000))
    while true {
      let isEnded = state.withLockedValue { $0.isEnded }
      if let value = try state.withLockedValue({ try body(&$0.bytes) }) { return value }
      if isEnded { return nil }
      guard NIODeadline.now() < end else {
        throw ClientProblem(description: "no \(what) within \(seconds) s")
      }
      usleep(1000)
    }
  }

  /// The head of the next answer; nil when the connection ended instead.
  func head(seconds: Double = 5) throws -> (status: Int, headers: [String: String])? {
    try wait("answer", seconds: seconds) { bytes in
      guard let range = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
      let lines = String(decoding: bytes[..<range.lowerBound], as: UTF8.self).split(
        separator: "\r\n")
      bytes.removeSubrange(..<range.upperBound)
      var headers: [String: String] = [:]
      for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: ":") else { continue }
        headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmed
      }
      return (Int(lines[0].split(separator: " ")[1]) ?? 0, headers)
    }
  }

  /// The next chunk; empty at the end of the answer, nil when the connection ended before.
  func chunk(seconds: Double = 5) throws -> [UInt8]? {
    try wait("chunk", seconds: seconds) { bytes in
      guard let line = bytes.firstRange(of: [13, 10]) else { return nil }
      let text = String(decoding: bytes[..<line.lowerBound], as: UTF8.self)
      guard let length = Int(text, radix: 16) else {
        throw ClientProblem(description: "'\(text)' is no chunk")
      }
      guard bytes.count >= line.upperBound + length + 2 else { return nil }
      let chunk = Array(bytes[line.upperBound..<line.upperBound + length])
      bytes.removeSubrange(..<(line.upperBound + length + 2))
      return chunk
    }
  }

  /// A whole answer.
  func answer(seconds: Double = 10) throws -> (
    status: Int, headers: [String: String], body: JSON, text: String
  )? {
    guard let head = try head(seconds: seconds) else { return nil }
    var body: [UInt8] = []
    if let length = head.headers["content-length"].flatMap({ Int($0) }) {
      let part = try wait("body", seconds: seconds) { bytes -> [UInt8]? in
        guard bytes.count >= length else { return nil }
        defer { bytes.removeFirst(length) }
        return Array(bytes[..<length])
      }
      guard let part else { return nil }
      body = part
    } else {
      while true {
        guard let chunk = try chunk(seconds: seconds) else { return nil }
        if chunk.isEmpty { break }
        body += chunk
      }
    }
    let text = String(decoding: body, as: UTF8.self)
    return (head.status, head.headers, (try? JSON(parsing: body)) ?? .null, text)
  }

  /// The next event of a watch; nil at the end of the answer.
  func event(seconds: Double = 5) throws -> (type: String, object: JSON)? {
    guard let chunk = try chunk(seconds: seconds), !chunk.isEmpty else { return nil }
    guard chunk.last == 0x0A, !chunk.dropLast().contains(0x0A) else {
      throw ClientProblem(description: "not one line: \(String(decoding: chunk, as: UTF8.self))")
    }
    let json = try JSON(parsing: chunk)
    return (json["type"]?.string ?? "", json["object"] ?? .null)
  }

  /// That nothing comes for a while.
  func isQuiet(seconds: Double = 0.3) -> Bool {
    usleep(UInt32(seconds * 1_000_000))
    return state.withLockedValue { $0.bytes.isEmpty && !$0.isEnded }
  }
}

extension Substring {
  var trimmed: String {
    var text = self
    while text.first == " " { text.removeFirst() }
    return String(text)
  }
}
