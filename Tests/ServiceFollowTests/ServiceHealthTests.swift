import ServiceFollow
import ServiceMaps
import Testing

@Suite struct ServiceHealthTests {
  /// Two Services of one port, and one of another.
  private func services() -> [NamespacedName: LocalService] {
    var text = ""
    for (index, name) in ["b", "a", "c"].enumerated() {
      text += """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name), namespace: d}
        spec:
          type: LoadBalancer
          clusterIP: 10.96.0.\(index + 1)
          externalTrafficPolicy: Local
          healthCheckNodePort: \([30109, 30100, 30101][index])
          ports: [{port: 80}]
        ---

        """
    }
    text += """
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata: {name: a-1, namespace: d, labels: {kubernetes.io/service-name: a}}
      addressType: IPv4
      endpoints: [{addresses: [10.0.0.1], nodeName: here}]
      ports: [{name: "", port: 80}]
      """
    var known = KnownObjects()
    let changes = known.merge(
      decodeManifests([ManifestFile(name: "a.yaml", bytes: Array(text.utf8))]).objects)
    #expect(!changes.isRefused, "\(changes.diagnostics)")
    var services = ResidentCompiler(
      known, options: CompileOptions(node: NodeIdentity(name: "here"))
    ).local.services
    // As it may be for a moment, when one has gone and the other has come.
    services[NamespacedName(namespace: "d", name: "b")]?.healthCheckNodePort = Port(30100)
    return services
  }

  @Test func oneServerForEachPort() throws {
    let health = ServiceHealth(services())
    #expect(health.servers.keys.map(\.number).sorted() == [30100, 30101])
    #expect(
      health.conflicts.map(\.description) == [
        "the healthCheckNodePort 30100 of Service d/b is that of Service d/a, which has it"
      ])
    let port = try #require(Port(30100))
    let answer = try #require(health.answer(port: port, isProxyHealthy: true))
    #expect(answer.code == 200)
    #expect(answer.headers.contains(.init("X-Load-Balancing-Endpoint-Weight", "1")))
    #expect(
      answer.body == """
        {
        \t"service": {
        \t\t"namespace": "d",
        \t\t"name": "a"
        \t},
        \t"localEndpoints": 1,
        \t"serviceProxyHealthy": true
        }
        """)
    #expect(health.answer(port: port, isProxyHealthy: false)?.code == 503)
    let empty = try #require(Port(30101))
    #expect(health.answer(port: empty, isProxyHealthy: true)?.code == 503)
    let other = try #require(Port(30102))
    #expect(health.answer(port: other, isProxyHealthy: true) == nil)
  }
}
