import ServiceMaps
import Testing

/// What the table depends on besides the objects, and what golden files do not show.
@Suite struct CompileOptionsTests {
  private func table(_ objects: [KubernetesObject], _ options: CompileOptions) -> ServiceTable {
    TableCompiler(options: options).compile(known(objects)).table
  }

  @Test func guardedAddresses() {
    let objects = [
      service("default/web") {
        $0.clusterIPs = [ip("10.96.1.1"), ip("fd00:10:96::1")]
        $0.externalIPs = [ip("192.0.2.1")]
      },
      service("default/headless") { $0.isHeadless = true },
      service("default/theirs") {
        $0.clusterIPs = [ip("10.96.1.2")]
        $0.meta.labels = ["service.kubernetes.io/service-proxy-name": "other"]
      },
      service("default/portless") {
        $0.clusterIPs = [ip("10.96.1.3")]
        $0.ports = []
      },
      pod(
        "default/web", ["10.0.0.1"], labels: [:],
        ports: [Pod.ContainerPort(port: port(80), hostPort: port(8080))]),
    ]
    var options = CompileOptions()
    #expect(
      table(objects, options).guardedAddresses == [ip("10.96.1.1"), ip("fd00:10:96::1")])
    options.guardClusterIPs = false
    #expect(table(objects, options).guardedAddresses == [])
  }

  @Test func nodePortAddressesAreRead() {
    #expect(NodePortAddresses("primary") == .primary)
    #expect(
      NodePortAddresses("10.0.0.0/8,::/0")
        == .ranges([right(IPPrefix("10.0.0.0/8")), right(IPPrefix("::/0"))]))
    #expect(NodePortAddresses("10.0.0.0/8,::/0")?.description == "10.0.0.0/8,::/0")
    for text in ["", "10.0.0.1", "primary,10.0.0.0/8", "10.0.0.0/8,", "all"] {
      #expect(NodePortAddresses(text) == nil, "\(text)")
    }
  }

  /// A range that has 127.0.0.1 in it asks for it; without one it is not there.
  @Test func rangesAndLoopback() {
    let web = service("default/web") {
      $0.clusterIPs = [ip("10.96.1.1")]
      $0.kind = .nodePort
      $0.ports[0].nodePort = port(30_080)
    }
    func addresses(_ ranges: String?, localhost: Bool = true) -> [String] {
      var options = CompileOptions(localhostNodePorts: localhost)
      options.node.addresses = [ip("192.168.0.10")]
      options.nodePortAddresses = ranges.map { right(NodePortAddresses($0)) }
      return table([web], options).frontends.filter { $0.kind == .nodePort }
        .map { $0.key.address.description }
    }
    #expect(addresses(nil) == ["127.0.0.1", "192.168.0.10"])
    #expect(addresses(nil, localhost: false) == ["192.168.0.10"])
    #expect(addresses("127.0.0.0/8") == ["127.0.0.1"])
    #expect(addresses("127.0.0.0/8", localhost: false) == [])
    #expect(addresses("0.0.0.0/0") == ["127.0.0.1", "192.168.0.10"])
    #expect(addresses("192.168.0.0/16") == ["192.168.0.10"])
    #expect(addresses("fd00::/8") == ["127.0.0.1", "192.168.0.10"])
    #expect(addresses("primary") == ["192.168.0.10"])
  }

  /// Only the Node of this node's own name is asked.
  @Test func theNodeObjectGoesFirst() {
    var node = Node(meta: ObjectMeta(name: NamespacedName(namespace: "", name: "n1")))
    let given = NodeIdentity(name: "n1", zone: "given", addresses: [ip("192.168.0.1")])
    #expect(given.resolved(in: known([.node(node)])) == given)
    node.meta.labels = ["topology.kubernetes.io/zone": "z1"]
    #expect(given.resolved(in: known([.node(node)])).zone == "z1")
    #expect(given.resolved(in: known([.node(node)])).addresses == given.addresses)
    node.addresses = [ip("192.168.0.2")]
    #expect(given.resolved(in: known([.node(node)])).addresses == node.addresses)
    var other = given
    other.name = "n2"
    #expect(other.resolved(in: known([.node(node)])) == other)
    other.name = ""
    #expect(other.resolved(in: known([.node(node)])) == other)
  }

  /// Endpoints objects and Pods know nodes too; a Pod without one is taken for one of this node.
  @Test func endpointsAndPodsAreLocal() {
    let local: (inout Service) -> Void = { $0.internalTrafficPolicy = .local }
    var endpoints = Endpoints(meta: ObjectMeta(name: name("default/a")))
    var subset = Endpoints.Subset(
      addresses: [ip("10.0.0.1"), ip("10.0.0.2")], notReadyAddresses: [],
      ports: [Endpoints.EndpointPort(name: "", transport: .tcp, port: port(80))])
    subset.nodeNames = [ip("10.0.0.1"): "n1"]
    endpoints.subsets = [subset]
    let objects = [
      service("default/a", local), .endpoints(endpoints),
      service("default/b") {
        local(&$0)
        $0.selector = ["app": "b"]
      }, pod("default/b1", ["10.0.1.1"], labels: ["app": "b"]) { $0.nodeName = "n1" },
      pod("default/b2", ["10.0.1.2"], labels: ["app": "b"]) { $0.nodeName = "n2" },
      pod("default/b3", ["10.0.1.3"], labels: ["app": "b"]),
    ]
    func backends(_ node: String) -> [String: [String]] {
      Dictionary(
        uniqueKeysWithValues: table(
          objects, CompileOptions(node: NodeIdentity(name: node))
        ).frontends.map { ($0.service.service.name, $0.backends.map(\.description)) })
    }
    #expect(backends("n1") == ["a": ["10.0.0.1:80"], "b": ["10.0.1.1:80", "10.0.1.3:80"]])
    #expect(backends("n2") == ["a": [], "b": ["10.0.1.2:80", "10.0.1.3:80"]])
    #expect(backends("") == ["a": [], "b": ["10.0.1.3:80"]])
  }

  /// Both families lead to the Pod's address of the family; nothing is served at ::1.
  @Test func hostPortsOfBothFamilies() {
    var options = CompileOptions(localhostNodePorts: false)
    options.node.addresses = [ip("192.168.0.10"), ip("fd00:192::10")]
    let ports = [
      Pod.ContainerPort(name: "web", port: port(80), hostPort: port(8080)),
      Pod.ContainerPort(name: "local", port: port(81), hostPort: port(8081), hostIP: ip("::1")),
      Pod.ContainerPort(name: "lo", port: port(82), hostPort: port(8082), hostIP: ip("127.0.0.1")),
    ]
    let result = table(
      [pod("default/web", ["10.0.0.1", "fd00::1"], labels: [:], ports: ports)], options)
    #expect(
      result.frontends.map { "\($0.key) \($0.service) \($0.backends)" } == [
        "127.0.0.1:8082/TCP default/web:lo [10.0.0.1:82]",
        "192.168.0.10:8080/TCP default/web:web [10.0.0.1:80]",
        "[fd00:192::10]:8080/TCP default/web:web [[fd00::1]:80]",
      ])
  }

  /// Records of the data plane have room for 63 characters.
  @Test func longNamesOfPodsAreCut() {
    let hosted = [Pod.ContainerPort(port: port(80), hostPort: port(8080))]
    let long = String(repeating: "a", count: 200)
    let result = table(
      [
        pod("default/\(long)b", ["10.0.0.1"], labels: [:], ports: hosted),
        pod(
          "default/\(long)c", ["10.0.0.1"], labels: [:],
          ports: [Pod.ContainerPort(port: port(80), hostPort: port(8081))]),
      ], CompileOptions())
    let names = result.frontends.map(\.service.service.name)
    #expect(Set(names).count == 2 && names.allSatisfy { $0.utf8.count == 63 })
  }
}
