import APIServerKit
import Glibc
import NIOSSL
import Testing

@Suite("access")
struct AccessTests {
  static func header(_ token: String) -> [(String, String)] {
    [("Authorization", "Bearer \(token)")]
  }

  @Test("tokens are accepted while they are among those known")
  func tokens() throws {
    let place = try Place()
    place.server.access = Access(tokens: ["good": .init("alice")])
    #expect(try place.get(Place.services, headers: Self.header("good")).status == 200)
    let wrong = try place.get(Place.services, headers: Self.header("bad"))
    #expect(wrong.status == 401 && wrong.body["reason"] == "Unauthorized")
    let nobody = try place.get(Place.services)
    #expect(nobody.status == 403)
    #expect(
      nobody.body.message
        == "services is forbidden: User \"system:anonymous\" cannot list resource \"services\" "
        + "in API group \"\" at the cluster scope")
    #expect(try place.get("/healthz").status == 200)
    #expect(try place.get("/api").status == 403)
    #expect(try place.get("/api", headers: Self.header("good")).status == 200)
    #expect(try place.get("/metrics", headers: Self.header("good")).status == 403)
    place.server.access = Access(tokens: ["new": .init("alice")])
    #expect(try place.get(Place.services, headers: Self.header("good")).status == 401)
    #expect(try place.get(Place.services, headers: Self.header("new")).status == 200)
    #expect(place.server.requests.last?.user == "alice")
  }

  @Test("rules allow what they name")
  func rules() throws {
    let place = try Place()
    place.server.access = Access(
      tokens: ["t": .init("alice", groups: ["nodes"])],
      rules: [
        .init(who: "nodes", verbs: ["list", "watch"], resources: ["services"]),
        .init(who: "alice", verbs: ["get", "list"], resources: ["nodes"], names: ["node-1"]),
      ])
    #expect(try place.get(Place.services, headers: Self.header("t")).status == 200)
    #expect(try place.get(Place.slices, headers: Self.header("t")).status == 403)
    #expect(try place.get("/api/v1/nodes/node-1", headers: Self.header("t")).status == 404)
    let other = try place.get("/api/v1/nodes/node-2", headers: Self.header("t"))
    #expect(other.status == 403)
    let text = "nodes \"node-2\" is forbidden: User \"alice\" cannot get resource \"nodes\""
    #expect(other.body.message.hasPrefix(text))
    // One object may be listed with a selector for its name.
    let nodes = "/api/v1/nodes?fieldSelector=metadata.name%3Dnode-"
    #expect(try place.get(nodes + "1", headers: Self.header("t")).status == 200)
    #expect(try place.get(nodes + "2", headers: Self.header("t")).status == 403)
  }

  @Test("TLS: the server's certificate is of the CA, and clients' certificates say who they are")
  func certificates() throws {
    var template = Array("/tmp/socklb-test-XXXXXX".utf8CString)
    let directory = String(cString: mkdtemp(&template)!)
    defer { Self.removeAll(directory) }
    let made = try Certificates(in: directory)
    let client = try made.client("alice", user: "alice", groups: ["nodes"])
    let place = try Place()
    var options = APIServer.Options()
    options.tls = try made.server()
    options.access = Access(rules: [.init(who: "nodes", verbs: ["list"])])
    let server = APIServer(options, sharing: place.server)
    try server.start()
    defer { server.stop() }

    var tls = TLSConfiguration.makeClientConfiguration()
    tls.trustRoots = .file(made.authority)
    tls.certificateVerification = .fullVerification
    func status(_ tls: TLSConfiguration) throws -> Int? {
      let client = try RawClient(server, tls: tls)
      client.send("GET", Place.services)
      return try client.answer()?.status
    }
    #expect(try status(tls) == 403)
    tls.certificateChain = try NIOSSLCertificate.fromPEMFile(client.certificate).map {
      .certificate($0)
    }
    tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: client.key, format: .pem))
    #expect(try status(tls) == 200)
    #expect(server.requests.last?.user == "alice")

    // TLS that is cut off, with and without a goodbye.
    for (fault, isClean) in [(Fault.close, true), (.cut(after: 10, byReset: false), false)] {
      server.fail(with: fault)
      let client = try RawClient(server, tls: tls)
      client.send("GET", Place.services)
      #expect(try client.answer() == nil)
      #expect((client.error == nil) == isClean)
    }

    // Another authority: the client refuses.
    let others = directory + "/others"
    #expect(mkdir(others, 0o700) == 0)
    try server.rotate(to: Certificates(in: others).server())
    #expect(try status(tls) == nil)
  }

  private static func removeAll(_ directory: String) {
    guard let entries = opendir(directory) else { return }
    while let entry = readdir(entries) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name != ".", name != ".." else { continue }
      let path = "\(directory)/\(name)"
      if entry.pointee.d_type == DT_DIR { removeAll(path) } else { unlink(path) }
    }
    closedir(entries)
    rmdir(directory)
  }
}
