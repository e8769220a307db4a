import PathKit
import ServiceMaps

/// So many Services of ten pods each, and which of them are asked.
struct PathServices {
  var count: Int

  static let all = [1, 1000, 5000].map { PathServices(count: $0) }
  static let pods = Int(PK_PODS)

  /// In a list that is searched from its beginning, this one takes what the average one takes.
  var middle: Int { (count + 1) / 2 }
  var last: Int { count }

  /// The Services that are asked have the same port for UDP too, as name servers have.
  func hasUDP(_ service: Int) -> Bool { service == middle || service == last }

  func transports(_ service: Int) -> [TransportProtocol] {
    hasUDP(service) ? [.tcp, .udp] : [.tcp]
  }
}

/// Addresses. Services and pods are counted from 1; a pod's number counts through all Services.
enum PathPlaces {
  static let client: UInt32 = 0x0abf_0002
  static let gateway: UInt32 = 0x0abf_0001
  static let linkPrefix = 24
  /// All pods, and the client, which is one itself: what comes from here is not masqueraded.
  static let podRange = "10.128.0.0/10"
  /// Where the pods' namespace answers.
  static let servedRange = "10.128.0.0/14"
  static let serviceRange = "172.30.0.0/16"
  static let port = 80
  static let podPort = Int(PK_POD_PORT)

  static func vip(_ service: Int) -> UInt32 { 0xac1e_0000 + UInt32(service) }

  /// The first pod of a Service; the others follow.
  static func pods(_ service: Int) -> UInt32 {
    0x0a80_0001 + UInt32((service - 1) * PathServices.pods)
  }

  static func podAddresses(_ service: Int) -> [String] {
    (0..<PathServices.pods).map { text(pods(service) + UInt32($0)) }
  }

  static func text(_ address: UInt32) -> String {
    "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
  }

  static func name(_ service: Int) -> String { "bench/service-\(service)" }

  static func table(_ services: PathServices) throws -> ServiceTable {
    guard let port = Port(port), let podPort = Port(podPort) else { throw Wrong(what: "no port") }
    var frontends: [Frontend] = []
    frontends.reserveCapacity(services.count + 2)
    for service in 1...services.count {
      let backends = (0..<PathServices.pods).map {
        Backend(address: IPAddress(v4: pods(service) + UInt32($0)), port: podPort)
      }
      for transport in services.transports(service) {
        frontends.append(
          Frontend(
            key: FrontendKey(
              address: IPAddress(v4: vip(service)), port: port, transport: transport),
            kind: .clusterIP,
            service: ServicePortName(
              service: NamespacedName(namespace: "bench", name: "service-\(service)"),
              port: "http", transport: transport),
            backends: backends))
      }
    }
    return ServiceTable(frontends: frontends)
  }
}
