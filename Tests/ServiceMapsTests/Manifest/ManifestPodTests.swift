import ServiceMaps
import Testing

@Suite struct ManifestPodTests {
  private func pod(_ rest: String, metadata: String = "name: web-1") -> String {
    "apiVersion: v1\nkind: Pod\nmetadata: {\(metadata)}\n\(rest)\n"
  }

  @Test func fields() throws {
    let result = decoded(
      pod(
        """
        spec:
          nodeName: node-1
          hostNetwork: true
          containers:
          - name: web
            image: x
            ports:
            - {name: http, containerPort: 8080, hostPort: 80, hostIP: 192.0.2.1}
            - {containerPort: 53, protocol: UDP, hostPort: 0, hostIP: 0.0.0.0}
          - {name: none}
          initContainers:
          - {name: once, ports: [{containerPort: 1}]}
          - {name: sidecar, restartPolicy: Always, ports: [{containerPort: 9, name: side}]}
        status:
          phase: Running
          podIP: 10.0.0.1
          podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]
          conditions: [{type: Initialized, status: "True"}, {type: Ready, status: "False"}]
        """, metadata: "name: web-1, labels: {app: web}, deletionTimestamp: '2026-01-01T00:00:00Z'")
    )
    #expect(result.diagnostics == [])
    let pod = try #require(result.pod)
    #expect(pod.meta.labels == ["app": "web"] && pod.nodeName == "node-1" && pod.usesHostNetwork)
    #expect(pod.addresses.map(\.description) == ["10.0.0.1", "fd00::1"])
    #expect(pod.ports.map(\.name) == ["http", "", "side"])
    #expect(
      pod.ports.map(\.port.number) == [8080, 53, 9]
        && pod.ports.map(\.transport) == [.tcp, .udp, .tcp])
    #expect(pod.ports.map(\.hostPort) == [Port(80), nil, nil])
    #expect(pod.ports.map { $0.hostIP?.description } == ["192.0.2.1", nil, nil])
    #expect(!pod.isReady && !pod.isFinished && pod.isTerminating)
  }

  @Test(arguments: [
    ("", true, false, 0), ("status: {podIP: 10.0.0.1}", true, false, 1),
    ("status: {podIP: ''}", true, false, 0),
    ("status: {conditions: []}", true, false, 0),
    ("status: {conditions: [{type: Ready, status: 'True'}]}", true, false, 0),
    ("status: {conditions: [{type: Ready, status: Unknown}]}", false, false, 0),
    ("status: {conditions: [{type: Initialized, status: 'True'}]}", false, false, 0),
    ("status: {phase: Failed}", true, true, 0), ("status: {phase: Succeeded}", true, true, 0),
    ("status: {phase: Pending}", true, false, 0),
    ("status: {podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}", true, false, 1),
  ]) func state(text: String, isReady: Bool, isFinished: Bool, addresses: Int) {
    let result = decoded(pod(text))
    #expect(result.diagnostics == [])
    #expect(result.pod?.isReady == isReady && result.pod?.isFinished == isFinished)
    #expect(result.pod?.addresses.count == addresses && result.pod?.isTerminating == false)
  }

  @Test(arguments: [
    ("status: {podIP: x}", "status.podIP: \"x\" is no IP address"),
    ("status: {podIPs: [{ip: 10.0.0}]}", "status.podIPs[0].ip: \"10.0.0\" is no IP address"),
    (
      "status: {podIPs: [10.0.0.1]}",
      "status.podIPs[0]: must be a mapping, not a string (\"10.0.0.1\")"
    ),
    (
      "spec: {containers: [{ports: [{containerPort: 0}]}]}",
      "spec.containers[0].ports[0].containerPort: must be a number from 1 to 65535, not 0"
    ),
    (
      "spec: {containers: [{ports: [{name: a}]}]}",
      "spec.containers[0].ports[0].containerPort: is missing"
    ),
    (
      "spec: {containers: [{ports: [{containerPort: 1, name: '80'}]}]}",
      "spec.containers[0].ports[0].name: \"80\" is no port name: at most 15 of a-z, 0-9 and '-', with a letter"
    ),
    (
      "spec: {containers: [{ports: [{containerPort: 1, hostPort: 65536}]}]}",
      "spec.containers[0].ports[0].hostPort: must be a number from 1 to 65535, not 65536"
    ),
    (
      "spec: {containers: [{ports: [{containerPort: 1, hostIP: x}]}]}",
      "spec.containers[0].ports[0].hostIP: \"x\" is no IP address"
    ),
    (
      "spec: {containers: [{ports: [{containerPort: 1, protocol: x}]}]}",
      "spec.containers[0].ports[0].protocol: must be TCP, UDP or SCTP, not \"x\""
    ),
    ("spec: {hostNetwork: 1}", "spec.hostNetwork: must be a boolean, not an integer (1)"),
    ("spec: []", "spec: must be a mapping, not a list"),
  ]) func errors(text: String, message: String) {
    let result = decoded(pod(text))
    #expect(
      result.diagnostics.map { "\($0.severity) \($0.path ?? ""): \($0.message)" } == [
        "error \(message)"
      ])
  }

  @Test func loopbackAddressIsAWarning() {
    let result = decoded(pod("status: {podIP: 127.0.0.1}"))
    #expect(result.diagnostics.map(\.severity) == [.warning] && result.pod?.addresses.count == 1)
  }

  @Test(arguments: [
    ("a.b-c.1", true), ("A", false), ("a..b", false), ("a.", false), ("a_b", false),
  ])
  func names(name: String, isGood: Bool) {
    #expect(decoded(pod("", metadata: "name: '\(name)'")).hasErrors == !isGood)
    #expect(decoded(pod("", metadata: "name: \(String(repeating: "a.", count: 127))")).hasErrors)
    #expect(
      decoded(pod("", metadata: "name: \(String(repeating: "a.", count: 126))a")).hasErrors == false
    )
  }

  @Test func node() throws {
    let result = decoded(
      """
      apiVersion: v1
      kind: Node
      metadata: {name: node-1, namespace: ignored, labels: {topology.kubernetes.io/zone: zone-a}}
      status:
        addresses:
        - {type: InternalIP, address: 192.168.0.1}
        - {type: Hostname, address: node-1}
        - {type: ExternalIP, address: "fd00::1"}
        - {type: InternalIP, address: nonsense}
      """)
    #expect(result.diagnostics.map(\.severity) == [.warning])
    let node = try #require(result.node)
    #expect(
      node.meta.name == NamespacedName(namespace: "", name: "node-1") && node.zone == "zone-a")
    #expect(node.addresses.map(\.description) == ["192.168.0.1", "fd00::1"])
    #expect(!String(decoding: result.objects[0].json, as: UTF8.self).contains("ignored"))
  }
}
