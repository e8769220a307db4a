import ServiceMaps

func backend(_ number: Int) -> Backend {
  Backend(address: IPAddress(v4: 0x0a00_0000 + UInt32(number)), port: Port(8080)!)
}

func serviceName(_ number: Int, port: String = "") -> ServicePortName {
  ServicePortName(
    service: NamespacedName(namespace: "default", name: "s\(number)"), port: port,
    transport: .tcp)
}

func clusterIP(_ number: Int, port: UInt16 = 80) -> FrontendKey {
  FrontendKey(
    address: IPAddress(v4: 0xac1e_0000 + UInt32(number)), port: Port(port)!, transport: .tcp)
}

/// A table of up to `services` services; each has one or two frontends with the same backends,
/// and sometimes one with others.
func randomTable(
  services: Int, backends: Int = 12, using generator: inout SeededGenerator
) -> ServiceTable {
  var frontends: [Frontend] = []
  for number in 0..<services where Int.random(in: 0..<4, using: &generator) > 0 {
    let name = serviceName(
      number,
      port: Bool.random(using: &generator) ? "" : "p\(Int.random(in: 0..<2, using: &generator))")
    func some() -> [Backend] {
      let numbers = (0..<Int.random(in: 0...backends, using: &generator)).map { _ in
        Int.random(in: 1...40, using: &generator)
      }
      return Set(numbers).sorted().map(backend)
    }
    let list = some()
    let timeout: UInt32? = Bool.random(using: &generator) ? 10_800 : nil
    let algorithm = Algorithm.allCases.randomElement(using: &generator) ?? .random
    let ranges = ["10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/24"].compactMap { IPPrefix($0) }
    for (place, kind) in [FrontendKind.clusterIP, .externalIP, .loadBalancer].enumerated()
    where place == 0 || Bool.random(using: &generator) {
      let list = place == 2 ? some() : list
      frontends.append(
        Frontend(
          key: clusterIP(number, port: UInt16(80 + place)), kind: kind, service: name,
          affinityTimeout: timeout, algorithm: algorithm,
          whenEmpty: EmptyVerdict.allCases.randomElement(using: &generator) ?? .refuse,
          sourceRanges: place == 2
            ? Array(ranges.prefix(Int.random(in: 0...3, using: &generator))) : [],
          backends: list))
    }
  }
  let guards = Set(frontends.map(\.key.address)).filter { _ in Bool.random(using: &generator) }
  return ServiceTable(frontends: frontends, guardedAddresses: Array(guards))
}
