import Foundation
import ServiceMaps
import Testing

@Suite struct ServiceDescriptionTests {
  private static let range = cidrs("172.30.0.4/30,fd00:172:30::/126")

  private static func describe(
    _ yaml: String, _ name: String = "default/web", options: CompileOptions = CompileOptions(),
    counters: [ServicePortName: ServiceCounters] = [:]
  ) -> ServiceDescription {
    let decoded = decodeManifests([ManifestFile(name: "f", bytes: Array(yaml.utf8))])
    #expect(!decoded.hasErrors, "\(decoded.diagnostics)")
    var known = KnownObjects()
    let changes = known.merge(
      decoded.objects, cidrs: range, nodePorts: right(NodePortRange("30123-30123")))
    #expect(!changes.isRefused, "\(changes.diagnostics)")
    return right(
      ServiceDescription(
        ServiceMapsTests.name(name), in: known, options: options, counters: counters))
  }

  private static func text(_ description: ServiceDescription) -> String {
    String(decoding: description.render(), as: UTF8.self)
  }

  private static let web = """
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      labels: {app: web, tier: front}
      annotations: {socklb.io/algorithm: round-robin}
    spec:
      clusterIP: 172.30.0.5
      type: NodePort
      internalTrafficPolicy: Local
      sessionAffinity: ClientIP
      selector: {app: web}
      ports:
      - {name: http, port: 80, targetPort: web, nodePort: 30080}
      - {name: dns, port: 53, protocol: UDP}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
    addressType: IPv4
    ports: [{name: http, port: 8080}]
    endpoints:
    - {addresses: [10.0.0.1], nodeName: n1, hints: {forZones: [{name: z1}]}}
    - {addresses: [10.0.0.2], nodeName: n2, hints: {forZones: [{name: z2}]}}
    - {addresses: [10.0.0.3], nodeName: n1, conditions: {ready: false}}
    - {addresses: [10.0.0.4], nodeName: n1, conditions: {ready: false, terminating: true}}
    - {addresses: [10.0.0.5], nodeName: n2, hints: {forZones: [{name: z1}]}}
    - {addresses: [10.0.0.6], nodeName: n2, hints: {forZones: [{name: z1}]}}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: web-6, labels: {kubernetes.io/service-name: web}}
    addressType: IPv6
    ports: [{name: http, port: 8080}]
    endpoints:
    - {addresses: ["fd00:10::1"]}
    """

  private static let options = CompileOptions(
    node: NodeIdentity(name: "n1", zone: "z1", addresses: [ip("192.168.0.10")]))

  @Test func asKubectlHasItAndMore() {
    let counters = [
      ServicePortName(service: name("default/web"), port: "http", transport: .tcp):
        ServiceCounters(translated: 12, refused: 3, backends: [backend("10.0.0.5", 8080): 9])
    ]
    #expect(
      Self.text(Self.describe(Self.web, options: Self.options, counters: counters)) == """
        Name:                     web
        Namespace:                default
        Labels:                   app=web
                                  tier=front
        Annotations:              socklb.io/algorithm: round-robin
        Selector:                 app=web
        Type:                     NodePort
        IP Family Policy:         SingleStack
        IP Families:              IPv4
        IP:                       172.30.0.5
        IPs:                      172.30.0.5
        Port:                     http  80/TCP
        TargetPort:               web/TCP
        NodePort:                 http  30080/TCP
        Endpoints:                10.0.0.1:8080,10.0.0.2:8080,10.0.0.5:8080 + 2 more...
        Port:                     dns  53/UDP
        TargetPort:               53/UDP
        Endpoints:                <none>
        Session Affinity:         ClientIP
        External Traffic Policy:  Cluster
        Internal Traffic Policy:  Local
        Affinity Timeout:         10800s
        Algorithm:                round-robin
        UDP Choice:               socket
        Terminate:                udp
        Frontends:
          172.30.0.5:80/TCP  ClusterIP  http
            In use:    10.0.0.1:8080
            Left out:  10.0.0.2:8080  not on this node
                       10.0.0.3:8080  not ready
                       10.0.0.4:8080  terminating
                       10.0.0.5:8080  not on this node
                       10.0.0.6:8080  not on this node
                       fd00:10::1  other address family
          127.0.0.1:30080/TCP  NodePort  http
          192.168.0.10:30080/TCP  NodePort  http
            In use:    10.0.0.1:8080
                       10.0.0.5:8080
                       10.0.0.6:8080
            Left out:  10.0.0.2:8080  hinted to another zone
                       10.0.0.3:8080  not ready
                       10.0.0.4:8080  terminating
                       fd00:10::1  other address family
          172.30.0.5:53/UDP  ClusterIP  dns
            In use:    none; connections are refused
            Left out:  10.0.0.1  no such port
                       10.0.0.2  no such port
                       10.0.0.3  no such port
                       10.0.0.4  no such port
                       10.0.0.5  no such port
                       10.0.0.6  no such port
                       fd00:10::1  other address family
        Counters:
          http  80/TCP  12 translated, 3 refused
            10.0.0.1:8080  0
            10.0.0.5:8080  9
            10.0.0.6:8080  0
          dns  53/UDP  0 translated, 0 refused

        """)
  }

  /// What is in use is what the table has, and nothing is both in use and left out.
  @Test func agreesWithTheTable() throws {
    for seed in 0..<1_000 {
      var random = SeededGenerator(seed: UInt64(seed))
      let made = RandomCase(&random)
      let decoded = decodeManifests([ManifestFile(name: "f", bytes: Array(made.manifest.utf8))])
      var known = KnownObjects()
      _ = known.merge(decoded.objects)
      var options = CompileOptions()
      options.node = NodeIdentity(
        name: made.given.name, zone: made.given.zone,
        addresses: made.given.addresses.map { ip($0.text) })
      let table = TableCompiler(options: options).compile(known).table
      let description = right(
        ServiceDescription(name("default/web"), in: known, options: options))
      var found: [FrontendKey: [Backend]] = [:]
      for group in description.groups {
        for frontend in group.frontends { found[frontend.key] = group.inUse }
        let left = group.leftOut.compactMap { endpoint in
          endpoint.port.map { Backend(address: endpoint.address, port: $0) }
        }
        #expect(Set(left).isDisjoint(with: group.inUse), "seed \(seed)")
      }
      let expected = Dictionary(
        uniqueKeysWithValues: table.frontends.map { ($0.key, $0.backends) })
      #expect(found == expected, "seed \(seed)")
      #expect((description.unserved != nil) == found.isEmpty, "seed \(seed)")
      for format in [DumpFormat.json, .yaml] {
        let bytes = description.render(as: format)
        if format == .json { _ = try JSONSerialization.jsonObject(with: Data(bytes)) }
        #expect(bytes.last == UInt8(ascii: "\n"))
      }
    }
  }

  /// The kinds that the tutorials have: a pending load balancer with a number given to it.
  @Test func pendingLoadBalancer() {
    let description = Self.describe(
      """
      apiVersion: v1
      kind: Service
      metadata: {name: web}
      spec:
        type: LoadBalancer
        selector: {app: myapp}
        ports: [{protocol: TCP, port: 80, targetPort: 80}]
      """, options: Self.options)
    let address = description.service.clusterIPs[0]
    #expect(
      Self.text(description) == """
        Name:                     web
        Namespace:                default
        Labels:                   <none>
        Annotations:              <none>
        Selector:                 app=myapp
        Type:                     LoadBalancer
        IP Family Policy:         SingleStack
        IP Families:              IPv4
        IP:                       \(address)
        IPs:                      \(address)
        LoadBalancer Ingress:     <pending>
        Port:                     <unset>  80/TCP
        TargetPort:               80/TCP
        NodePort:                 <unset>  30123/TCP
        Endpoints:                <none>
        Session Affinity:         None
        External Traffic Policy:  Cluster
        Internal Traffic Policy:  Cluster
        Algorithm:                random
        Terminate:                udp
        Frontends:
          \(address):80/TCP  ClusterIP
          127.0.0.1:30123/TCP  NodePort
          192.168.0.10:30123/TCP  NodePort
            In use:    none; connections are refused
        Counters:
          <unset>  80/TCP  0 translated, 0 refused

        """)
  }

  @Test func headlessAndExternalName() {
    let headless = Self.text(
      Self.describe(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: web-1, labels: {app: web}}
        status: {podIP: 10.0.0.1}
        """))
    #expect(headless.contains("\nIP:                       None\nIPs:                      None\n"))
    #expect(headless.contains("\nEndpoints:                10.0.0.1:80\n"))
    #expect(headless.hasSuffix("\nFrontends:  none; headless Services are for DNS only\n"))
    let alias = Self.text(
      Self.describe(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {type: ExternalName, externalName: numbersapi.com}
        """))
    #expect(
      alias == """
        Name:              web
        Namespace:         default
        Labels:            <none>
        Annotations:       <none>
        Selector:          <none>
        Type:              ExternalName
        IP Families:       <none>
        IP:
        IPs:               <none>
        External Name:     numbersapi.com
        Session Affinity:  None
        Algorithm:         random
        Terminate:         udp
        Frontends:  none; ExternalName is for DNS only

        """)
  }

  /// Dropped, restricted, and left to another.
  @Test func whatElseMayBe() {
    let text = Self.text(
      Self.describe(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec:
          clusterIP: 172.30.0.5
          type: LoadBalancer
          internalTrafficPolicy: Local
          loadBalancerSourceRanges: [10.0.0.0/8]
          externalIPs: [172.30.0.6]
          ports: [{port: 80}]
        status: {loadBalancer: {ingress: [{ip: 192.168.9.1}, {ip: 192.168.9.2, ipMode: Proxy}]}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: other}
        spec: {clusterIP: 172.30.0.6, ports: [{port: 80}]}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
        addressType: IPv4
        ports: [{name: "", port: 8080}]
        endpoints: [{addresses: [10.0.0.1], nodeName: n2}]
        """, options: Self.options))
    #expect(
      text.contains(
        """
        External IPs:                172.30.0.6
        LoadBalancer Ingress:        192.168.9.1 (VIP), 192.168.9.2 (Proxy)

        """), "\(text)")
    #expect(
      text.contains(
        """
        LoadBalancer Source Ranges:  10.0.0.0/8
        Algorithm:                   random
        Terminate:                   udp
        Frontends:
          172.30.0.5:80/TCP  ClusterIP
            In use:    none on this node; connections fail as unreachable
            Left out:  10.0.0.1:8080  not on this node
          172.30.0.6:80/TCP  ExternalIP  left to Service default/other, which has it too
          192.168.9.1:80/TCP  LoadBalancer  from 10.0.0.0/8
            In use:    10.0.0.1:8080

        """), "\(text)")
  }

  @Test func json() throws {
    let description = Self.describe(Self.web, options: Self.options)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(description.render(as: .json))) as? [String: Any])
    #expect(json["name"] as? String == "web" && json["algorithm"] as? String == "round-robin")
    #expect(json["udpChoice"] as? String == "socket" && json["terminate"] as? String == "udp")
    let groups = try #require(json["frontendGroups"] as? [[String: Any]])
    #expect(groups.map { $0["portName"] as? String } == ["http", "http", "dns"])
    let left = try #require(groups[0]["leftOut"] as? [[String: Any]])
    #expect(
      left.map { $0["reason"] as? String } == [
        "notOnThisNode", "notReady", "terminating", "notOnThisNode", "notOnThisNode", "otherFamily",
      ])
    #expect(left[0]["port"] as? Int == 8080 && left[5]["port"] is NSNull)
    let yaml = String(decoding: description.render(as: .yaml), as: UTF8.self)
    #expect(yaml.contains("reason: notOnThisNode"))
  }
}
