import ServiceMaps
import Testing

@Suite struct LargeManifestTests {
  /// Two threads read a large file; what they find is put together as one would find it.
  @Test func objectsOfALargeFileAreInTheirPlaces() {
    func service(_ name: String, port: Int) -> String {
      """
      apiVersion: v1
      kind: Service
      metadata:
        name: \(name)
        annotations:
          about: \(String(repeating: "text ", count: 50))
      spec:
        ports:
        - port: \(port)
          protocol: Tcp

      """
    }
    let good = (0..<3000).map { service("s\($0)", port: 80).replacing("Tcp", with: "TCP") }
    let documents = good + [good[0], good[1].replacing("80", with: "81"), service("bad", port: 80)]
    let bytes = Array(documents.joined(separator: "---\n").utf8)
    #expect(bytes.count > 1 << 20)
    let decoded = decodeManifests([ManifestFile(name: "f", bytes: bytes)])
    #expect(decoded.objects.count == 3001)
    for (index, object) in decoded.objects.prefix(3000).enumerated() {
      #expect(object.object.id.name.name == "s\(index)")
      #expect(object.origin.document == index + 1)
      #expect(object.origin.line == 11 * index + 1)
    }
    #expect(
      decoded.diagnostics.map(\.description) == [
        "f:33012: document 3002: Service default/s1: is in the input twice, with different content;"
          + " first in f:12 (document 2)",
        "f:33032: document 3003: Service default/bad: spec.ports[0].protocol: must be TCP, UDP or"
          + " SCTP, not \"Tcp\"; write it in capitals",
      ])
  }
}
