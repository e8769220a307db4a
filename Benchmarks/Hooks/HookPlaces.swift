import HookKit
import ServiceMaps

/// Addresses: backends and a stranger, where servers are, and VIPs, which nobody has.
enum HookPlaces {
  /// Of `HK_SERVERS` servers all but the last one are backends.
  static let backends = Int(HK_SERVERS) - 1
  static let strangerNumber = Int(HK_SERVERS)
  private static let vipPort = 80

  static func server(_ number: Int, _ mode: HookCase.Mode) -> (address: String, port: Int) {
    (text(mode, "10.0.0.\(number)", "fd00::\(String(number, radix: 16))"), Int(HK_PORT))
  }

  static func vip(_ number: Int, _ mode: HookCase.Mode) -> (address: String, port: Int) {
    let v4 = "172.30.\(number / 256).\(number % 256)"
    return (text(mode, v4, "fd00:172:30::\(String(number, radix: 16))"), vipPort)
  }

  private static func text(_ mode: HookCase.Mode, _ v4: String, _ v6: String) -> String {
    switch mode {
    case .v4: v4
    case .v6: v6
    case .mapped: "::ffff:" + v4
    }
  }

  /// So many Services with a VIP of each family, for TCP and UDP.
  static func table(services: Int) throws -> ServiceTable {
    var frontends: [Frontend] = []
    for number in 1...services {
      for mode in [HookCase.Mode.v4, .v6] {
        for transport in [TransportProtocol.tcp, .udp] {
          frontends.append(try frontend(number, mode, transport))
        }
      }
    }
    return ServiceTable(frontends: frontends)
  }

  private static func frontend(
    _ number: Int, _ mode: HookCase.Mode, _ transport: TransportProtocol
  ) throws -> Frontend {
    func backend(_ place: (address: String, port: Int)) throws -> Backend {
      guard let address = IPAddress(place.address), let port = Port(place.port) else {
        throw Wrong(what: "no address: \(place)")
      }
      return Backend(address: address, port: port)
    }
    let vip = try backend(vip(number, mode))
    return Frontend(
      key: FrontendKey(address: vip.address, port: vip.port, transport: transport),
      kind: .clusterIP,
      service: ServicePortName(
        service: NamespacedName(namespace: "bench", name: "service-\(number)"), port: "",
        transport: transport),
      backends: try (1...backends).map { try backend(server($0, mode)) })
  }
}

/// Destinations in C's own memory, for as long as the value lives.
final class HookDestinations {
  let places: UnsafeMutablePointer<hk_place>
  let count: Int

  init(_ texts: [(address: String, port: Int)]) throws {
    places = .allocate(capacity: texts.count)
    count = texts.count
    for (index, text) in texts.enumerated() {
      try Call.check(
        hk_place_at(places + index, text.address, Int32(text.port)), "reading \(text.address)")
    }
  }

  deinit { places.deallocate() }
}

/// A call that returns -errno.
enum Call {
  @discardableResult
  static func check<T: BinaryInteger>(_ result: T, _ what: @autoclosure () -> String) throws -> T {
    if result < 0 { throw Wrong(what: "\(what()): errno \(-Int(result))") }
    return result
  }
}
