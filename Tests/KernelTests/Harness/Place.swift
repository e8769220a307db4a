import ServiceMaps
import SocketKit

/// An address, written as a socket writes it, and a port.
struct Place: Hashable, Comparable, CustomStringConvertible, Sendable {
  var address: String
  var port: Int

  init(_ address: String, _ port: Int) {
    self.address = address
    self.port = port
  }

  init(_ name: sk_name) {
    let text = withUnsafeBytes(of: name.address) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    self.init(text, Int(name.port))
  }

  /// As the table writes it: ::ffff:10.0.0.1 is 10.0.0.1.
  var canonical: Place { Place(IPAddress(address).map(\.description) ?? address, port) }

  static func < (a: Place, b: Place) -> Bool {
    a.address != b.address ? a.address < b.address : a.port < b.port
  }

  var description: String { "\(address) port \(port)" }
}

/// The three ways in which an application names an address.
enum Variant: String, CaseIterable, Sendable {
  case v4, v6
  /// IPv4 through an AF_INET6 socket.
  case mapped

  var socketFamily: sk_family { self == .v4 ? SK_IPV4 : SK_IPV6 }

  /// A VIP; no interface has it, and no route leads to it.
  func vip(_ number: Int, port: Int = 80) -> Place {
    place(number, port, "172.30.", "fd00:172:30::")
  }

  /// The address of a backend; the loopback interface has 10.0.0.1…16 and fd00::1…16.
  func pod(_ number: Int, port: Int = 8080) -> Place { place(number, port, "10.0.", "fd00::") }

  private func place(_ number: Int, _ port: Int, _ v4: String, _ v6: String) -> Place {
    switch self {
    case .v4: Place("\(v4)\(number / 256).\(number % 256)", port)
    case .mapped: Place("::ffff:\(v4)\(number / 256).\(number % 256)", port)
    case .v6: Place(v6 + String(number, radix: 16), port)
    }
  }
}

/// A frontend as the table has it.
func frontend(
  _ vip: Place, _ transport: TransportProtocol, of service: String = "test/web",
  portName: String = "", _ backends: [Place]
) throws -> Frontend {
  let name = service.split(separator: "/").map(String.init)
  guard let address = IPAddress(vip.address), let port = Port(vip.port), name.count == 2 else {
    throw Failure("no frontend: \(vip) of \(service)")
  }
  return Frontend(
    key: FrontendKey(address: address, port: port, transport: transport), kind: .clusterIP,
    service: ServicePortName(
      service: NamespacedName(namespace: name[0], name: name[1]), port: portName,
      transport: transport),
    backends: Set(try backends.map(backend)).sorted())
}

func backend(_ place: Place) throws -> Backend {
  guard let address = IPAddress(place.address), let port = Port(place.port) else {
    throw Failure("no backend: \(place)")
  }
  return Backend(address: address, port: port)
}
