import ServiceMaps
import Testing

/// What Services with a policy Local have on this node, as `ResidentCompiler` keeps it.
@Suite struct LocalServicesTests {
  private struct World {
    var known = KnownObjects()
    var compiler: ResidentCompiler

    init(_ addresses: NodePortAddresses? = nil) {
      compiler = ResidentCompiler(
        known,
        options: CompileOptions(
          node: NodeIdentity(name: "here", addresses: [ip("192.168.0.1"), ip("fd00::1")]),
          nodePortAddresses: addresses))
    }

    mutating func merge(_ objects: KubernetesObject...) {
      let changes = known.merge(manifests(objects))
      #expect(!changes.isRefused, "\(changes.diagnostics)")
      _ = compiler.update(changes.changes.map(\.id), in: known)
    }

    var web: LocalService? { compiler.local.services[name("d/web")] }
  }

  private func web(_ change: (inout Service) -> Void = { _ in }) -> KubernetesObject {
    service("d/web") {
      $0.kind = .loadBalancer
      $0.clusterIPs = [ip("10.96.0.1")]
      $0.externalTrafficPolicy = .local
      $0.healthCheckNodePort = port(30100)
      change(&$0)
    }
  }

  private func endpoints(
    _ places: [(address: String, node: String?)],
    _ change: (inout EndpointSlice.Endpoint) -> Void = { _ in }
  ) -> KubernetesObject {
    slice("d/web-1", of: "web", places.map(\.address)) { slice in
      for index in slice.endpoints.indices {
        slice.endpoints[index].nodeName = places[index].node
        change(&slice.endpoints[index])
      }
    }
  }

  @Test func readyOnesOfThisNodeCount() {
    var world = World()
    world.merge(web())
    #expect(world.web?.localEndpoints == 0 && world.web?.healthCheckNodePort == port(30100))
    world.merge(endpoints([("10.0.0.1", "here"), ("10.0.0.2", "there"), ("10.0.0.3", nil)]))
    #expect(world.web?.localEndpoints == 1)
    world.merge(endpoints([("10.0.0.1", "here"), ("10.0.0.2", "here")]))
    #expect(world.web?.localEndpoints == 2)
    world.merge(endpoints([("10.0.0.1", "here"), ("10.0.0.2", "here")]) { $0.isReady = false })
    #expect(world.web?.localEndpoints == 0)
  }

  @Test func oneAddressWithTwoPortsIsOneEndpoint() {
    var world = World()
    world.merge(
      web {
        $0.ports = [
          Service.ServicePort(name: "a", port: port(80)),
          Service.ServicePort(name: "b", port: port(81)),
        ]
      },
      slice("d/web-1", of: "web", ports: [("a", 8080), ("b", 8081)], ["10.0.0.1"]) {
        $0.endpoints[0].nodeName = "here"
      })
    #expect(world.web?.localEndpoints == 1)
  }

  @Test func aPodOfBothFamiliesIsOneEndpoint() {
    var world = World()
    world.merge(
      web {
        $0.clusterIPs = [ip("10.96.0.1"), ip("fd00:96::1")]
        $0.ipFamilies = [.v4, .v6]
        $0.ipFamilyPolicy = .requireDualStack
      }, endpoints([("10.0.0.1", "here")]),
      slice("d/web-2", of: "web", ["fd00::5"], family: .v6) { $0.endpoints[0].nodeName = "here" })
    #expect(world.web?.localEndpoints == 1)
  }

  @Test func whoHasNoSuchPolicyIsNotThere() {
    var world = World()
    world.merge(web(), endpoints([("10.0.0.1", "here")]))
    let version = world.compiler.local.version
    world.merge(web { $0.externalTrafficPolicy = .cluster })
    #expect(world.web == nil && world.compiler.local.version > version)
    // A NodePort Service has the policy, but nobody asks for its health.
    world.merge(web { $0.kind = .nodePort })
    #expect(world.web != nil && world.web?.healthCheckNodePort == nil)
    world.merge(web { $0.kind = .clusterIP })
    #expect(world.web == nil)
    world.merge(
      web {
        $0.internalTrafficPolicy = .local; $0.kind = .clusterIP
      })
    #expect(world.web?.localEndpoints == 1 && world.web?.healthCheckNodePort == nil)
  }

  @Test func whatHasEndpointsElsewhereOnlyIsCounted() {
    var world = World()
    world.merge(web { $0.internalTrafficPolicy = .local })
    // Nobody has any: that is not what the policy does.
    #expect(world.web?.internalWithout.v4 == 0)
    world.merge(endpoints([("10.0.0.2", "there")]))
    #expect(world.web?.internalWithout.v4 == 1 && world.web?.externalWithout.v4 == 1)
    #expect(world.web?.internalWithout.v6 == 0)
    world.merge(endpoints([("10.0.0.2", "there"), ("10.0.0.1", "here")]))
    #expect(world.web?.internalWithout.v4 == 0 && world.web?.externalWithout.v4 == 0)
  }

  @Test func nothingElseIsAnotherVersion() {
    var world = World()
    world.merge(web(), endpoints([("10.0.0.1", "here"), ("10.0.0.2", "there")]))
    let version = world.compiler.local.version
    world.merge(endpoints([("10.0.0.1", "here"), ("10.0.0.9", "there")]))
    world.merge(service("d/other") { $0.clusterIPs = [ip("10.96.0.9")] })
    #expect(world.compiler.local.version == version)
  }

  @Test(
    arguments: [
      (nil, nil), ("0.0.0.0/0,::/0", nil), ("primary", ["192.168.0.1", "fd00::1"]),
      ("192.168.0.0/16,fe80::/10", ["192.168.0.1"]),
    ] as [(String?, [String]?)])
  func theAddressesAreThoseOfNodePorts(text: String?, addresses: [String]?) {
    let world = World(text.map { right(NodePortAddresses($0)) })
    #expect(world.compiler.nodePortAddresses == addresses?.map(ip))
  }
}
