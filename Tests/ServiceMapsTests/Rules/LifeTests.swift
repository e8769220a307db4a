import ServiceMaps
import Testing

/// What changes of live objects do to the table: the pure half of Kubernetes' end-to-end tests.
@Suite struct LifeTests {
  private var known = KnownObjects()
  private var options = CompileOptions(node: NodeIdentity(name: "n1", zone: "z1"))

  private mutating func apply(_ objects: KubernetesObject...) -> [String] {
    let result = known.merge(manifests(objects))
    #expect(!result.isRefused, "\(result.diagnostics)")
    return lines
  }

  private var lines: [String] {
    TableCompiler(options: options).compile(known).table.frontends.map { frontend in
      "\(frontend.key) \(frontend.service) \(frontend.backends)"
    }
  }

  private func web(_ change: (inout Service) -> Void = { _ in }) -> KubernetesObject {
    service("default/web") {
      $0.clusterIPs = [ip("10.96.1.1")]
      change(&$0)
    }
  }

  private let pods = slice("default/web-1", of: "web", ["10.0.0.1"])
  private let up = ["10.96.1.1:80/TCP default/web [10.0.0.1:8080]"]

  @Test mutating func serviceProxyNameComesAndGoes() {
    #expect(apply(web(), pods) == up)
    #expect(
      apply(web { $0.meta.labels = ["service.kubernetes.io/service-proxy-name": "x"] }) == [])
    #expect(apply(web()) == up)
  }

  @Test mutating func headlessLabelOfASliceComesAndGoes() {
    #expect(apply(web(), pods) == up)
    let labelled = slice("default/web-1", of: "web", ["10.0.0.1"]) {
      $0.meta.labels["service.kubernetes.io/headless"] = ""
    }
    #expect(apply(labelled) == ["10.96.1.1:80/TCP default/web []"])
    #expect(apply(pods) == up)
  }

  @Test mutating func typesChange() {
    #expect(apply(web(), pods) == up)
    #expect(apply(web { $0.kind = .externalName }) == [])
    let node = web {
      $0.kind = .nodePort
      $0.ports[0].nodePort = port(30_080)
    }
    #expect(apply(node) == up + ["127.0.0.1:30080/TCP default/web [10.0.0.1:8080]"])
    #expect(
      apply(
        web {
          $0.isHeadless = true; $0.clusterIPs = []
        }) == [])
    #expect(apply(web()) == up)
  }

  @Test mutating func portsComeAndGo() {
    #expect(apply(web(), pods) == up)
    let two = web { service in
      service.ports = [
        Service.ServicePort(name: "", port: port(80)),
        Service.ServicePort(name: "more", port: port(81)),
      ]
    }
    #expect(apply(two) == up + ["10.96.1.1:81/TCP default/web:more []"])
    // Another name is another service port, which these slices do not know.
    #expect(
      apply(web { $0.ports[0].name = "http" }) == ["10.96.1.1:80/TCP default/web:http []"])
  }

  @Test mutating func recreatedWithTheSameAddress() {
    #expect(apply(web(), pods) == up)
    _ = known.delete(manifests(web()))
    #expect(lines == [])
    #expect(apply(web()) == up)
  }

  /// Only the zone of the Node object changes.
  @Test mutating func theZoneOfTheNodeChanges() {
    let hinted = slice("default/web-1", of: "web", ["10.0.0.1", "10.0.0.2"]) {
      $0.endpoints[0].hintedZones = ["z1"]
      $0.endpoints[1].hintedZones = ["z2"]
    }
    func node(_ zone: String) -> KubernetesObject {
      var node = Node(meta: ObjectMeta(name: NamespacedName(namespace: "", name: "n1")))
      node.meta.labels = ["topology.kubernetes.io/zone": zone]
      return .node(node)
    }
    #expect(apply(web(), hinted) == up)
    #expect(apply(node("z2")) == ["10.96.1.1:80/TCP default/web [10.0.0.2:8080]"])
    #expect(apply(node("z1")) == up)
  }

  @Test mutating func severalSlicesForSeveralPorts() {
    let two = web { service in
      service.ports = [
        Service.ServicePort(name: "a", port: port(80)),
        Service.ServicePort(name: "b", port: port(81)),
      ]
    }
    #expect(
      apply(
        two, slice("default/web-a", of: "web", ports: [("a", 3000)], ["10.0.0.1"]),
        slice("default/web-b", of: "web", ports: [("b", 3001)], ["10.0.0.2"])) == [
          "10.96.1.1:80/TCP default/web:a [10.0.0.1:3000]",
          "10.96.1.1:81/TCP default/web:b [10.0.0.2:3001]",
        ])
  }

  @Test mutating func twoServicesShareEndpoints() {
    let other = service("default/other") { $0.clusterIPs = [ip("10.96.1.2")] }
    let both = apply(web(), pods, other, slice("default/other-1", of: "other", ["10.0.0.1"]))
    #expect(both == up + ["10.96.1.2:80/TCP default/other [10.0.0.1:8080]"])
    _ = known.deleteService(name("default/other"))
    #expect(lines == up)
  }

  @Test mutating func affinityIsSwitched() {
    func affinity(_ seconds: UInt32?) -> [UInt32?] {
      let objects = [web { $0.affinityTimeout = seconds }, pods]
      return TableCompiler().compile(ServiceMapsTests.known(objects)).table.frontends
        .map(\.affinityTimeout)
    }
    #expect(affinity(nil) == [nil])
    #expect(affinity(20) == [20])
  }
}
