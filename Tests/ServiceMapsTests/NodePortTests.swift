import ServiceMaps
import Testing

/// Which Service gets which node ports (pkg/registry/core/service/storage/alloc.go).
@Suite struct NodePortTests {
  private func nodePort(_ text: String, _ change: (inout Service) -> Void = { _ in })
    -> KubernetesObject
  {
    service(text) {
      $0.kind = .nodePort
      change(&$0)
    }
  }

  private func ports(_ known: KnownObjects, _ text: String) -> [Int?] {
    right(known[serviceID(text)]?.service).ports.map { $0.nodePort.map { Int($0.number) } }
  }

  @Test func ranges() {
    #expect(NodePortRange.standard.description == "30000-32767")
    #expect(NodePortRange("30000-32767") == .standard)
    #expect(NodePortRange("80")?.description == "80-80")
    for text in ["", "-", "2-1", "0-5", "1-65536", "1-2-3", "a-b", " 1-2", "+1-2"] {
      #expect(NodePortRange(text) == nil, "\(text)")
    }
  }

  /// Only Services whose manifest has no clusterIP, of the types that have node ports.
  @Test func whoGetsThem() {
    let known = known([
      nodePort("default/a"), service("default/b"),
      service("default/c") { $0.kind = .loadBalancer },
      service("default/d") {
        $0.kind = .loadBalancer
        $0.allocateLoadBalancerNodePorts = false
      },
      nodePort("default/e") { $0.clusterIPs = [ip("10.96.9.9")] },
      nodePort("default/f") { $0.ports[0].nodePort = port(31_234) },
      service("default/g") { $0.kind = .externalName },
    ])
    let (a, c) = (ports(known, "default/a")[0] ?? 0, ports(known, "default/c")[0] ?? 0)
    // The lowest 86 are left for numbers picked by hand.
    #expect((30_086...32_767).contains(a) && (30_086...32_767).contains(c) && a != c)
    #expect(ports(known, "default/b") == [nil])
    #expect(ports(known, "default/d") == [nil])
    #expect(ports(known, "default/e") == [nil])
    #expect(ports(known, "default/f") == [31_234])
    #expect(ports(known, "default/g") == [nil])
  }

  @Test func keptAndReleased() {
    var known = KnownObjects()
    func apply(_ change: @escaping (inout Service) -> Void = { _ in }) -> [Int?] {
      let result = known.merge(manifests(nodePort("default/web", change)))
      #expect(!result.isRefused, "\(result.diagnostics)")
      return ports(known, "default/web")
    }
    let first = apply()
    #expect(first[0] != nil)
    #expect(apply { $0.ports[0].port = port(81) } == first)
    #expect(apply { $0.kind = .loadBalancer } == first)
    // An explicit one stays as well.
    #expect(apply { $0.ports[0].nodePort = port(30_001) } == [30_001])
    #expect(apply() == [30_001])
    // They belong to the name of a port.
    let named = apply { service in
      service.ports = [
        Service.ServicePort(name: "a", port: port(80)),
        Service.ServicePort(name: "b", port: port(81)),
      ]
    }
    #expect(Set(named).count == 2 && !named.contains(30_001))
    #expect(
      apply { service in
        service.ports = [
          Service.ServicePort(name: "b", port: port(81)),
          Service.ServicePort(name: "a", port: port(80)),
        ]
      } == named.reversed())
    // What is a cluster's is taken as it is, and another type has none.
    #expect(apply { $0.clusterIPs = [ip("10.96.1.1")] } == [nil])
    #expect(apply() != [nil])
    #expect(apply { $0.kind = .clusterIP } == [nil])
    #expect(known[serviceID("default/web")]!.assignedNodePorts == [:])
  }

  @Test func tcpAndUDPOfOneNumberShare() {
    let both: (inout Service) -> Void = { service in
      service.ports = [
        Service.ServicePort(name: "udp", transport: .udp, port: port(53)),
        Service.ServicePort(name: "tcp", port: port(53), nodePort: port(30_053)),
        Service.ServicePort(name: "web", port: port(80)),
      ]
    }
    let result = ports(known([nodePort("default/dns", both)]), "default/dns")
    #expect(result[0] == 30_053 && result[1] == 30_053 && result[2] != 30_053)
    let assigned = ports(
      known([
        nodePort("default/dns") { service in
          both(&service)
          service.ports[1].nodePort = nil
        }
      ]), "default/dns")
    #expect(assigned[0] == assigned[1] && assigned[0] != assigned[2])
  }

  @Test func oneNumberForOneService() {
    var known = KnownObjects()
    let a = nodePort("default/a") { $0.ports[0].nodePort = port(30_001) }
    // Another protocol is no excuse: the API server counts numbers.
    let b = nodePort("default/b") {
      $0.ports[0].nodePort = port(30_001)
      $0.ports[0].transport = .udp
    }
    let both = known.merge(manifests(b, a))
    #expect(
      both.diagnostics.map(\.description) == [
        "test.yaml:1: document 1: Service default/b: spec.ports[0].nodePort: 30001 is already "
          + "allocated to Service default/a"
      ])
    #expect(known.isEmpty)
    #expect(!known.merge(manifests(a)).isRefused)
    #expect(known.merge(manifests(b)).isRefused)
    var pruned = known
    #expect(!pruned.merge(manifests(b), prune: true).isRefused)
    // A Service of another type does not have it, and neither does one that gives it up.
    #expect(
      !known.merge(manifests(service("default/c") { $0.ports[0].nodePort = port(30_001) }))
        .isRefused)
    let moved = nodePort("default/a") { $0.ports[0].nodePort = port(30_002) }
    #expect(!known.merge(manifests(b, moved)).isRefused)

    let twice = nodePort("default/twice") { service in
      service.ports = [
        Service.ServicePort(name: "a", port: port(80), nodePort: port(30_009)),
        Service.ServicePort(name: "b", port: port(81), nodePort: port(30_009)),
      ]
    }
    #expect(
      known.merge(manifests(twice)).diagnostics.map(\.description) == [
        "test.yaml:1: document 1: Service default/twice: spec.ports[1].nodePort: 30009 is taken by "
          + "another port of this Service"
      ])
  }

  @Test(arguments: [("30000-30002", 3), ("30000-30099", 100)])
  func rangesAreUsedUpAndNoMore(_ text: String, _ size: Int) {
    let range = right(NodePortRange(text))
    var known = KnownObjects()
    let services = (0..<size).map { nodePort("default/web-\($0)") }
    #expect(!known.merge(manifests(services), nodePorts: range).isRefused)
    let given = (0..<size).compactMap { ports(known, "default/web-\($0)")[0] }
    #expect(Set(given).count == size && given.allSatisfy { range.contains(port($0)) })
    #expect(
      known.merge(manifests(nodePort("default/more")), nodePorts: range).diagnostics
        .map(\.description) == [
          "test.yaml:1: document 1: Service default/more: spec.ports[0].nodePort: no number is left "
            + "in the node port range \(text)"
        ])
  }

  /// The lowest 16 of 100 are for numbers picked by hand, as long as there are others.
  @Test func lowNumbersComeLast() {
    var known = KnownObjects()
    let services = (0..<84).map { nodePort("default/web-\($0)") }
    _ = known.merge(manifests(services), nodePorts: right(NodePortRange("30000-30099")))
    let given = (0..<84).compactMap { ports(known, "default/web-\($0)")[0] }
    #expect(given.sorted() == Array(30_016...30_099))
  }

  private static let yaml = """
    apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec:
      type: NodePort
      ports:
      - {name: http, port: 80}
      - {name: fixed, port: 81, nodePort: 30081}
      - {port: 82, name: more}
    """

  private func decoded(_ bytes: [UInt8]) -> [ManifestObject] {
    decodeManifests([ManifestFile(name: "f", bytes: bytes)]).objects
  }

  /// What is dumped has the numbers in place, and applying it again changes nothing.
  @Test func dumpedAndAppliedAgain() throws {
    var known = KnownObjects()
    _ = known.merge(decoded(Array(Self.yaml.utf8)))
    let web = known[serviceID("default/web")]!
    let ports = web.service!.ports.map { $0.nodePort!.number }
    let json = String(decoding: web.manifest, as: UTF8.self)
    #expect(
      json.hasSuffix(
        #""ports":[{"name":"http","nodePort":\#(ports[0]),"port":80},"#
          + #"{"name":"fixed","nodePort":30081,"port":81},"#
          + #"{"name":"more","nodePort":\#(ports[2]),"port":82}],"type":"NodePort"}}"#), "\(json)")
    for format in DumpFormat.allCases {
      var again = known
      let result = again.merge(decoded(known.manifests(as: format)))
      #expect(result.changes.map(\.action) == [.unchanged])
      #expect(again[serviceID("default/web")]!.service == web.service)
      // And so does the manifest without numbers after it.
      #expect(again.merge(decoded(Array(Self.yaml.utf8))).changes.map(\.action) == [.unchanged])
    }
  }

  @Test func stored() throws {
    var known = KnownObjects()
    _ = known.merge(decoded(Array(Self.yaml.utf8)))
    let web = known[serviceID("default/web")]!
    let bytes = known.encode()
    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")[1]
    let (http, more) = (web.assignedNodePorts["http"]!, web.assignedNodePorts["more"]!)
    #expect(
      line.hasPrefix(
        #"{"assigned":{"clusterIPs":["\#(web.clusterIPs[0])"],"nodePorts":{"http":\#(http),"more":\#(more)}},"object":{"#
      ))
    #expect(try KnownObjects(decoding: bytes) { decoded($0).first?.object } == known)
  }

  /// A long life of applies and deletes: no number is ever in two Services, and no Service loses
  /// one it still omits.
  @Test func numbersAreUniqueAndKept() {
    for seed in 0..<60 {
      var random = SeededGenerator(seed: UInt64(seed))
      var known = KnownObjects()
      for _ in 0..<20 {
        let objects = (0..<12).filter { _ in random.chance(60) }.map { i in
          service("default/s-\(i)") { service in
            service.kind = [.clusterIP, .nodePort, .loadBalancer].randomElement(using: &random)!
            service.ports = (0..<Int.random(in: 1...3, using: &random)).map { j in
              Service.ServicePort(
                name: "p\(j)", transport: random.chance(30) ? .udp : .tcp, port: port(80 + j / 2),
                nodePort: random.chance(10)
                  ? port(Int.random(in: 30_000...30_040, using: &random)) : nil)
            }
          }
        }
        let before = known
        let result = known.merge(
          manifests(objects), prune: random.chance(20), nodePorts: NodePortRange("30000-30060")!)
        if result.isRefused {
          #expect(known == before, "seed \(seed)")
          continue
        }
        var owners: [UInt16: String] = [:]
        for known in known.objects.values {
          let service = known.service!
          for port in service.ports where service.kind != .clusterIP {
            let owner = owners.updateValue(service.meta.name.name, forKey: port.nodePort!.number)
            #expect(owner == nil || owner == service.meta.name.name, "seed \(seed)")
            guard let old = before[known.object.id]?.service, old.kind != .clusterIP,
              known.assignedNodePorts[port.name] != nil,
              let number = old.ports.first(where: { $0.name == port.name })?.nodePort
            else { continue }
            let explicit = service.ports.contains {
              $0.nodePort == number && known.assignedNodePorts[$0.name] == nil
            }
            // Two that shared a number may have become one protocol.
            let wasShared = old.ports.count { $0.nodePort == number } > 1
            #expect(port.nodePort == number || explicit || wasShared, "seed \(seed)")
          }
        }
      }
    }
  }
}
