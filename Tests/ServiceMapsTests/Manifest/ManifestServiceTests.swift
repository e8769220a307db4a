import ServiceMaps
import Testing

@Suite struct ManifestServiceTests {
  @Test func everyFieldIsRead() throws {
    let result = decoded(
      """
      apiVersion: v1
      kind: Service
      metadata:
        name: web
        namespace: shop
        labels: {app: web}
        annotations: {a: b}
        creationTimestamp: 2026-01-01T00:00:00Z
      spec:
        type: LoadBalancer
        clusterIP: 10.96.0.1
        clusterIPs: [10.96.0.1, "fd00::1"]
        ipFamilies: [IPv4, IPv6]
        ipFamilyPolicy: RequireDualStack
        selector: {app: web}
        ports:
        - {name: http, port: 80, targetPort: web, nodePort: 30080, protocol: TCP, appProtocol: http}
        - {name: dns, port: 53, targetPort: 5353, protocol: UDP}
        - {name: dns-tcp, port: 53}
        - {name: s, port: 53, protocol: SCTP}
        externalIPs: ["", 203.0.113.7]
        loadBalancerSourceRanges: [" 192.0.2.0/24 ", "fd00::/8"]
        sessionAffinity: ClientIP
        sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
        internalTrafficPolicy: Local
        externalTrafficPolicy: Local
        publishNotReadyAddresses: true
        allocateLoadBalancerNodePorts: false
        healthCheckNodePort: 31000
        unknownField: [1]
      status:
        loadBalancer:
          ingress:
          - {ip: 198.51.100.1, ports: [{port: 80, protocol: TCP}]}
          - {ip: 198.51.100.2, ipMode: Proxy}
          - {ip: 198.51.100.3, ipMode: VIP}
          - {hostname: lb.example.org}
      """)
    #expect(result.diagnostics == [])
    let service = try #require(result.service)
    #expect(service.meta.name == NamespacedName(namespace: "shop", name: "web"))
    #expect(service.meta.labels == ["app": "web"] && service.meta.annotations == ["a": "b"])
    #expect(service.meta.creationTimestamp == "2026-01-01T00:00:00Z")
    #expect(service.kind == .loadBalancer && !service.isHeadless)
    #expect(service.clusterIPs.map(\.description) == ["10.96.0.1", "fd00::1"])
    #expect(service.ipFamilies == [.v4, .v6] && service.ipFamilyPolicy == .requireDualStack)
    #expect(service.selector == ["app": "web"])
    #expect(service.ports.map(\.name) == ["http", "dns", "dns-tcp", "s"])
    #expect(service.ports.map(\.transport) == [.tcp, .udp, .tcp, .sctp])
    #expect(service.ports.map(\.port.number) == [80, 53, 53, 53])
    #expect(service.ports.map(\.targetPort) == [.name("web"), .number(Port(5353)!), nil, nil])
    #expect(service.ports.map(\.nodePort) == [Port(30080), nil, nil, nil])
    #expect(service.externalIPs.map(\.description) == ["203.0.113.7"])
    #expect(service.loadBalancerSourceRanges.map(\.description) == ["192.0.2.0/24", "fd00::/8"])
    #expect(service.affinityTimeout == 60)
    #expect(service.internalTrafficPolicy == .local && service.externalTrafficPolicy == .local)
    #expect(service.publishNotReadyAddresses && !service.allocateLoadBalancerNodePorts)
    #expect(service.healthCheckNodePort == Port(31000))
    #expect(
      service.loadBalancerIngress.map(\.address.description) == [
        "198.51.100.1", "198.51.100.2", "198.51.100.3",
      ])
    #expect(service.loadBalancerIngress.map(\.isVIP) == [true, false, true])
  }

  @Test func defaults() throws {
    let service = try #require(
      decoded(simpleService("  selector: {}\n  sessionAffinity: ClientIP")).service)
    #expect(service.meta.name == NamespacedName(namespace: "default", name: "web"))
    #expect(service.kind == .clusterIP && service.clusterIPs.isEmpty && service.selector == nil)
    #expect(service.ports == [Service.ServicePort(port: Port(80)!)])
    #expect(service.affinityTimeout == 10_800)
    #expect(service.internalTrafficPolicy == .cluster && service.externalTrafficPolicy == .cluster)
    #expect(!service.publishNotReadyAddresses && service.allocateLoadBalancerNodePorts)
    let empty = decoded(
      simpleService("  type: \"\"\n  clusterIP: \"\"\n  sessionAffinity: \"\"\n  selector: null"))
    #expect(empty.diagnostics == [] && empty.service?.affinityTimeout == nil)
  }

  @Test func headlessAndExternalName() throws {
    let headless = decoded(serviceText("  clusterIP: None\n  clusterIPs: [None]"))
    #expect(headless.diagnostics == [] && headless.service?.isHeadless == true)
    #expect(headless.service?.clusterIPs == [])
    let external = decoded(serviceText("  type: ExternalName\n  externalName: example.org"))
    #expect(external.diagnostics == [])
    #expect(
      external.service?.kind == .externalName && external.service?.externalName == "example.org")
  }

  @Test(arguments: ["010.096.000.001", "::ffff:10.96.0.1"])
  func addressesAreReadAsKubeProxyDoes(text: String) {
    let result = decoded(simpleService("  clusterIP: \"\(text)\"\n  clusterIPs: [10.96.0.1]"))
    #expect(
      result.diagnostics == [] && result.service?.clusterIPs.first?.description == "10.96.0.1")
  }

  @Test(arguments: [
    // ports
    ("  ports: [{port: 0}]", "spec.ports[0].port: must be a number from 1 to 65535, not 0"),
    ("  ports: [{port: 65536}]", "spec.ports[0].port: must be a number from 1 to 65535, not 65536"),
    ("  ports: [{port: -1}]", "spec.ports[0].port: must be a number from 1 to 65535, not -1"),
    (
      "  ports: [{port: http}]",
      "spec.ports[0].port: must be a number from 1 to 65535, not a string (\"http\")"
    ),
    (
      "  ports: [{port: \"80\"}]",
      "spec.ports[0].port: must be a number from 1 to 65535, not a string (\"80\"); leave out the quotes"
    ),
    (
      "  ports: [{port: 80.5}]",
      "spec.ports[0].port: must be a number from 1 to 65535, not a decimal number (80.5)"
    ),
    ("  ports: [{port: [80]}]", "spec.ports[0].port: must be a number from 1 to 65535, not a list"),
    (
      "  ports: [{port: 99999999999999999999}]",
      "spec.ports[0].port: must be a number from 1 to 65535, not 99999999999999999999"
    ),
    ("  ports: [{name: http}]", "spec.ports[0].port: is missing"),
    (
      "  ports: [{port: 80, targetPort: 0}]",
      "spec.ports[0].targetPort: must be a number from 1 to 65535, not 0; or the name of a container port"
    ),
    (
      "  ports: [{port: 80, targetPort: 70000}]",
      "spec.ports[0].targetPort: must be a number from 1 to 65535, not 70000; or the name of a container port"
    ),
    (
      "  ports: [{port: 80, targetPort: \"80\"}]",
      "spec.ports[0].targetPort: \"80\" is no port name, which has a letter; for the number write 80 without quotes"
    ),
    (
      "  ports: [{port: 80, targetPort: Web}]",
      "spec.ports[0].targetPort: \"Web\" is no port name: at most 15 of a-z, 0-9 and '-', with a letter"
    ),
    (
      "  ports: [{port: 80, targetPort: a-name-of-16-ch}, {port: 81, name: b}]",
      "spec.ports[0].name: is missing; with more than one port each needs a name"
    ),
    (
      "  ports: [{port: 80, targetPort: a-name-of-16-chr}]",
      "spec.ports[0].targetPort: \"a-name-of-16-chr\" is no port name: at most 15 of a-z, 0-9 and '-', with a letter"
    ),
    (
      "  ports: [{port: 80, nodePort: 65536}]",
      "spec.ports[0].nodePort: must be a number from 1 to 65535, not 65536"
    ),
    (
      "  ports: [{port: 80, nodePort: -1}]",
      "spec.ports[0].nodePort: must be a number from 1 to 65535, not -1"
    ),
    (
      "  ports: [{port: 80, protocol: ICMP}]",
      "spec.ports[0].protocol: must be TCP, UDP or SCTP, not \"ICMP\""
    ),
    (
      "  ports: [{port: 80, protocol: tcp}]",
      "spec.ports[0].protocol: must be TCP, UDP or SCTP, not \"tcp\"; write it in capitals"
    ),
    (
      "  ports: [{port: 80, name: Http}]",
      "spec.ports[0].name: \"Http\" is no DNS label of a-z, 0-9 and '-'"
    ),
    (
      "  ports: [{port: 80, name: 1}]",
      "spec.ports[0].name: must be a string, not an integer (1); quote it: \"1\""
    ),
    (
      "  ports: [{port: 80, name: a}, {port: 81, name: a}]",
      "spec.ports[1].name: another port is called \"a\" too"
    ),
    (
      "  ports: [{port: 80, name: a}, {port: 80, name: b}]",
      "spec.ports[1]: another port of this Service is 80/TCP too"
    ),
    (
      "  ports: [{port: 80, name: a}, {port: 81, name: \"\"}]",
      "spec.ports[1].name: is missing; with more than one port each needs a name"
    ),
    ("  ports: []", "spec.ports: is missing; a Service needs at least one port"),
    ("  type: NodePort", "spec.ports: is missing; a Service needs at least one port"),
    ("  ports: 80", "spec.ports: must be a list, not an integer (80)"),
    ("  ports: [80]", "spec.ports[0]: must be a mapping, not an integer (80)"),
    // cluster IPs
    ("  ports: [{port: 80}]\n  clusterIP: 10.0.0", "spec.clusterIP: \"10.0.0\" is no IP address"),
    (
      "  ports: [{port: 80}]\n  clusterIP: 10.0.0.256",
      "spec.clusterIP: \"10.0.0.256\" is no IP address"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIP: fe80::1%eth0",
      "spec.clusterIP: \"fe80::1%eth0\" is no IP address"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIP: 10",
      "spec.clusterIP: must be a string, not an integer (10); quote it: \"10\""
    ),
    ("  ports: [{port: 80}]\n  clusterIP: none", "spec.clusterIP: \"none\" is no IP address"),
    (
      "  ports: [{port: 80}]\n  clusterIP: 0.0.0.0",
      "spec.clusterIP: 0.0.0.0 is the unspecified address; nothing can be reached there"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIP: 224.0.0.1",
      "spec.clusterIP: 224.0.0.1 is a multicast address; nothing can be reached there"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIP: 10.0.0.1\n  clusterIPs: [10.0.0.2]",
      "spec.clusterIPs[0]: must be the same as spec.clusterIP, which is \"10.0.0.1\""
    ),
    (
      "  ports: [{port: 80}]\n  clusterIP: None\n  clusterIPs: [10.0.0.2]",
      "spec.clusterIPs[0]: must be the same as spec.clusterIP, which is \"None\""
    ),
    (
      "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1, 10.0.0.2]",
      "spec.clusterIPs[1]: 10.0.0.2 and 10.0.0.1 are both IPv4; one of each is allowed"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1, 'fd00::1', 'fd00::2']",
      "spec.clusterIPs[2]: a Service has at most two cluster IPs"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1, None]",
      "spec.clusterIPs[1]: None must stand alone"
    ),
    (
      "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1, x]",
      "spec.clusterIPs[1]: \"x\" is no IP address"
    ),
    (
      "  ports: [{port: 80}]\n  ipFamilies: [IPv5]",
      "spec.ipFamilies[0]: must be IPv4 or IPv6, not \"IPv5\""
    ),
    ("  ports: [{port: 80}]\n  ipFamilies: [IPv4, IPv4]", "spec.ipFamilies[1]: IPv4 is here twice"),
    (
      "  ports: [{port: 80}]\n  clusterIP: 10.0.0.1\n  ipFamilies: [IPv6]",
      "spec.ipFamilies[0]: is IPv6, but the cluster IP is 10.0.0.1"
    ),
    (
      "  ports: [{port: 80}]\n  ipFamilyPolicy: Dual",
      "spec.ipFamilyPolicy: must be one of SingleStack, PreferDualStack, RequireDualStack, not \"Dual\""
    ),
    // the rest
    (
      "  ports: [{port: 80}]\n  type: Balancer",
      "spec.type: must be one of ClusterIP, NodePort, LoadBalancer, ExternalName, not \"Balancer\""
    ),
    (
      "  ports: [{port: 80}]\n  sessionAffinity: Cookie",
      "spec.sessionAffinity: must be one of None, ClientIP, not \"Cookie\""
    ),
    (
      "  ports: [{port: 80}]\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}",
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be a number from 1 to 86400, not 0"
    ),
    (
      "  ports: [{port: 80}]\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}",
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be a number from 1 to 86400, not 86401"
    ),
    (
      "  ports: [{port: 80}]\n  internalTrafficPolicy: local",
      "spec.internalTrafficPolicy: must be one of Cluster, Local, not \"local\""
    ),
    (
      "  ports: [{port: 80}]\n  externalTrafficPolicy: X",
      "spec.externalTrafficPolicy: must be one of Cluster, Local, not \"X\""
    ),
    (
      "  ports: [{port: 80}]\n  selector: {app: 1}",
      "spec.selector.app: must be a string, not an integer (1); quote it: \"1\""
    ),
    ("  ports: [{port: 80}]\n  selector: [app]", "spec.selector: must be a mapping, not a list"),
    (
      "  ports: [{port: 80}]\n  publishNotReadyAddresses: \"true\"",
      "spec.publishNotReadyAddresses: must be a boolean, not a string (\"true\")"
    ),
    (
      "  ports: [{port: 80}]\n  healthCheckNodePort: 70000",
      "spec.healthCheckNodePort: must be a number from 1 to 65535, not 70000"
    ),
    (
      "  ports: [{port: 80}]\n  externalIPs: [1]",
      "spec.externalIPs[0]: must be a string, not an integer (1); quote it: \"1\""
    ),
    (
      "  type: ExternalName",
      "spec.externalName: is missing; a Service of type ExternalName needs one"
    ),
  ]) func errors(spec: String, message: String) {
    let result = decoded(serviceText(spec))
    #expect(result.diagnostics.map(\.severity) == [.error])
    let diagnostic = result.diagnostics.first
    #expect(diagnostic.map { "\($0.path ?? ""): \($0.message)" } == message)
    #expect(
      diagnostic?.object == "Service default/web" && diagnostic?.document == 1
        && diagnostic?.file == "f.yaml")
    #expect(result.hasErrors)
  }

  @Test(arguments: [
    ("Web", false), ("web-", false), ("-web", false), ("a.b", false), ("", false), ("web_1", false),
    (String(repeating: "a", count: 64), false), (String(repeating: "a", count: 63), true),
    ("1web", true), ("w", true),
  ]) func names(name: String, isGood: Bool) {
    let result = decoded(
      "apiVersion: v1\nkind: Service\nmetadata: {name: '\(name)'}\nspec: {ports: [{port: 80}]}\n")
    #expect(result.hasErrors == !isGood)
    #expect(result.diagnostics.allSatisfy { $0.path == "metadata.name" })
  }

  @Test(arguments: [
    ("name: 1", "metadata.name: must be a string, not an integer (1); quote it: \"1\""),
    ("generateName: a", "metadata.name: is missing"), ("name: null", "metadata.name: is missing"),
    (
      "name: a\n  namespace: a.b",
      "metadata.namespace: \"a.b\" is no DNS label: at most 63 of a-z, 0-9 and '-', not '-' at either end"
    ),
    (
      "name: a\n  namespace: 1",
      "metadata.namespace: must be a string, not an integer (1); quote it: \"1\""
    ),
    (
      "name: a\n  labels: {x: true}",
      "metadata.labels.x: must be a string, not a boolean (true); quote it: \"true\""
    ),
    (
      "name: a\n  labels: {x/y: yes}",
      "metadata.labels[\"x/y\"]: must be a string, not a boolean (yes); quote it: \"yes\""
    ),
    (
      "name: a\n  annotations: {x: 1.0}",
      "metadata.annotations.x: must be a string, not a decimal number (1.0); quote it: \"1.0\""
    ),
    ("name: a\n  annotations: {x: {}}", "metadata.annotations.x: must be a string, not a mapping"),
  ]) func metadata(text: String, message: String) {
    let result = decoded(
      "apiVersion: v1\nkind: Service\nmetadata:\n  \(text)\nspec: {ports: [{port: 80}]}\n")
    #expect(
      result.diagnostics.map { "\($0.severity) \($0.path ?? ""): \($0.message)" } == [
        "error \(message)"
      ])
  }

  @Test func missingParts() {
    #expect(
      said("apiVersion: v1\nkind: Service\n") == [
        "error: f:1: document 1: Service: metadata: is missing",
        "error: f:1: document 1: Service: spec: is missing",
      ])
  }

  @Test func whatRealClustersHoldIsNoError() {
    let text = """
      apiVersion: v1
      kind: Service
      metadata: {name: web}
      spec:
        ports:
        - {port: 80, nodePort: 80}
        externalIPs: [nonsense, 127.0.0.1, 0.0.0.0, 224.0.0.1, ""]
        loadBalancerSourceRanges: [10.0.0.0, 10.0.0.0/33]
      status:
        loadBalancer:
          ingress:
          - ip: nonsense
          - {ip: 198.51.100.1, ipMode: New}
      """
    #expect(
      said(text) == [
        "note: f:6: document 1: Service default/web: spec.ports[0].nodePort: 80 is outside of the usual range 30000-32767",
        "warning: f:7: document 1: Service default/web: spec.externalIPs[0]: \"nonsense\" is no IP address; ignored",
        "warning: f:7: document 1: Service default/web: spec.externalIPs[1]: 127.0.0.1 is a loopback address; ignored",
        "warning: f:7: document 1: Service default/web: spec.externalIPs[2]: 0.0.0.0 is the unspecified address; ignored",
        "warning: f:7: document 1: Service default/web: spec.externalIPs[3]: 224.0.0.1 is a multicast address; ignored",
        "warning: f:8: document 1: Service default/web: spec.loadBalancerSourceRanges[0]: \"10.0.0.0\" is no address range; ignored",
        "warning: f:8: document 1: Service default/web: spec.loadBalancerSourceRanges[1]: \"10.0.0.0/33\" is no address range; ignored",
        "warning: f:12: document 1: Service default/web: status.loadBalancer.ingress[0].ip: \"nonsense\" is no IP address; ignored",
        "warning: f:13: document 1: Service default/web: status.loadBalancer.ingress[1]: has an unknown ipMode \"New\"; ignored",
      ])
    let service = decoded(text).service
    #expect(service?.externalIPs == [] && service?.loadBalancerSourceRanges == [])
    #expect(service?.ports.first?.nodePort == Port(80))
    #expect(service?.loadBalancerIngress.map(\.isVIP) == [false])
  }
}
