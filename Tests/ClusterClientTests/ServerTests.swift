import ClusterClient
import Foundation
import NIOCore
import NIOPosix
import Testing

@Suite struct ServerTests {
  @Test func theNextServerIsTriedAndKept() async throws {
    let port = 1  // nobody listens there
    let server = try await TestServer { _ in [response("two", headers: "Connection: close\r\n")] }
    let log = Lines()
    let url = server.url()
    let configuration = try configuration(
      "https://unused.example", servers: ["http://127.0.0.1:\(port)", url])
    try await withClient(configuration, log: log) { (client) async throws in
      let answer = try await client.send(ClusterRequest("/"))
      #expect(answer.server.port == server.port)
      _ = try await answer.collect(upTo: 100)
      _ = try await client.text()
      // The first one is asked once, and no more.
      #expect(
        log.all == [
          "warning: http://127.0.0.1:\(port): connection refused; using \(url) from now on"
        ])
      await server.stop()
      let text = await client.failure()?.description
      #expect(
        text
          == "cannot reach any of the 2 API servers: \(url): connection refused; "
          + "http://127.0.0.1:\(port): connection refused")
    }
  }

  @Test func aServerThatDoesNotAnswerIsNotTheFirstOneTheNextTime() async throws {
    let silent = try await TestServer { _ in [] }
    let server = try await TestServer { _ in [response("two")] }
    let configuration = try configuration(
      "https://unused.example", servers: [silent.url(), server.url()])
    try await withClient(configuration) { (client) async throws in
      var request = ClusterRequest("/")
      request.limits.head = .milliseconds(50)
      guard case .timeout? = await client.failure(request) else {
        Issue.record("another error")
        return
      }
      #expect(try await client.text() == "two")
    }
  }

  @Test func connectingHasALimit() async throws {
    // It accepts, and then does not speak TLS.
    let silent = try await TestServer(handler: HandlerChoice { Ignoring() })
    let configuration = try configuration(
      silent.url("https"), cluster: "insecure-skip-tls-verify: true")
    try await withClient(configuration) { (client) async throws in
      var request = ClusterRequest("/")
      request.limits.connect = .milliseconds(100)
      let start = ContinuousClock.now
      guard case .unreachable(let attempts)? = await client.failure(request) else {
        Issue.record("another error")
        return
      }
      #expect(attempts[0].kind == .timeout && attempts[0].reason == "no connection within 100 ms")
      #expect(ContinuousClock.now - start < .seconds(60))
      #expect(await eventually { silent.openCount == 0 })
      // Cancelled meanwhile.
      request.limits.connect = .seconds(60)
      let task = Task { [request] in await client.failure(request) }
      #expect(await eventually { silent.openCount == 1 })
      task.cancel()
      guard case .cancelled? = await task.value else {
        Issue.record("another error")
        return
      }
      #expect(await eventually { silent.openCount == 0 })
    }
  }

  @Test func aNameHasSeveralAddresses() async throws {
    // localhost may be ::1 as well as 127.0.0.1, and only one of them listens.
    let hosts = try String(contentsOfFile: "/etc/hosts", encoding: .utf8)
    let hasBoth = hosts.split(separator: "\n").contains {
      $0.hasPrefix("::1") && $0.split(whereSeparator: \.isWhitespace).contains("localhost")
    }
    for host in hasBoth ? ["127.0.0.1", "::1"] : ["127.0.0.1"] {
      let server = try await TestServer(host: host) { _ in [response("x")] }
      try await withClient(configuration(server.url(host: "localhost"))) { (client) async throws in
        #expect(try await client.text() == "x")
      }
    }
  }

  @Test func aNameThatNobodyKnowsIsNamed() async throws {
    try await withClient(configuration("http://no-such-host.invalid")) { (client) async throws in
      guard case .unreachable(let attempts)? = await client.failure() else {
        Issue.record("another error")
        return
      }
      #expect(attempts[0].kind == .name)
      #expect(attempts[0].reason.hasPrefix("the name no-such-host.invalid cannot be resolved"))
    }
  }

  @Test func connectionsAreWatchedForPeersThatVanish() async throws {
    let server = try await TestServer { _ in
      [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      let answer = try await client.send(ClusterRequest("/"))
      let options = socketOptions(to: server.port)
      #expect(options == [[1, 15, 5, 4, 30_000]])
      answer.body.close()
    }
  }

  @Test func nothingIsLeftOfManyRequests() async throws {
    let server = try await TestServer { received in
      received.path == "/keep" ? [response("x")] : [response("x", headers: "Connection: close\r\n")]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      _ = try await client.text()
      await withTaskGroup { group in
        for number in 0..<200 {
          group.addTask { _ = try? await client.text(number % 2 == 0 ? "/keep" : "/") }
        }
      }
      // At most four are kept.
      #expect(await eventually { server.openCount <= 4 })
    }
    #expect(await eventually { server.openCount == 0 })
  }
}

private final class Ignoring: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
