import ServiceMaps
import Testing

@Suite struct ManifestFuzzTests {
  /// Damaged manifests are refused or read, and never more than that.
  @Test func damagedManifestsAreSurvived() {
    let seeds = [
      """
      apiVersion: v1
      kind: List
      items:
      - &a {apiVersion: v1, kind: Service, metadata: {name: a}, spec: &s {ports: [{port: 80}]}}
      - <<: *a
        metadata: {name: "b\\u0041", labels: {x: 'y', z: |
          text
          }}
      - apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: a-1, labels: {kubernetes.io/service-name: a}}
        addressType: IPv4
        ports: [{name: "", port: 8080}]
        endpoints:
        - addresses: [10.0.0.1]
          conditions: {ready: true}
      ---
      apiVersion: v1
      kind: Pod
      metadata: {name: p}
      spec: {containers: [{ports: [{containerPort: 80, name: http}]}]}
      status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
      """,
      #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","labels":{"é":"\u00e9\n"}},"#
        + #""spec":{"clusterIP":"10.0.0.1","ports":[{"port":80,"targetPort":"http"}]}}"#
        + #"{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"a"},"subsets":[{"#
        + #""addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":1}]}]}"#,
    ].map { Array($0.utf8) }
    let marks = Array("{}[]:,-&*<>|'\"#!%@?\n\t \\0\u{1}é~.".utf8)
    var random = SystemRandomNumberGenerator()
    for _ in 0..<4000 {
      var bytes = seeds.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] = marks.randomElement(using: &random)!
        case 1: bytes.insert(marks.randomElement(using: &random)!, at: at)
        case 2: bytes.remove(at: at)
        default: bytes.removeSubrange(at..<min(at + 20, bytes.count))
        }
      }
      let first = decodeManifests([ManifestFile(name: "f", bytes: bytes)])
      let second = decodeManifests([ManifestFile(name: "f", bytes: bytes)])
      #expect(first.diagnostics == second.diagnostics, "\(bytes)")
      // What was taken without an error is a manifest again in its canonical form.
      if first.hasErrors { continue }
      for object in first.objects {
        let again = decodeManifests([ManifestFile(name: "g", bytes: object.json)])
        #expect(again.objects.map(\.json) == [object.json], "\(bytes)")
        #expect(again.objects.map(\.object) == [object.object], "\(bytes)")
      }
    }
  }

  @Test(arguments: [
    "10.0.0.1", "0.0.0.0", "255.255.255.255", "256.0.0.1", "10.0.0", "10.0.0.1.", ".10.0.0.1",
    "10..0.1", "010.000.000.001", "0000010.0.0.1", "10.0.0.1.1", "", "1", "a.b.c.d", "10.0.0.1 ",
    "::", "::1", "fd00::1", "::ffff:10.0.0.1", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "1.2.3.999",
  ])
  func addressesFromBytesAreThoseFromText(text: String) {
    #expect(IPAddress(utf8: Array(text.utf8)[...]) == IPAddress(text))
  }
}
