import ServiceFollow
import ServiceMaps
import Testing

@Suite struct APIServerEndpointTests {
  private func slice(_ name: String, _ addresses: [String], service: String = "kubernetes")
    -> String
  {
    let endpoints = addresses.map { "{addresses: [\($0)]}" }.joined(separator: ", ")
    return """
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata: {name: \(name), labels: {kubernetes.io/service-name: \(service)}}
      addressType: IPv4
      ports: [{name: https, port: 6443}]
      endpoints: [\(endpoints)]
      """
  }

  private func reading(_ text: String) -> FollowedFiles.Reading {
    .decoded(decodeManifests([ManifestFile(name: "x", bytes: Array(text.utf8))]))
  }

  private func name(_ slice: String) -> String { "endpointslice.discovery.k8s.io/default/\(slice)" }

  @Test func theLastEndpointsStay() {
    var kept = APIServerEndpoints()
    var readings = [name("a"): reading(slice("a", ["10.1.0.1"]))]
    #expect(kept.keep(&readings, FollowedFiles()).isEmpty && readings.count == 1)
    // Empty, gone, and of another Service: none of it takes the last one away.
    for other: FollowedFiles.Reading in [
      reading(slice("a", [])), .gone, reading(slice("a", ["10.1.0.9"], service: "web")),
    ] {
      readings = [name("a"): other, "service/default/web": .gone]
      #expect(kept.keep(&readings, FollowedFiles()).count == 1)
      #expect(readings.count == 1 && readings[name("a")] == nil)
    }
    // Another one comes in the same step, and then the first may go.
    readings = [name("a"): .gone, name("b"): reading(slice("b", ["10.1.0.2"]))]
    #expect(kept.keep(&readings, FollowedFiles()).isEmpty && readings.count == 2)
    readings = [name("b"): .gone]
    #expect(kept.keep(&readings, FollowedFiles()).count == 1 && readings.isEmpty)
  }

  @Test func withTheServiceTheyGo() {
    var kept = APIServerEndpoints()
    var readings = [name("a"): reading(slice("a", ["10.1.0.1"]))]
    _ = kept.keep(&readings, FollowedFiles())
    readings = [name("a"): .gone, "service/default/kubernetes": .gone]
    #expect(kept.keep(&readings, FollowedFiles()).isEmpty && readings.count == 2)
  }

  @Test func othersGoAsTheyAre() {
    var kept = APIServerEndpoints()
    var readings = [name("w"): reading(slice("w", ["10.1.0.1"], service: "web"))]
    #expect(kept.keep(&readings, FollowedFiles()).isEmpty)
    readings = [name("w"): .gone]
    #expect(kept.keep(&readings, FollowedFiles()).isEmpty && readings.count == 1)
  }
}
