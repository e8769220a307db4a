public import ServiceMaps

/// The servers at `healthCheckNodePort`: which there are to be, and what they answer.
public struct ServiceHealth: Hashable, Sendable {
  /// By port.
  public private(set) var servers: [Port: Server] = [:]
  /// Services whose port is another one's: they have none.
  public private(set) var conflicts: [Conflict] = []

  public struct Server: Hashable, Sendable {
    public var service: NamespacedName
    /// Ready endpoints on this node.
    public var localEndpoints: Int
  }

  public struct Conflict: Hashable, Sendable, CustomStringConvertible {
    public var service: NamespacedName
    public var port: Port
    public var owner: NamespacedName

    public var description: String {
      "the healthCheckNodePort \(port) of Service \(service) is that of Service \(owner), which has it"
    }
  }

  public init() {}

  public init(_ services: [NamespacedName: LocalService]) {
    var losers: [(service: NamespacedName, port: Port)] = []
    for (name, service) in services {
      guard let port = service.healthCheckNodePort else { continue }
      let server = Server(service: name, localEndpoints: service.localEndpoints)
      guard let other = servers[port] else {
        servers[port] = server
        continue
      }
      // The first by name, so that the same objects always give the same servers.
      if name < other.service { servers[port] = server }
      losers.append((max(name, other.service), port))
    }
    conflicts = losers.sorted { $0.service < $1.service }.compactMap { service, port in
      servers[port].map { Conflict(service: service, port: port, owner: $0.service) }
    }
  }

  /// What kube-proxy answers there, whatever the path (pkg/proxy/healthcheck/service_health.go).
  ///
  /// - Returns: nil when there is no such server any more.
  public func answer(port: Port, isProxyHealthy: Bool) -> HealthAnswer? {
    guard let server = servers[port] else { return nil }
    let count = server.localEndpoints
    let body = """
      {
      \t"service": {
      \t\t"namespace": "\(server.service.namespace)",
      \t\t"name": "\(server.service.name)"
      \t},
      \t"localEndpoints": \(count),
      \t"serviceProxyHealthy": \(isProxyHealthy)
      }
      """
    return HealthAnswer(
      code: count > 0 && isProxyHealthy ? 200 : 503,
      headers: HealthAnswer.jsonHeaders + [
        HealthAnswer.Header("X-Load-Balancing-Endpoint-Weight", "\(count)")
      ], body: body)
  }
}
