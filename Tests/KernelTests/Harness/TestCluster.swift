import APIServerKit
import ServiceDataplane
import ServiceMaps
import SocketKit

/// A Kubernetes API server in the sandbox, and the kubeconfig that leads to it.
final class TestCluster {
  let server: APIServer
  let kubeconfig: String

  init(
    _ sandbox: Sandbox, _ options: APIServer.Options = APIServer.Options(), user: String = "{}",
    cluster: String? = nil
  ) throws {
    server = APIServer(options)
    try server.start()
    kubeconfig = sandbox.directory + "/kubeconfig"
    try Disk.write(
      """
      apiVersion: v1
      kind: Config
      current-context: test
      contexts: [{name: test, context: {cluster: test, user: test}}]
      clusters: [{name: test, cluster: \(cluster ?? "{server: \"\(server.url)\"}")}]
      users: [{name: test, user: \(user)}]

      """, to: kubeconfig)
  }

  deinit { server.stop() }

  /// Waits until the tables are what the server's objects ask for, and nothing else.
  func awaitTruth(
    _ sandbox: Sandbox, seconds: Int = 30, line: Int = #line, file: String = #fileID
  ) throws {
    let wanted = try wantedTable()
    var found = ServiceTable(frontends: [])
    for _ in 0..<seconds * 20 {
      if let tables = try? Dataplane(pin: sandbox.pin).tables,
        let table = try? tables.readSnapshot().table
      {
        found = table
        if found.frontends == wanted.frontends && found.guardedAddresses == wanted.guardedAddresses
        {
          return
        }
      }
      sk_sleep(50)
    }
    let (a, b) = (Set(Self.text(wanted)), Set(Self.text(found)))
    throw Failure(
      "the table is not what the server says (\(file):\(line)): missing "
        + "\(a.subtracting(b).sorted().prefix(5)), too much \(b.subtracting(a).sorted().prefix(5))")
  }

  private static func text(_ table: ServiceTable) -> [String] {
    table.frontends.map { "\($0)" } + table.guardedAddresses.map { "guard \($0)" }
  }

  /// Computed from what the server has now.
  private func wantedTable() throws -> ServiceTable {
    let text = try server.truth("services", "endpointslices", "nodes", "pods")
    let decoded = decodeManifests([ManifestFile(name: "truth", bytes: Array(text.utf8))])
    var known = KnownObjects()
    if !decoded.objects.isEmpty {
      try check(!decoded.hasErrors, "\(decoded.diagnostics.prefix(3))")
      let changes = known.merge(decoded.objects, cidrs: .none)
      try check(!changes.isRefused, "\(changes.diagnostics.prefix(3))")
    }
    let options = CompileOptions(
      node: NodeIdentity(
        name: "node-1", zone: nil, addresses: [IPAddress("192.0.2.1")].compactMap { $0 }))
    return TableCompiler(options: options).compile(known).table
  }
}
