import ClusterClient
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite struct ProxyTests {
  @Test(arguments: [
    ("https://api.example", "", true), ("https://localhost", "", false),
    ("https://127.0.0.9:6443", "", false), ("https://[::1]", "", false),
    ("https://api.example", "*", false), ("https://api.example", "example", false),
    ("https://api.example", ".example", false), ("https://example", ".example", true),
    ("https://example", "example", false), ("https://api.example", "*.example", false),
    ("https://api.example", "api.example:443", false),
    ("https://api.example", "api.example:6443", true),
    ("https://myexample", "example", true), ("https://10.1.2.3", "10.0.0.0/8", false),
    ("https://11.1.2.3", "10.0.0.0/8", true), ("https://10.1.2.3", "x, 10.1.2.3:443 ", false),
    ("https://10.1.2.3", "10.1.2.4", true), ("https://[2001:db8::1]", "2001:db8::/32", false),
    ("https://[2001:db9::1]", "2001:db8::/32", true), ("https://API.example", "api.EXAMPLE", false),
    ("http://api.example", "", false),
  ])
  func exceptionsOfTheEnvironment(_ url: String, _ exceptions: String, _ isProxied: Bool) throws {
    let environment = try ProxyEnvironment([
      "HTTPS_PROXY": "proxy.example:3128", "https_proxy": "http://other.example",
      "no_proxy": exceptions,
    ])
    let found = try environment.proxy(for: server(url))
    #expect(found?.description == (isProxied ? "http://proxy.example:3128" : nil))
  }

  @Test func theEnvironmentIsChecked() throws {
    do {
      _ = try ProxyEnvironment(["HTTPS_PROXY": "gopher://u:hush@x"])
      Issue.record("no error")
    } catch {
      #expect(
        error.description
          == "the environment variable HTTPS_PROXY must begin with http://, https:// or socks5://")
    }
    #expect(
      try ProxyEnvironment(["HTTP_PROXY": "x", "REQUEST_METHOD": "GET"]).proxy(
        for: server("http://a.example")) == nil)
  }

  private func tlsServer() async throws -> (server: TestServer, cluster: String) {
    let authority = try Authority.shared.get()
    let context = try authority.context(Authority.server.get())
    let server = try await TestServer(tls: TLSChoice { context }) { _ in [response("behind")] }
    return (server, "certificate-authority-data: \(authority.certificate.base64)")
  }

  @Test(arguments: ["http", "https", "socks5", "socks5h"])
  func tunnels(_ scheme: String) async throws {
    let (server, cluster) = try await tlsServer()
    let proxy = try await TestProxy(scheme)
    for login in ["", "joe:p%40ss@"] {
      for host in ["127.0.0.1", "localhost"] {
        let configuration = try configuration(
          server.url("https", host: host),
          cluster: cluster + "\nproxy-url: \(scheme)://\(login)localhost:\(proxy.port)")
        try await withClient(configuration) { (client) async throws in
          #expect(try await client.text() == "behind")
          #expect(try await client.text() == "behind")
        }
      }
    }
    let targets = [
      "127.0.0.1:\(server.port)", "localhost:\(server.port)", "joe:p@ss 127.0.0.1:\(server.port)",
      "joe:p@ss localhost:\(server.port)",
    ]
    #expect(proxy.targets == targets)
    #expect(server.connectionCount == 4)
  }

  @Test func plainHTTPIsForwarded() async throws {
    let proxy = try await TestServer { received in [response(received.path)] }
    let configuration = try configuration(
      "http://api.example:8001/base",
      environment: ["HTTP_PROXY": "http://joe:pass@127.0.0.1:\(proxy.port)"])
    try await withClient(configuration) { (client) async throws in
      #expect(try await client.text("/api") == "http://api.example:8001/base/api")
    }
    #expect(proxy.requests[0].header("Proxy-Authorization") == ["Basic " + "joe:pass".base64])
    #expect(proxy.requests[0].header("Host") == ["api.example:8001"])
  }

  @Test(arguments: [
    (
      "http",
      "refuses to connect to 127.0.0.1:PORT: it answered 407; it wants a user name and a password"
    ),
    ("socks5", "accepts no way to log in"),
  ])
  func aProxyThatRefusesIsNamed(_ scheme: String, _ text: String) async throws {
    let (server, cluster) = try await tlsServer()
    let proxy = try await TestProxy(scheme, needsLogin: true)
    let configuration = try configuration(
      server.url("https"), cluster: cluster + "\nproxy-url: \(scheme)://127.0.0.1:\(proxy.port)")
    try await withClient(configuration) { (client) async throws in
      guard case .unreachable(let attempts)? = await client.failure() else {
        Issue.record("another error")
        return
      }
      #expect(attempts[0].kind == .proxy)
      #expect(
        attempts[0].reason.contains(text.replacingOccurrences(of: "PORT", with: "\(server.port)")))
    }
  }

  @Test func aProxyThatIsAwayIsNamed() async throws {
    let configuration = try configuration(
      "https://api.example", cluster: "proxy-url: http://joe:hush@127.0.0.1:1")
    try await withClient(configuration) { (client) async throws in
      #expect(
        await client.failure()?.description
          == "cannot reach the API server: https://api.example:443: the proxy http://127.0.0.1:1: connection refused"
      )
    }
  }
}
