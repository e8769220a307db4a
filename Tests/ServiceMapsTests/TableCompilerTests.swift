import ServiceMaps
import Testing

/// What golden files do not show: messages, and what belongs to issue-wide rules.
@Suite struct TableCompilerTests {
  @Test func conflictNamesBoth() {
    let result = compile(
      service("default/a") { $0.externalIPs = [ip("192.0.2.1")] },
      service("default/b") { $0.externalIPs = [ip("192.0.2.1")] })
    #expect(
      result.diagnostics.map(\.description) == [
        "Service default/b: ExternalIP 192.0.2.1:80/TCP is left to Service default/a, which is "
          + "older or first by name and has it as ExternalIP"
      ])
    #expect(result.diagnostics[0].severity == .warning)
  }

  @Test func aServiceWithoutAgeIsTheYoungest() {
    for (young, old) in [("a", "b"), ("b", "a")] {
      let result = compile(
        service("default/\(young)") { $0.externalIPs = [ip("192.0.2.1")] },
        service("default/\(old)") {
          $0.externalIPs = [ip("192.0.2.1")]
          $0.meta.creationTimestamp = "2026-01-01T00:00:00Z"
        })
      #expect(result.table.frontends.last?.service.service == name("default/\(old)"))
      #expect(result.diagnostics.map(\.object) == ["Service default/\(young)"])
    }
  }

  /// However old the other one is.
  @Test func aClusterIPGoesFirst() {
    let result = compile(
      service("default/new") {
        $0.clusterIPs = [ip("10.96.1.1")]
        $0.meta.creationTimestamp = "2026-01-01T00:00:00Z"
      },
      service("default/old") {
        $0.clusterIPs = [ip("10.96.1.2")]
        $0.externalIPs = [ip("10.96.1.1")]
        $0.meta.creationTimestamp = "2025-01-01T00:00:00Z"
      })
    #expect(result.table.frontends[0].service.service == name("default/new"))
    #expect(
      result.diagnostics.map(\.description) == [
        "Service default/old: ExternalIP 10.96.1.1:80/TCP is left to Service default/new, which "
          + "has it as ClusterIP: that goes first"
      ])
  }

  @Test func unknownAlgorithmIsSaid() {
    let result = compile(
      service("default/web") { $0.meta.annotations = ["socklb.io/algorithm": "best"] })
    #expect(
      result.diagnostics.map(\.description) == [
        "Service default/web: metadata.annotations.socklb.io/algorithm: must be one of random, "
          + "round-robin, not \"best\"; random is used"
      ])
    #expect(result.table.frontends.map(\.algorithm) == [.random])
  }

  @Test func unknownChoicesAreSaid() {
    let result = compile(
      service("default/web") {
        $0.meta.annotations = ["socklb.io/udp-choice": "packet", "socklb.io/terminate": "all"]
      })
    let place = "Service default/web: metadata.annotations.socklb.io/"
    #expect(
      result.diagnostics.map(\.description) == [
        place + "terminate: must be one of none, udp, tcp or tcp,udp, not \"all\"; udp is used",
        place + "udp-choice: must be one of socket, datagram, not \"packet\"; socket is used",
      ])
  }

  @Test func terminationIsReadAndWritten() {
    let texts = ["none": "none", "udp": "udp", "tcp": "tcp", "tcp,udp": "tcp,udp"]
    for (text, written) in texts { #expect(Termination(text)?.description == written) }
    #expect(Termination("udp, tcp") == [.tcp, .udp])
    for text in ["", "all", "udp,", "none,udp", "UDP", ",", "tcp udp"] {
      #expect(Termination(text) == nil, "\(text)")
    }
  }

  /// A Service that lost all its addresses to others has nothing that a socket could stay with.
  @Test func onlyServedPortsKeepEndpoints() {
    func hidden(_ name: String) -> KubernetesObject {
      slice("default/\(name)-1", of: name, ["10.0.0.1"]) {
        $0.endpoints[0].isReady = false
      }
    }
    let result = compile(
      service("default/a") {
        $0.clusterIPs = [ip("10.96.1.1")]
        $0.externalIPs = [ip("10.96.1.2")]
      }, hidden("a"),
      service("default/b") { $0.clusterIPs = [ip("10.96.1.2")] }, hidden("b"))
    #expect(result.table.frontends.map(\.service.service.name) == ["a", "b"])
    #expect(
      result.table.keptEndpoints.map { "\($0.service) \($0.backend)" } == [
        "default/a 10.0.0.1:8080", "default/b 10.0.0.1:8080",
      ])
    let local = compile(
      service("default/a") {
        $0.clusterIPs = [ip("10.96.1.1")]
        $0.externalIPs = [ip("10.96.1.2")]
        $0.internalTrafficPolicy = .local
      }, slice("default/a-1", of: "a", ["10.0.0.1"]),
      service("default/b") { $0.clusterIPs = [ip("10.96.1.2")] })
    // The list that had it went with the externalIP, which is the other's.
    #expect(local.table.keptEndpoints.map { "\($0.backend)" } == ["10.0.0.1:8080"])
  }

  /// One line, however many addresses the node has.
  @Test func hostPortConflictIsOneWarning() {
    var options = CompileOptions()
    options.node.addresses = [ip("192.168.0.10"), ip("192.168.1.10"), ip("192.168.2.10")]
    let hosted = Pod.ContainerPort(port: port(80), hostPort: port(8080))
    let result = TableCompiler(options: options).compile(
      known([
        pod("default/a", ["10.0.0.1"], labels: [:], ports: [hosted]),
        pod("default/b", ["10.0.0.2"], labels: [:], ports: [hosted]) {
          $0.meta.creationTimestamp = "2026-01-01T00:00:00Z"
        },
      ]))
    #expect(
      result.diagnostics.map(\.description) == [
        "Pod default/a: HostPort 8080/TCP is left to Pod default/b, which is older or first by "
          + "name and has it as HostPort"
      ])
    #expect(result.table.frontends.count == 4)
    #expect(result.table.frontends.allSatisfy { $0.service.service == name("default/b") })
  }

  @Test func sliceWaitsForItsService() {
    var known = known([slice("default/web-1", of: "web", ["10.0.0.1"])])
    #expect(TableCompiler().compile(known).diagnostics.map(\.severity) == [.note])
    _ = known.merge(manifests(service("default/web")))
    let compiled = TableCompiler().compile(known)
    #expect(compiled.diagnostics == [])
    #expect(compiled.table.frontends.map(\.backends) == [[backend("10.0.0.1", 8080)]])
  }

  @Test func assignedAddressesAreFrontends() {
    let known = known([service("default/web") { $0.ipFamilyPolicy = .requireDualStack }])
    let table = TableCompiler().compile(known).table
    #expect(table.frontends.map(\.key.address) == known[serviceID("default/web")]!.clusterIPs)
    #expect(table.frontends.count == 2)
  }

  /// As the endpointslice controller has it: a Pod that terminates is not ready, but is used as
  /// long as it serves and there is no other.
  @Test func terminatingPodsAreTheLastResort() {
    let web = service("default/web") { $0.selector = ["app": "web"] }
    let leaving = pod("default/a", ["10.0.0.1"], labels: ["app": "web"]) { $0.isTerminating = true }
    let dead = pod("default/b", ["10.0.0.2"], labels: ["app": "web"]) {
      $0.isTerminating = true
      $0.isReady = false
    }
    let fresh = pod("default/c", ["10.0.0.3"], labels: ["app": "web"])
    #expect(compile(web, leaving, dead).table.frontends[0].backends == [backend("10.0.0.1", 80)])
    #expect(
      compile(web, leaving, dead, fresh).table.frontends[0].backends == [backend("10.0.0.3", 80)])
    #expect(compile(web, dead).table.frontends[0].backends == [])
  }
}
