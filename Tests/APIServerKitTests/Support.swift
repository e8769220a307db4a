import APIServerKit

/// A server for one test, and what the test asks it most.
final class Place {
  let server: APIServer
  let client: RawClient

  init(_ change: (inout APIServer.Options) -> Void = { _ in }) throws {
    var options = APIServer.Options()
    options.secondsForLargeVersions = 0.05
    change(&options)
    server = APIServer(options)
    try server.start()
    client = try RawClient(server)
  }

  deinit {
    client.close()
    server.stop()
  }

  static let services = "/api/v1/services"
  static let slices = "/apis/discovery.k8s.io/v1/endpointslices"

  @discardableResult
  func put(_ name: String, _ labels: JSON = [:], namespace: String = "shop", port: Int = 80) throws
    -> UInt64
  {
    let stored = try server.put(
      .members([
        "kind": "Service", "apiVersion": "v1",
        "metadata": .members([
          "name": .string(name), "namespace": .string(namespace), "labels": labels,
        ]),
        "spec": ["clusterIP": "172.30.0.1", "ports": [["port": .int(port)]]],
      ]))
    return stored.version
  }

  func get(_ path: String, headers: [(String, String)] = []) throws -> (status: Int, body: JSON) {
    client.send("GET", path, headers: headers)
    guard let answer = try client.answer() else {
      throw ClientProblem(description: "no answer to \(path)")
    }
    return (answer.status, answer.body)
  }

  func send(_ method: String, _ path: String, _ body: JSON, type: String = "application/json")
    throws -> (status: Int, body: JSON)
  {
    client.send(method, path, headers: [("Content-Type", type)], body: "\(body)")
    guard let answer = try client.answer() else {
      throw ClientProblem(description: "no answer to \(path)")
    }
    return (answer.status, answer.body)
  }

  func names(_ query: String = "", path: String = services) throws -> [String] {
    try get(path + "?" + query).body.names
  }

  /// A watch on a connection of its own.
  func watch(_ query: String, path: String = services) throws -> RawClient {
    let client = try RawClient(server)
    client.send("GET", "\(path)?watch=true&\(query)")
    guard let head = try client.head(), head.status == 200 else {
      throw ClientProblem(description: "the watch '\(query)' was refused")
    }
    return client
  }
}

extension JSON {
  var names: [String] { (self["items"]?.array ?? []).map(\.name) }
  var name: String { at("metadata", "name")?.string ?? "" }
  var version: UInt64 { UInt64(at("metadata", "resourceVersion")?.string ?? "") ?? 0 }
  var message: String { self["message"]?.string ?? "" }
  var token: String { at("metadata", "continue")?.string ?? "" }
}
