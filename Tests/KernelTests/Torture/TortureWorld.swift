import ServiceMaps

/// Which service has which backends: one version of the table. Half of the services are there all
/// the time with at least one backend, the others come, go and are empty. Even ones speak IPv4, odd
/// ones IPv6. A backend is one service's at a time, and soon another's.
struct TortureWorld {
  static let services = 32
  static let backends = 96

  static func vip(_ service: Int) -> Place {
    (service % 2 == 0 ? Variant.v4 : .v6).vip(service + 1)
  }

  /// The service of each backend.
  private(set) var owners: [Int?]
  private(set) var isPresent: [Bool]
  /// A new number is a new name: the service goes, and another one takes its VIP.
  private var names: [Int]

  init() {
    owners = (0..<Self.backends).map { $0 < Self.services * 2 ? $0 % Self.services : nil }
    isPresent = [Bool](repeating: true, count: Self.services)
    names = [Int](repeating: 0, count: Self.services)
  }

  /// There all the time, and never empty.
  static func isStable(_ service: Int) -> Bool { service < services / 2 }

  func backends(of service: Int) -> [Int] { owners.indices.filter { owners[$0] == service } }

  /// How many services are not as they were.
  func changes(since old: TortureWorld) -> Int {
    (0..<Self.services).count { service in
      isPresent[service] != old.isPresent[service] || names[service] != old.names[service]
        || backends(of: service) != old.backends(of: service)
    }
  }

  // MARK: Changing

  mutating func change(_ service: Int, using random: inout some RandomNumberGenerator) {
    let own = backends(of: service)
    let isFixed = Self.isStable(service)
    let free = owners.indices.filter { owners[$0] == nil }
    switch Int.random(in: 0..<8, using: &random) {
    case 0 where !isFixed && isPresent[service]: remove(service)
    case 1 where !isFixed && isPresent[service]:
      // Empty: refused, and not left alone.
      for backend in own { owners[backend] = nil }
    case 0, 1, 2:
      names[service] += 1
      if !isPresent[service] { add(service, free, using: &random) }
    case 3 where own.count > 1: owners[own.randomElement(using: &random) ?? 0] = nil
    case 3, 4, 5:
      // Replaced: another one in the same moment.
      guard let added = free.randomElement(using: &random) else { break }
      if !isPresent[service] { add(service, free, using: &random) }
      owners[added] = service
      if let removed = own.randomElement(using: &random) { owners[removed] = nil }
    default:
      if !isPresent[service] { add(service, free, using: &random) }
      for backend in free.shuffled(using: &random).prefix(3 - min(own.count, 2)) {
        owners[backend] = service
      }
    }
  }

  /// As `apply --prune` without them.
  mutating func removeAllButStable() {
    for service in 0..<Self.services where !Self.isStable(service) { remove(service) }
  }

  private mutating func remove(_ service: Int) {
    isPresent[service] = false
    for backend in backends(of: service) { owners[backend] = nil }
  }

  private mutating func add(
    _ service: Int, _ free: [Int], using random: inout some RandomNumberGenerator
  ) {
    isPresent[service] = true
    if let backend = free.randomElement(using: &random) { owners[backend] = service }
  }

  // MARK: The table

  func table(_ places: TorturePlaces) throws -> ServiceTable {
    var frontends: [Frontend] = []
    for service in 0..<Self.services where isPresent[service] {
      let backends = backends(of: service).map { places.backends[service % 2][$0] }.sorted()
      for (transport, port) in [(TransportProtocol.tcp, "tcp"), (.udp, "udp")] {
        var frontend = places.frontends[service]
        frontend.key.transport = transport
        frontend.service = ServicePortName(
          service: NamespacedName(namespace: "test", name: "s\(service)-\(names[service])"),
          port: port, transport: transport)
        frontend.backends = backends
        frontends.append(frontend)
      }
    }
    // Of half of them, in both families, all other ports are refused.
    let guarded = (0..<Self.services).filter { $0 / 2 % 2 == 0 && isPresent[$0] }
    return ServiceTable(
      frontends: frontends, guardedAddresses: guarded.map { places.frontends[$0].key.address })
  }
}

/// What is the same in all versions, parsed once.
struct TorturePlaces {
  /// IPv4, IPv6.
  let backends: [[Backend]]
  let frontends: [Frontend]

  init() throws {
    backends = try [Variant.v4, .v6].map { variant in
      try (0..<TortureWorld.backends).map { try backend(variant.pod($0 + 1)) }
    }
    frontends = try (0..<TortureWorld.services).map { try frontend(TortureWorld.vip($0), .tcp, []) }
  }
}
