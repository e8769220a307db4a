import ClusterClient
import Foundation
import NIOSSL
import Synchronization
import Testing

@Suite struct CredentialTests {
  /// A server that knows one token.
  private func server(_ token: Mutex<String>.Box) async throws -> TestServer {
    try await TestServer { received in
      received.header("Authorization") == ["Bearer " + token.value]
        ? [response("welcome")]
        : [response("who are you?", status: "401 Unauthorized")]
    }
  }

  @Test func aTokensFileIsReadAgainAfterARefusal() async throws {
    let token = Mutex.Box("one")
    let server = try await server(token)
    let folder = try Folder()
    try folder.write("token", "one\n")
    let log = Lines()
    let configuration = try configuration(
      server.url(), user: "tokenFile: token\ntoken: old", in: folder)
    try await withClient(configuration, log: log) { (client) async throws in
      #expect(try await client.text() == "welcome")
      token.value = "two"
      try folder.write("token", "two\n")
      #expect(try await client.text() == "welcome")
      #expect(server.requests.count == 3)
      // The same token again: one try is enough.
      token.value = "three"
      #expect(try await client.send(ClusterRequest("/")).status == 401)
      #expect(server.requests.count == 4)
      // A file that went leaves the token as it is.
      token.value = "two"
      try FileManager.default.removeItem(atPath: folder.path + "/token")
      #expect(try await client.text() == "welcome")
    }
    #expect(!log.all.joined().contains("two"))
  }

  @Test func aTokensFileIsReadAgainAfterTenSeconds() async throws {
    let server = try await TestServer { _ in [response("x")] }
    let folder = try Folder()
    try folder.write("token", "one")
    let configuration = try configuration(server.url(), user: "tokenFile: token", in: folder)
    var isFast = false
    try await withClient(configuration) { (client) async throws in
      let start = ContinuousClock.now
      _ = try await client.text()
      try folder.write("token", "two")
      _ = try await client.text()
      isFast = ContinuousClock.now - start < .seconds(9)
      try await Task.sleep(for: .seconds(10.1))
      _ = try await client.text()
    }
    let found = server.requests.map { $0.header("Authorization") }
    #expect(found.count == 3 && found.first == ["Bearer one"] && found.last == ["Bearer two"])
    // On a machine that took ten seconds for that it may be read already.
    if isFast { #expect(found[1] == ["Bearer one"]) }
  }

  @Test func aMissingTokenIsAnError() async throws {
    let folder = try Folder()
    let configuration = try configuration(
      "http://127.0.0.1:1", user: "tokenFile: token", in: folder)
    try await withClient(configuration) { (client) async throws in
      #expect(
        await client.failure()?.description
          == "the token: cannot read \(folder.path)/token: No such file or directory")
      try folder.write("token", " \n")
      #expect(await client.failure()?.description.hasSuffix("is empty") == true)
      try folder.write("token", "a\r\nHost: b")
      #expect(await client.failure()?.description.hasSuffix("holds no token") == true)
    }
  }

  // MARK: Plugins

  private func plugin(_ script: String, version: String = "v1", more: String = "") -> String {
    """
    exec:
      apiVersion: client.authentication.k8s.io/\(version)
      command: ./plugin
      interactiveMode: Never
    \(more.indented(2))
    """.split(separator: "\n").filter { !$0.allSatisfy { $0 == " " } }.joined(separator: "\n")
  }

  private func credential(_ status: String, version: String = "v1") -> String {
    """
    {"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/\(version)","status":\(status)}
    """
  }

  /// The error of a request whose plugin is that script.
  private func failure(_ script: String, more: String = "") async throws -> String {
    let folder = try Folder()
    _ = try folder.script("plugin", script)
    let client = try ClusterClient(
      configuration("http://127.0.0.1:1", user: plugin(script, more: more), in: folder),
      log: Lines().logger)
    let text = await client.failure()?.description ?? ""
    await client.shutdown()
    withExtendedLifetime(folder) {}
    return text.replacingOccurrences(of: folder.path + "/./plugin", with: "PLUGIN")
  }

  @Test func aPluginGivesTokens() async throws {
    let token = Mutex.Box("t1")
    let server = try await server(token)
    let folder = try Folder()
    let script = """
      echo run >>"$FOLDER/runs"
      printf '%s' "$KUBERNETES_EXEC_INFO" >"$FOLDER/info"
      echo "$1 $2" >"$FOLDER/arguments"
      grep -E '^Sig(Blk|Ign)' /proc/self/status >"$FOLDER/signals"
      ls /proc/self/fd | wc -l >"$FOLDER/files"
      echo '\(credential(#"{"token":"TOKEN"}"#))' | sed "s/TOKEN/t$(wc -l <"$FOLDER/runs")/"
      """
    _ = try folder.script("plugin", script)
    let more = """
      args: [get, "a b"]
      env: [{name: FOLDER, value: "\(folder.path)"}]
      provideClusterInfo: true
      """
    let cluster = """
      extensions:
      - {name: client.authentication.k8s.io/exec, extension: {audience: x}}
      """
    let configuration = try configuration(
      server.url(), cluster: cluster, user: plugin(script, more: more), in: folder)
    try await withClient(configuration) { (client) async throws in
      async let first = client.text()
      async let second = client.text()
      #expect(try await [first, second] == ["welcome", "welcome"])
      #expect(folder.read("runs") == "run\n")
      token.value = "t2"
      #expect(try await client.text() == "welcome")
      #expect(folder.read("runs") == "run\nrun\n")
    }
    #expect(folder.read("arguments") == "get a b\n")
    // The C library keeps two signals for itself, which nobody else can send.
    #expect(folder.read("signals") == "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n")
    // Three, and that of the directory.
    #expect(folder.read("files")?.trimmingCharacters(in: .whitespacesAndNewlines) == "4")
    #expect(
      folder.read("info")
        == #"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,"#
        + #""cluster":{"server":"\#(server.url())","config":{"audience":"x"}}}}"#)
  }

  @Test func aPluginIsRunAgainBeforeItsTokenEnds() async throws {
    let server = try await TestServer { _ in [response("x")] }
    let folder = try Folder()
    let script = """
      echo run >>"$(dirname "$0")/runs"
      printf '%s' '\(credential(#"{"token":"t","expirationTimestamp":"TIME"}"#))' |
        sed "s/TIME/$(date -u -d "$(cat "$(dirname "$0")/life")" +%Y-%m-%dT%H:%M:%SZ)/"
      """
    _ = try folder.script("plugin", script)
    let configuration = try configuration(server.url(), user: plugin(script), in: folder)
    try folder.write("life", "5 seconds")
    try await withClient(configuration) { (client) async throws in
      _ = try await client.text()
      try folder.write("life", "1 hour")
      _ = try await client.text()
      _ = try await client.text()
    }
    #expect(folder.read("runs") == "run\nrun\n")
  }

  @Test func aPluginGivesCertificates() async throws {
    let authority = try Authority.shared.get()
    let context = try authority.context(Authority.server.get(), clients: true)
    let server = try await TestServer(tls: TLSChoice { context }) { _ in [response("x")] }
    let folder = try Folder()
    let pair = try authority.issue("plugin")
    let lines = [pair.certificate, pair.key].map { $0.replacingOccurrences(of: "\n", with: "\\n") }
    try folder.write(
      "output",
      credential(
        #"{"clientCertificateData":"\#(lines[0])","clientKeyData":"\#(lines[1])"}"#,
        version: "v1beta1"))
    _ = try folder.script("plugin", #"cat "$(dirname "$0")/output""#)
    let configuration = try configuration(
      server.url("https"), cluster: "certificate-authority-data: \(authority.certificate.base64)",
      user: plugin("", version: "v1beta1"), in: folder)
    try await withClient(configuration) { (client) async throws in
      #expect(try await client.text() == "x")
    }
    let serial = try NIOSSLCertificate(bytes: Array(pair.certificate.utf8), format: .pem)
      .serialNumber
    #expect(server.requests.map(\.client) == [serial])
  }

  @Test func aPluginThatFailsIsQuoted() async throws {
    #expect(
      try await failure("echo 'no such account' >&2; echo >&2; echo hush; exit 3")
        == "the credential plugin PLUGIN failed with status 3: no such account")
    #expect(try await failure("kill -9 $$") == "the credential plugin PLUGIN was ended by signal 9")
    #expect(try await failure("echo hush") == "the credential plugin PLUGIN printed no JSON object")
    #expect(
      try await failure("echo '\(credential("{}"))'")
        == "the credential plugin PLUGIN printed neither a token nor a client certificate")
    #expect(
      try await failure("echo '\(credential(#"{"token":"hush"}"#, version: "v1beta1"))'")
        == "the credential plugin PLUGIN printed an ExecCredential of another apiVersion than its configuration has"
    )
    #expect(
      try await failure("echo '\(credential(#"{"token":"hush","expirationTimestamp":"soon"}"#))'")
        == "the credential plugin PLUGIN printed an expirationTimestamp that is no time of RFC 3339"
    )
    #expect(
      try await failure(#"printf '%s' '\#(credential(#"{"token":"hush\n"}"#))'"#)
        == "the credential plugin PLUGIN printed a token with spaces or control characters, which no token has"
    )
    #expect(
      try await failure("yes hush").hasSuffix("printed more than 1048576 bytes and was killed"))
  }

  @Test func runningPluginsLeavesNothingBehind() async throws {
    let server = try await TestServer { _ in [response("", status: "401 Unauthorized")] }
    let folder = try Folder()
    let script = """
      echo run >>"$(dirname "$0")/runs"
      echo '\(credential(#"{"token":"TOKEN"}"#))' | sed "s/TOKEN/$$/"
      """
    _ = try folder.script("plugin", script)
    let pipes = openPipes()
    try await withClient(configuration(server.url(), user: plugin(script), in: folder)) {
      (client) async throws in
      for _ in 0..<60 { #expect(try await client.send(ClusterRequest("/")).status == 401) }
    }
    #expect((folder.read("runs")?.split(separator: "\n").count ?? 0) >= 60)
    // Other tests have a few, and each run would leave one or two.
    #expect(openPipes() < pipes + 50)
    let children =
      (try? String(contentsOfFile: "/proc/self/task/\(getpid())/children", encoding: .utf8)) ?? ""
    let dead = children.split(separator: " ").filter { child in
      let status = try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)
      return status?.contains("State:\tZ") ?? false && status?.contains("Name:\tplugin") ?? false
    }
    #expect(dead.isEmpty)
  }

  @Test func aPluginDoesNotOutliveWhoAskedForIt() async throws {
    let folder = try Folder()
    let script = #"echo $$ >"$(dirname "$0")/pid"; exec sleep 60"#
    _ = try folder.script("plugin", script)
    try await withClient(configuration("http://127.0.0.1:1", user: plugin(script), in: folder)) {
      (client) async throws in
      let asked = Task { await client.failure() }
      var pid: pid_t?
      for _ in 0..<1000 where pid == nil {
        try await Task.sleep(for: .milliseconds(10))
        pid = folder.read("pid").flatMap { pid_t($0.trimmingCharacters(in: .newlines)) }
      }
      let child = try #require(pid)
      #expect(kill(child, 0) == 0)
      client.endPlugins()
      #expect(kill(child, 0) != 0 && errno == ESRCH)
      #expect(await asked.value != nil)
    }
  }

  @Test func aPluginThatIsMissingShowsItsHint() async throws {
    let folder = try Folder()
    let user = """
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: no-such-credential-plugin
        interactiveMode: IfAvailable
        installHint: install it from example.org
      """
    try await withClient(configuration("http://127.0.0.1:1", user: user, in: folder)) {
      (client) async throws in
      #expect(
        await client.failure()?.description
          == "the credential plugin no-such-credential-plugin cannot be started: No such file or directory\n"
          + "install it from example.org")
    }
  }

  @Test func aPluginThatDoesNotEndIsKilledWithItsChildren() async throws {
    let folder = try Folder()
    _ = try folder.script(
      "plugin", #"sleep 1000 & echo $! >"$(dirname "$0")/child"; echo begun >&2; wait"#)
    var configuration = try configuration("http://127.0.0.1:1", user: plugin(""), in: folder)
    configuration.credentials.plugin?.seconds = 1
    try await withClient(configuration) { (client) async throws in
      let start = ContinuousClock.now
      #expect(
        await client.failure()?.description.hasSuffix(
          "had not ended after 1 s and was killed: begun") == true)
      #expect(ContinuousClock.now - start < .seconds(60))
    }
    let child = Int32(folder.read("child")?.trimmingCharacters(in: .newlines) ?? "") ?? -1
    #expect(child > 0)
    #expect(
      await eventually {
        let status = try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)
        return status?.contains("State:\tZ") ?? true
      })
  }

  @Test func whoKeepsThePluginsOutputOpenIsNotWaitedFor() async throws {
    let server = try await TestServer { _ in [response("x")] }
    let folder = try Folder()
    _ = try folder.script(
      "plugin",
      #"sleep 300 & echo $! >"$(dirname "$0")/child"; echo '\#(credential(#"{"token":"t"}"#))'"#)
    let configuration = try configuration(server.url(), user: plugin(""), in: folder)
    let start = ContinuousClock.now
    try await withClient(configuration) { (client) async throws in
      #expect(try await client.text() == "x")
    }
    #expect(ContinuousClock.now - start < .seconds(60))
    if let child = Int32(folder.read("child")?.trimmingCharacters(in: .newlines) ?? "") {
      kill(child, SIGKILL)
    }
  }
}

extension Mutex where Value == String {
  /// A text that a test and its server share.
  final class Box: Sendable {
    private let text: Mutex<String>

    init(_ text: String) { self.text = Mutex<String>(text) }

    var value: String {
      get { text.withLock { $0 } }
      set { text.withLock { $0 = newValue } }
    }
  }
}
