import ClusterClient
import Testing

@Suite struct RequestTests {
  @Test func oneConnectionServesMany() async throws {
    let server = try await TestServer { received in [response("you asked for \(received.path)")] }
    try await withClient(
      configuration(server.url() + "/base/", user: "token: t0k\nas: jane\nas-groups: [a, b]")
    ) { (client) async throws in
      #expect(try await client.text("/api/v1/pods?x=1") == "you asked for /base/api/v1/pods?x=1")
      #expect(try await client.text("/two") == "you asked for /base/two")
    }
    #expect(server.connectionCount == 1)
    let first = try #require(server.requests.first)
    #expect(first.method == "GET")
    #expect(first.header("Host") == ["127.0.0.1:\(server.port)"])
    #expect(first.header("Authorization") == ["Bearer t0k"])
    #expect(first.header("User-Agent") == ["socklb"])
    #expect(first.header("Accept") == ["application/json"])
    #expect(first.header("Impersonate-User") == ["jane"])
    #expect(first.header("Impersonate-Group") == ["a", "b"])
    #expect(await eventually { server.openCount == 0 })
  }

  @Test func sendsABodyAndReadsHeaders() async throws {
    let server = try await TestServer { received in
      [response(received.body, status: "429 Too Many Requests", headers: "Retry-After: 7\r\n")]
    }
    try await withClient(configuration(server.url(), user: "username: me\npassword: pass")) {
      client in
      var request = ClusterRequest("/events")
      request.method = "POST"
      request.body = Array("{\"a\":1}".utf8)
      let answer = try await client.send(request)
      #expect(answer.status == 429 && answer.header("retry-after") == "7")
      #expect(try await answer.collect(upTo: 100) == request.body)
      request.body = []
      _ = try await client.send(request).collect(upTo: 100)
    }
    #expect(server.requests[0].header("Authorization") == ["Basic " + "me:pass".base64])
    #expect(server.requests[1].header("Content-Length") == ["0"])
  }

  @Test func aWatchBringsEventsAsTheyCome() async throws {
    let hasFirst = Counter()
    let server = try await TestServer { _ in
      [
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), .pause(milliseconds: 20),
        .send("3\r\none\r\n"), .until { hasFirst.value > 0 }, .send("3\r\ntwo\r\n0\r\n\r\n"),
      ]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      let answer = try await client.send(ClusterRequest("/?watch=1"))
      var parts: [String] = []
      for try await part in answer.body {
        parts.append(String(decoding: part, as: UTF8.self))
        hasFirst.add(1)
      }
      #expect(parts == ["one", "two"])
      #expect(try await client.text("/?watch=1") == "onetwo")
    }
    #expect(server.connectionCount == 1)
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\none",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\none",
  ])
  func whatIsCutOffIsAnError(_ text: String) async throws {
    let server = try await TestServer { _ in [.send(text), .pause(milliseconds: 20), .close] }
    try await withClient(configuration(server.url())) { (client) async throws in
      let answer = try await client.send(ClusterRequest("/"))
      var iterator = answer.body.makeAsyncIterator()
      #expect(try await iterator.next() == Array("one".utf8))
      do {
        let more = try await iterator.next()
        Issue.record("an end: \(String(describing: more))")
      } catch ClusterError.truncated {}
    }
  }

  @Test func whatEndsByClosingIsComplete() async throws {
    let server = try await TestServer { _ in [.send("HTTP/1.1 200 OK\r\n\r\nall"), .close] }
    try await withClient(configuration(server.url())) { (client) async throws in
      #expect(try await client.text() == "all")
      #expect(try await client.text() == "all")
    }
    #expect(server.connectionCount == 2)
  }

  @Test func aResetIsAnError() async throws {
    let server = try await TestServer { received in
      received.path == "/head"
        ? [.reset]
        : [
          .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\none"), .pause(milliseconds: 30),
          .reset,
        ]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      guard case .connectionLost(_, .body, _)? = await client.failure() else {
        Issue.record("another error")
        return
      }
      guard case .connectionLost(_, .head, _)? = await client.failure(ClusterRequest("/head"))
      else {
        Issue.record("another error")
        return
      }
    }
  }

  @Test func limitsOfTime() async throws {
    let server = try await TestServer { received in
      received.path == "/head"
        ? []
        : [
          .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), .pause(milliseconds: 70),
          .send("1\r\na\r\n"), .pause(milliseconds: 70), .send("1\r\na\r\n"),
        ]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      var request = ClusterRequest("/head")
      request.limits.head = .milliseconds(50)
      guard case .timeout(_, .head, .milliseconds(50))? = await client.failure(request) else {
        Issue.record("another error")
        return
      }
      request = ClusterRequest("/")
      request.limits.idle = .milliseconds(120)
      var count = 0
      let start = ContinuousClock.now
      do {
        for try await part in try await client.send(request).body { count += part.count }
        Issue.record("an end")
      } catch ClusterError.timeout(_, .body, _) {}
      #expect(count == 2)
      #expect(ContinuousClock.now - start > .milliseconds(240))
    }
    #expect(await eventually { server.openCount == 0 })
  }

  @Test(arguments: ["http", "https"])
  func aReaderThatStandsStillHoldsTheServerUp(_ scheme: String) async throws {
    let sent = Counter()
    let context = try Authority.shared.get().context(Authority.server.get())
    let server = try await TestServer(tls: scheme == "https" ? TLSChoice { context } : nil) { _ in
      let part: [Step] = [.bytes(1_000_000), .until { sent.add(1) > 0 }]
      return [.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")]
        + (0..<100).flatMap { _ in part }
    }
    let configuration = try configuration(
      server.url(scheme), cluster: "insecure-skip-tls-verify: true")
    try await withClient(configuration) { (client) async throws in
      let answer = try await client.send(ClusterRequest("/"))
      try await Task.sleep(for: .milliseconds(500))
      // What the sockets of both sides take is not in this client's hands.
      #expect(sent.value < 30)
      var count = 0
      var largest = 0
      for try await part in answer.body {
        count += part.count
        largest = max(largest, part.count)
      }
      #expect(count == 100_000_000)
      #expect(await eventually { sent.value == 100 })
      #expect(largest <= 200_000)
    }
  }

  /// Whatever a server sends, there is an answer or an error.
  @Test func damagedResponsesAreAnsweredOrRefused() async throws {
    let whole = Array(
      ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "5\r\nabcde\r\nA\r\n0123456789\r\n0\r\n\r\n").utf8)
    let seed = UInt64.random(in: 0 ... .max)
    let server = try await TestServer { received in
      var state = seed &+ (UInt64(received.path.dropFirst()) ?? 0)
      func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
      }
      var bytes = whole
      for _ in 0...next(4) {
        switch next(3) {
        case 0: bytes[next(bytes.count)] = UInt8(32 + next(95))
        case 1: bytes.remove(at: next(bytes.count))
        default: bytes.insert([10, 13, 48, 70][next(4)], at: next(bytes.count))
        }
      }
      return [.send(String(decoding: bytes, as: UTF8.self)), .pause(milliseconds: 1), .close]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      for number in 0..<150 {
        var request = ClusterRequest("/\(number)")
        request.limits.head = .seconds(20)
        request.limits.idle = .seconds(20)
        do throws(ClusterError) {
          let text = try await client.send(request).collect(upTo: 1000)
          #expect(text.count < 200, "seed \(seed), number \(number)")
        } catch {
          if case .timeout = error { Issue.record("seed \(seed), number \(number): \(error)") }
        }
      }
    }
    #expect(await eventually { server.openCount == 0 })
  }

  @Test func droppingABodyClosesItsConnection() async throws {
    let server = try await TestServer { _ in
      [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      do {
        let answer = try await client.send(ClusterRequest("/"))
        #expect(answer.status == 200 && server.openCount == 1)
      }
      #expect(await eventually { server.openCount == 0 })
    }
  }

  @Test func cancellingClosesTheConnection() async throws {
    let server = try await TestServer { received in
      received.path == "/silent"
        ? [] : [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      for path in ["/", "/silent"] {
        let task = Task { await client.failure(ClusterRequest(path)) }
        #expect(await eventually { server.openCount == 1 })
        try await Task.sleep(for: .milliseconds(30))
        task.cancel()
        guard case .cancelled? = await task.value else {
          Issue.record("another error")
          return
        }
        #expect(await eventually { server.openCount == 0 })
      }
    }
  }

  @Test func aKeptConnectionThatTheServerClosedIsReplaced() async throws {
    let server = try await TestServer { received in
      received.connection == 1 && received.path == "/second"
        ? [.close] : [response(received.path)]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      #expect(try await client.text("/first") == "/first")
      #expect(try await client.text("/second") == "/second")
      #expect(server.requests.map(\.path) == ["/first", "/second", "/second"])
      // What changes something is not sent twice.
      var request = ClusterRequest("/third")
      request.method = "POST"
      _ = try await client.send(request).collect(upTo: 10)
      #expect(server.requests.count == 4)
    }
  }

  @Test func redirectsAreNotFollowed() async throws {
    let server = try await TestServer { _ in
      [
        response(
          "", status: "302 Found", headers: "Location: https://other.example/login?code=hush\r\n")
      ]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      let text = await client.failure()?.description ?? ""
      #expect(text.contains("redirect to https://other.example/login,"))
      #expect(!text.contains("hush"))
    }
  }

  @Test func headsAreLimited() async throws {
    let many = (0..<1000).map { "X\($0): 1\r\n" }.joined()
    let server = try await TestServer { received in
      if received.path == "/long" {
        return [.send("HTTP/1.1 200 OK\r\nX: "), .bytes(500_000), .send("\r\n\r\n")]
      }
      return [.send("HTTP/1.1 200 OK\r\n\(many)Content-Length: 0\r\n\r\n")]
    }
    try await withClient(configuration(server.url())) { (client) async throws in
      for path in ["/long", "/many"] {
        guard case .protocolViolation? = await client.failure(ClusterRequest(path)) else {
          Issue.record("another error")
          return
        }
      }
    }
  }

  @Test func anotherProtocolIsAnError() async throws {
    let server = try await TestServer { _ in [.send("220 mail.example ESMTP\r\n")] }
    try await withClient(configuration(server.url())) { (client) async throws in
      guard case .protocolViolation? = await client.failure() else {
        Issue.record("another error")
        return
      }
    }
  }

  @Test func collectHasALimit() async throws {
    let server = try await TestServer { _ in [response("0123456789")] }
    try await withClient(configuration(server.url())) { (client) async throws in
      do {
        _ = try await client.send(ClusterRequest("/")).collect(upTo: 9)
        Issue.record("no error")
      } catch ClusterError.tooLarge(_, limit: 9) {}
    }
  }

  @Test func shutdownEndsEverything() async throws {
    let server = try await TestServer { received in
      received.path == "/silent"
        ? [] : [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    }
    let client = try ClusterClient(configuration(server.url()), log: Lines().logger)
    let tasks = ["/", "/silent"].map { path in Task { await client.failure(ClusterRequest(path)) } }
    #expect(await eventually { server.requests.count == 2 })
    try await Task.sleep(for: .milliseconds(30))
    await client.shutdown()
    for task in tasks {
      guard case .shutDown? = await task.value else {
        Issue.record("another error")
        return
      }
    }
    guard case .shutDown? = await client.failure() else {
      Issue.record("another error")
      return
    }
    #expect(await eventually { server.openCount == 0 })
  }
}
