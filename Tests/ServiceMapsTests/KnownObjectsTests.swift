import ServiceMaps
import Testing

@Suite struct KnownObjectsTests {
  @Test func saysWhatKubectlSays() {
    var known = KnownObjects()
    let web = service("default/web") { $0.clusterIPs = [ip("10.96.1.1")] }
    let other = service("shop/web") { $0.clusterIPs = [ip("10.96.1.2")] }
    let first = known.merge(manifests(slice("default/web-abc", of: "web", []), web, other))
    #expect(
      first.changes.map(\.description) == [
        "endpointslice.discovery.k8s.io/web-abc created", "service/web created",
        "service/web created",
      ])
    let changed = service("default/web") {
      $0.clusterIPs = [ip("10.96.1.1")]
      $0.ports[0].port = port(81)
    }
    let second = known.merge(manifests(pod("default/x", [], labels: [:]), changed, other))
    #expect(
      second.changes.map(\.description) == [
        "pod/x created", "service/web configured", "service/web unchanged",
      ])
    #expect(known.count == 4)
    let third = known.merge(manifests(other), prune: true)
    #expect(
      third.changes.map(\.description) == [
        "service/web unchanged", "endpointslice.discovery.k8s.io/web-abc pruned", "pod/x pruned",
        "service/web pruned",
      ])
    #expect(known.sortedIDs == [other.id])
    #expect(known.merge(manifests(other)).isChange == false)
  }

  @Test func refusesTwoContentsForOneObject() {
    var known = KnownObjects()
    let a = service("default/web") { $0.clusterIPs = [ip("10.96.1.1")] }
    let b = service("default/web") { $0.clusterIPs = [ip("10.96.1.2")] }
    let refused = known.merge(manifests(a, b))
    #expect(refused.isRefused && refused.changes.isEmpty && known.isEmpty)
    #expect(
      refused.diagnostics.map(\.description) == [
        "test.yaml:1: document 2: Service default/web: given twice with different content; "
          + "the first is document 1 of test.yaml"
      ])
    #expect(known.merge(manifests(a, a)).changes.map(\.description) == ["service/web created"])
  }

  @Test func deletesWhatIsNamed() {
    var known = known([service("default/web"), slice("default/web-1", of: "web", [])])
    let result = known.delete(manifests(service("default/web"), service("default/db")))
    #expect(result.changes.map(\.description) == [#"service "web" deleted"#])
    #expect(!result.isRefused)
    #expect(
      result.diagnostics.map(\.description) == [
        "test.yaml:1: document 2: Service default/db: not deleted: no such object is known"
      ])
    #expect(known.count == 1)
  }

  @Test func deletesAServiceWithItsEndpoints() {
    var endpoints = Endpoints(meta: ObjectMeta(name: name("default/web")))
    endpoints.subsets = []
    var known = known([
      service("default/web"), slice("default/web-2", of: "web", []),
      slice("default/web-1", of: "web", []), .endpoints(endpoints),
      slice("default/db-1", of: "db", []), slice("shop/web-3", of: "web", []),
      pod("default/web", [], labels: [:]),
    ])
    let result = known.deleteService(name("default/web"))
    #expect(
      result.changes.map(\.description) == [
        #"service "web" deleted"#, #"endpointslice.discovery.k8s.io "web-1" deleted"#,
        #"endpointslice.discovery.k8s.io "web-2" deleted"#, #"endpoints "web" deleted"#,
      ])
    #expect(known.count == 3)
    #expect(known.deleteService(name("default/web")).isRefused)
    #expect(known.count == 3)
  }

  @Test func storesAndReads() throws {
    let known = known([
      service("default/web") { $0.ipFamilyPolicy = .requireDualStack },
      service("default/db") { $0.clusterIPs = [ip("10.96.1.1")] }, slice("a/b", of: "c", []),
    ])
    let bytes = known.encode()
    let objects = Dictionary(
      uniqueKeysWithValues: known.objects.values.map { ($0.json, $0.object) })
    #expect(try KnownObjects(decoding: bytes) { objects[$0] } == known)
    #expect(try KnownObjects(decoding: KnownObjects().encode()) { _ in nil } == KnownObjects())

    // Every possible truncation and every flipped byte is noticed.
    for length in 0..<bytes.count {
      #expect(throws: KnownObjectsError.self) {
        try KnownObjects(decoding: Array(bytes[..<length])) { objects[$0] }
      }
    }
    for i in bytes.indices {
      var damaged = bytes
      damaged[i] ^= 4
      #expect(throws: KnownObjectsError.self, "byte \(i)") {
        try KnownObjects(decoding: damaged) { objects[$0] }
      }
    }
    #expect(throws: KnownObjectsError.badObject(line: 2)) {
      try KnownObjects(decoding: bytes) { _ in nil }
    }
    #expect(throws: KnownObjectsError.notKnownObjects) {
      try KnownObjects(decoding: Array("kind: Service\n".utf8)) { _ in nil }
    }
    let newer = Array(
      String(decoding: bytes, as: UTF8.self)
        .replacing(#""version":1"#, with: #""version":2"#).utf8)
    #expect(throws: KnownObjectsError.unsupportedVersion("2")) {
      try KnownObjects(decoding: newer) { objects[$0] }
    }
  }

  @Test func storedFormIsStable() {
    var known = KnownObjects()
    let json = Array(#"{"kind":"Service"}"#.utf8)
    _ = known.merge(
      [
        ManifestObject(
          object: service("default/web"), json: json,
          origin: ManifestObject.Origin(file: "-", document: 1, line: 1))
      ], cidrs: cidrs("172.30.0.4/30"))
    let lines = String(decoding: known.encode(), as: UTF8.self).split(separator: "\n")
    #expect(lines[0] == #"{"format":"socklb known objects","version":1}"#)
    let assigned = known[serviceID("default/web")]!.assignedClusterIPs[0]
    #expect(
      lines[1]
        == #"{"assigned":{"clusterIPs":["\#(assigned)"]},"object":{"kind":"Service"}}"#)
    #expect(lines[2].hasSuffix(#"","objects":1}"#) && lines.count == 3)
  }
}
