import Foundation
import ServiceMaps
import Testing

/// Measured by `SPEED=1 swift test -c release`; not part of the usual run, as it proves nothing.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["SPEED"] != nil))
struct SpeedTests {
  static func objects(services: Int, endpoints: Int) -> [ManifestObject] {
    var objects: [KubernetesObject] = []
    for i in 0..<services {
      objects.append(
        service("ns-\(i % 50)/service-\(i)") { service in
          service.clusterIPs = [IPAddress(v4: 0x0a60_0200 + UInt32(i))]
          service.ports = [Service.ServicePort(name: "http", port: port(80))]
        })
      var new = EndpointSlice(
        meta: ObjectMeta(
          name: NamespacedName(namespace: "ns-\(i % 50)", name: "service-\(i)-abcde"),
          labels: ["kubernetes.io/service-name": "service-\(i)", "app": "service-\(i)"]),
        addressType: .v4)
      new.ports = [EndpointSlice.SlicePort(name: "http", transport: .tcp, port: port(8080))]
      new.endpoints = (0..<endpoints).map { j in
        EndpointSlice.Endpoint(address: IPAddress(v4: 0x0a80_0000 + UInt32(i * 10 + j * 7 % 10)))
      }
      objects.append(.endpointSlice(new))
    }
    return objects.enumerated().map { i, object in
      ManifestObject(
        object: object, json: Array(repeating: 120, count: 1000),
        origin: ManifestObject.Origin(file: "test.yaml", document: i + 1, line: 1))
    }
  }

  @Test(arguments: [10_000, 100_000]) func speed(services: Int) throws {
    let input = SpeedTests.objects(services: services, endpoints: 10)
    let clock = ContinuousClock()
    func measure<Result>(_ what: String, _ body: () -> Result) -> Result {
      let start = clock.now
      let result = body()
      print("speed \(services): \(what) \(clock.now - start)")
      return result
    }
    var known = KnownObjects()
    _ = measure("merge") { known.merge(input) }
    _ = measure("merge again") { known.merge(input) }
    _ = measure("merge one") { known.merge([input[0]]) }
    let compiled = measure("compile") { TableCompiler().compile(known) }
    let dump = TableDump(compiled.table)
    for format in DumpFormat.allCases {
      let bytes = measure("dump \(format)") { dump.render(.frontends, as: format) }
      print("  \(bytes.count) bytes")
    }
    _ = measure("dump all text") { dump.render(.all) }
    for view in [DumpView.services, .backends, .counters] {
      _ = measure("dump \(view) text") { dump.render(view) }
    }
    var other = known
    _ = other.delete([input[3], input[100]])
    let after = TableCompiler().compile(other).table
    let diff = measure("diff") { TableDiff(from: compiled.table, to: after).unified() }
    let all = measure("diff all") { TableDiff(from: ServiceTable(), to: after).unified() }
    #expect(!diff.isEmpty && !all.isEmpty)
    let bytes = measure("encode") { known.encode() }
    let sorted = known.sortedIDs.map { known[$0]!.object }
    var i = 0
    let decoded = measure("decode, without the objects' JSON") {
      try? KnownObjects(decoding: bytes) { _ in
        i += 1
        return sorted[i - 1]
      }
    }
    #expect(decoded == known)
  }
}
