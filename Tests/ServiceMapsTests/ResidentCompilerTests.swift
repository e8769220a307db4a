import ServiceMaps
import Testing

/// What `ResidentCompiler` makes of a change, against what `TableCompiler` makes of everything.
@Suite struct ResidentCompilerTests {
  private struct World {
    var known = KnownObjects()
    var allocations = ResidentAllocations()
    var compiler = ResidentCompiler(KnownObjects(), options: World.options)
    var table = ServiceTable()
    var random = SystemRandomNumberGenerator()
    var parts = 0

    static let options = CompileOptions(
      node: NodeIdentity(
        name: "node-1",
        addresses: [IPAddress("192.168.0.1"), IPAddress("fd00::1")].compactMap(\.self)))

    private func number(_ range: ClosedRange<Int>) -> String { String(Int.random(in: range)) }

    private func pick(_ values: String...) -> String { values.randomElement() ?? "" }

    /// Each `@name` in a manifest becomes one of the values.
    private func fill(_ text: String, _ values: [(String, String)]) -> String {
      values.reduce(text) { $0.replacing("@" + $1.0, with: $1.1) }
    }

    func text() -> String {
      switch Int.random(in: 0..<10) {
      case 0..<4: service()
      case 4..<7: slice()
      case 7..<9: pod()
      default: other()
      }
    }

    private func service() -> String {
      let type = pick("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer")
      let own = "10.96.0." + number(1...12)
      let external = "[203.0.113." + number(1...4) + "]"
      return fill(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: s@name, namespace: d, creationTimestamp: "2026-01-@dayT00:00:00Z"}
        spec:
          type: @type
          clusterIP: @own
          selector: @selector
          externalIPs: @external
          internalTrafficPolicy: @policy
          loadBalancerSourceRanges: @ranges
          ports: [{name: a, port: @port, targetPort: 8080}, {name: b, port: 90}]
        status: {loadBalancer: {ingress: [{ip: 203.0.113.@ingress}]}}

        """,
        [
          ("name", number(0...11)), ("day", number(10...18)), ("type", type),
          ("own", pick(own, own, "None", "\"\"")),
          ("selector", pick("{app: a}", "{app: b}", "{}")),
          ("external", pick("[]", "[]", external)), ("policy", pick("Cluster", "Local")),
          ("ranges", type == "LoadBalancer" ? "[10.0.0.0/8]" : "[]"), ("port", pick("80", "81")),
          ("ingress", number(1...6)),
        ])
    }

    private func slice() -> String {
      var endpoints: [String] = []
      for _ in 0..<Int.random(in: 0...3) {
        endpoints.append(
          fill(
            "{addresses: [10.0.0.@ip], nodeName: node-@node, conditions: {ready: @ready, "
              + "serving: @serving, terminating: @terminating}}",
            [
              ("ip", number(1...30)), ("node", number(1...2)), ("ready", pick("true", "false")),
              ("serving", pick("true", "false")), ("terminating", pick("true", "false")),
            ]))
      }
      return fill(
        """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: e@slice, namespace: d, labels: {kubernetes.io/service-name: s@name}}
        addressType: IPv4
        endpoints: [@endpoints]
        ports: [{name: a, port: 8080}, {name: b, port: 9090}]

        """,
        [
          ("slice", number(0...11)), ("name", number(0...11)),
          ("endpoints", endpoints.joined(separator: ", ")),
        ])
    }

    private func pod() -> String {
      let port = Int.random(in: 0..<6) == 0 ? ", hostPort: " + pick("30080", "7000") : ""
      return fill(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: @pod, namespace: d, labels: {app: @app}}
        spec:
          nodeName: node-@node
          containers: [{name: c, ports: [{containerPort: 90, name: a@host}]}]
        status: {podIP: 10.1.0.@ip, conditions: [{type: Ready, status: "@ready"}]}

        """,
        [
          ("pod", pick("p1", "p2", "p3", "s" + number(0...11))), ("app", pick("a", "b", "c")),
          ("node", number(1...2)), ("host", port), ("ip", number(1...9)),
          ("ready", pick("True", "False")),
        ])
    }

    private func other() -> String {
      let endpoints = """
        apiVersion: v1
        kind: Endpoints
        metadata: {name: s@name, namespace: d}
        subsets: [{addresses: [{ip: 10.2.0.1}], ports: [{name: a, port: 1}]}]

        """
      let node = """
        apiVersion: v1
        kind: Node
        metadata: {name: node-1, labels: {topology.kubernetes.io/zone: z@name}}

        """
      return fill(pick(endpoints, endpoints, node), [("name", number(0...11))])
    }

    /// - Returns: what is wrong; nil: nothing.
    mutating func step() -> String? {
      let objects = (0..<Int.random(in: 1...3)).flatMap { _ in
        decodeManifests([ManifestFile(name: "x", bytes: Array(text().utf8))]).objects
      }
      var ids: [ObjectID] = []
      if Int.random(in: 0..<4) == 0, let id = known.objects.keys.randomElement() {
        ids = known.remove([id], &allocations).map(\.object.id)
      }
      var plain = known
      let expected = plain.merge(objects)
      let changes = known.merge(objects, &allocations)
      if changes.isRefused != expected.isRefused || known != plain {
        return "merged otherwise: \(changes) instead of \(expected)"
      }
      ids += changes.changes.filter { $0.action != .unchanged }.map(\.id)
      let whole = TableCompiler(options: World.options).compile(known).table
      switch compiler.update(ids, in: known) {
      case .whole(let compiled):
        if compiled.table != whole { return "the whole table is another one" }
      case .part(let change, _, _):
        parts += 1
        let made = table.changed(by: change)
        if made != whole {
          return "after \(ids) \(TableChange(from: made, to: whole)) was left out of \(change)"
        }
      }
      table = whole
      let restricted = compiler.restricted.map(\.key)
      let missing = whole.frontends.filter { !$0.sourceRanges.isEmpty }.map(\.key)
        .filter { !restricted.contains($0) }
      return missing.isEmpty ? nil : "source ranges of \(missing) are forgotten"
    }
  }

  @Test func partsMakeTheSameTableAsTheWhole() {
    var parts = 0
    for _ in 0..<40 {
      var world = World()
      for step in 0..<60 {
        if let problem = world.step() {
          Issue.record("step \(step): \(problem)")
          return
        }
      }
      parts += world.parts
    }
    // Else it would not have been tried.
    #expect(parts > 500)
  }

  @Test func aChangeOfOneServiceNamesNoOther() throws {
    var text = ""
    for number in 1...50 {
      text += """
        apiVersion: v1
        kind: Service
        metadata: {name: s\(number), namespace: d}
        spec: {clusterIP: 10.96.1.\(number), ports: [{port: 80}]}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: s\(number)-1, namespace: d, labels: {kubernetes.io/service-name: s\(number)}}
        addressType: IPv4
        endpoints: [{addresses: [10.0.0.\(number)]}]
        ports: [{name: "", port: 8080}]
        ---

        """
    }
    func decoded(_ text: String) -> [ManifestObject] {
      decodeManifests([ManifestFile(name: "x", bytes: Array(text.utf8))]).objects
    }
    var known = KnownObjects()
    var allocations = ResidentAllocations()
    _ = known.merge(decoded(text), &allocations)
    var compiler = ResidentCompiler(known, options: World.options)
    let changes = known.merge(
      decoded(text.replacing("[10.0.0.7]", with: "[10.0.0.99]")), &allocations)
    let ids = changes.changes.filter { $0.action != .unchanged }.map(\.id)
    #expect(ids.count == 1)
    guard case .part(let change, let old, _) = compiler.update(ids, in: known) else {
      Issue.record("it took the whole table")
      return
    }
    #expect(change.services.map(\.service.name) == ["s7"])
    #expect(change.frontends.count == 1 && old.count == 1)
    #expect(change.frontends[0].backends.map(\.description) == ["10.0.0.99:8080"])
    #expect(change.addedGuards.isEmpty && change.removedGuards.isEmpty)
  }
}
