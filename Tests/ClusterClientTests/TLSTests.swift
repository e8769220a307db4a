import ClusterClient
import NIOCore
import NIOSSL
import Synchronization
import Testing

@Suite struct TLSTests {
  private func authorityData(_ authority: Authority) -> String {
    "certificate-authority-data: \(authority.certificate.base64)"
  }

  private func server(
    _ authority: Authority, _ pair: Authority.Pair, clients: Bool = false, most: TLSVersion? = nil,
    host: String = "127.0.0.1"
  ) async throws -> TestServer {
    let context = try authority.context(pair, clients: clients, most: most)
    return try await TestServer(host: host, tls: TLSChoice { context }) { _ in
      [response("over TLS")]
    }
  }

  /// What the only attempt of a failed request says.
  private func reason(_ configuration: ClusterConfiguration) async throws -> ClusterAttempt? {
    var attempt: ClusterAttempt?
    let client = ClusterClient(configuration, log: Lines().logger)
    if case .unreachable(let attempts)? = await client.failure() { attempt = attempts.first }
    await client.shutdown()
    return attempt
  }

  @Test func theAuthorityOfTheClusterIsTrusted() async throws {
    let authority = try Authority.shared.get()
    let server = try await server(authority, Authority.server.get())
    for host in ["127.0.0.1", "localhost"] {
      let configuration = try configuration(
        server.url("https", host: host), cluster: authorityData(authority), user: "token: t")
      try await withClient(configuration) { (client) async throws in
        #expect(try await client.text() == "over TLS")
        #expect(try await client.text() == "over TLS")
      }
    }
    #expect(server.connectionCount == 2)
  }

  @Test func anAddressMustBeInTheCertificate() async throws {
    let authority = try Authority.shared.get()
    let names = "DNS:api.example,IP:192.0.2.7,IP:2001:db8::7"
    let server = try await server(authority, authority.issue("elsewhere", names: names))
    let data = authorityData(authority)
    let failed = try await reason(configuration(server.url("https"), cluster: data))
    #expect(failed?.kind == .tls)
    #expect(
      failed?.reason.hasPrefix(
        "the server's certificate is not for 127.0.0.1 but for: api.example, 192.0.2.7, 2001:db8::7;"
      )
        == true)
    let named = try await reason(
      configuration(server.url("https", host: "localhost"), cluster: data))
    #expect(
      named?.reason.hasPrefix("the server's certificate is not for localhost but for: api") == true)
    for name in ["api.example", "192.0.2.7", "2001:db8::7"] {
      let configuration = try configuration(
        server.url("https"), cluster: data + "\ntls-server-name: \"\(name)\"")
      try await withClient(configuration) { (client) async throws in
        #expect(try await client.text() == "over TLS")
      }
    }
  }

  @Test func anotherAuthorityIsNotTrusted() async throws {
    let authority = try Authority("another authority")
    let server = try await server(authority, authority.issue("server"))
    let data = try authorityData(Authority.shared.get())
    let failed = try await reason(
      configuration(server.url("https"), cluster: data, user: "token: hush"))
    #expect(failed?.kind == .tls)
    #expect(failed?.reason.contains("not signed by the certificate authority") == true)
    // Those of the system do not know it either.
    let other = try await reason(configuration(server.url("https"), user: "token: hush"))
    #expect(other?.reason.contains("not signed by") == true)
    #expect(server.requests.isEmpty)
    let insecure = try configuration(server.url("https"), cluster: "insecure-skip-tls-verify: true")
    try await withClient(insecure) { (client) async throws in
      #expect(try await client.text() == "over TLS")
    }
  }

  @Test func anExpiredCertificateIsNamedSo() async throws {
    let authority = try Authority.shared.get()
    let server = try await server(authority, authority.issue("expired", days: -1))
    let failed = try await reason(
      configuration(server.url("https"), cluster: authorityData(authority)))
    #expect(failed?.reason.contains("has expired") == true)
  }

  @Test func oldVersionsOfTLSAreRefused() async throws {
    let authority = try Authority.shared.get()
    let server = try await server(authority, Authority.server.get(), most: .tlsv11)
    let failed = try await reason(
      configuration(server.url("https"), cluster: authorityData(authority)))
    #expect(failed?.kind == .tls && failed?.reason.contains("protocol version") == true)
    let newer = try await self.server(authority, Authority.server.get(), most: .tlsv12)
    try await withClient(configuration(newer.url("https"), cluster: authorityData(authority))) {
      (client) async throws in
      #expect(try await client.text() == "over TLS")
    }
  }

  @Test func aServerWithoutTLSIsToldApart() async throws {
    let server = try await TestServer(handler: HandlerChoice { BadRequest() })
    let failed = try await reason(
      configuration(server.url("https"), cluster: "insecure-skip-tls-verify: true"))
    #expect(failed?.kind == .tls)
    #expect(failed?.reason == "the server does not speak TLS; is it an http:// server?")
  }

  @Test func aClientCertificateIsShown() async throws {
    let authority = try Authority.shared.get()
    let server = try await server(authority, Authority.server.get(), clients: true)
    let pair = try authority.issue("jane")
    let data = authorityData(authority)
    let user = """
      client-certificate-data: \(pair.certificate.base64)
      client-key-data: \(pair.key.base64)
      """
    try await withClient(configuration(server.url("https"), cluster: data, user: user)) {
      (client) async throws in
      #expect(try await client.text() == "over TLS")
    }
    let serial = try NIOSSLCertificate(bytes: Array(pair.certificate.utf8), format: .pem)
      .serialNumber
    #expect(server.requests.map(\.client) == [serial])
    // Without one the server ends it.
    let client = try ClusterClient(
      configuration(server.url("https"), cluster: data), log: Lines().logger)
    let error = await client.failure()
    let text = error?.description ?? ""
    #expect(text.contains("certificate required"))
    await client.shutdown()
  }

  @Test func certificatesThatCannotBeUsedAreAnError() async throws {
    let authority = try Authority.shared.get()
    let one = try authority.issue("one")
    let two = try authority.issue("two")
    func text(_ certificate: String, _ key: String, ca: String) async throws -> String {
      let client = try ClusterClient(
        configuration(
          "https://127.0.0.1:1", cluster: "certificate-authority-data: \(ca.base64)",
          user:
            "client-certificate-data: \(certificate.base64)\nclient-key-data: \(key.base64)"),
        log: Lines().logger)
      let text = await client.failure()?.description ?? ""
      await client.shutdown()
      #expect(!text.contains("BEGIN"))
      return text
    }
    let ca = authority.certificate
    #expect(
      try await text(one.certificate, two.key, ca: ca).contains(
        "not that of the client certificate"))
    #expect(
      try await text(one.certificate, "hush", ca: ca).contains("client key is no private key"))
    #expect(try await text("hush", one.key, ca: ca).contains("client certificate is not in PEM"))
    #expect(try await text(one.certificate, one.key, ca: "x").contains("holds no certificate"))
  }

  @Test func aChangedClientCertificateIsUsedAtOnce() async throws {
    let authority = try Authority.shared.get()
    let context = try authority.context(Authority.server.get(), clients: true)
    let server = try await TestServer(tls: TLSChoice { context }) { received in
      received.path == "/watch"
        ? [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")]
        : [response("fine")]
    }
    let folder = try Folder()
    let pairs = try [authority.issue("before"), authority.issue("after")]
    let write = { (pair: Authority.Pair) in
      try folder.write("client.crt", pair.certificate)
      try folder.write("client.key", pair.key)
    }
    try write(pairs[0])
    let user = "client-certificate: client.crt\nclient-key: client.key"
    var rotation = ClusterClient.Rotation()
    rotation.interval = .milliseconds(50)
    rotation.delay = .milliseconds(50)
    let log = Lines()
    let configuration = try configuration(
      server.url("https"), cluster: authorityData(authority), user: user, in: folder)
    try await withClient(configuration, log: log, rotation: rotation) { (client) async throws in
      #expect(try await client.text() == "fine")
      let watch = try await client.send(ClusterRequest("/watch"))
      var iterator = watch.body.makeAsyncIterator()
      _ = try await iterator.next()
      // The key does not fit until the second file has changed too: the old ones go on.
      try folder.write("client.crt", pairs[1].certificate)
      #expect(try await client.text() == "fine")
      try folder.write("client.key", pairs[1].key)
      do {
        while try await iterator.next() != nil {}
        Issue.record("an end")
      } catch ClusterError.superseded {}
      #expect(try await client.text() == "fine")
    }
    let serials = try pairs.map {
      try NIOSSLCertificate(bytes: Array($0.certificate.utf8), format: .pem).serialNumber
    }
    #expect(server.requests.map(\.client) == [serials[0], serials[0], serials[0], serials[1]])
    #expect(log.all.contains("info: the client certificate has changed"))
  }

  @Test func aChangedAuthorityIsUsedAtOnce() async throws {
    let folder = try Folder()
    let other = try Authority("later authority")
    let pair = try other.issue("server")
    let first = try Authority.shared.get()
    let contexts = try [first.context(Authority.server.get()), other.context(pair)]
    let isLater = Mutex(false)
    let server = try await TestServer(
      tls: TLSChoice { contexts[isLater.withLock { $0 } ? 1 : 0] }
    ) { _ in [response("x", headers: "Connection: close\r\n")] }
    try folder.write("ca.crt", first.certificate)
    let configuration = try configuration(
      server.url("https"), cluster: "certificate-authority: ca.crt", in: folder)
    try await withClient(configuration) { (client) async throws in
      #expect(try await client.text() == "x")
      isLater.withLock { $0 = true }
      #expect(await client.failure() != nil)
      try folder.write("ca.crt", other.certificate)
      #expect(try await client.text() == "x")
    }
  }
}

/// What servers say to something that is no HTTP.
private final class BadRequest: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let text = "HTTP/1.1 400 Bad Request\r\n\r\n"
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
  }
}
