import Glibc
import PathKit
import ServiceMaps
import SocketKit

/// The process that measures: in namespaces and a cgroup of its own.
struct PathBench {
  private let options: PathOptions
  private let enclosure: Enclosure
  private var routes: [PathRoute] = []
  private var loading = PathLoading()
  /// So many data planes were made.
  private var dataplanes = 0

  init(_ options: PathOptions, _ enclosure: Enclosure) throws {
    self.options = options
    self.enclosure = enclosure
    try Call.check(sk_die_with_parent(), "prctl")
    try Call.check(sk_new_namespaces(), "entering namespaces of its own")
    try Call.check(sk_raise_file_limit(), "raising the limit of open files")
    try Call.check(sk_mount_bpf(enclosure.directory), "mounting a bpffs")
    try Enclosure.join(enclosure.servers)
    let bare = try PathNetwork()
    for way in PathWay.allCases where options.ways.contains(way) {
      for services in PathServices.all {
        try add(way, services, bare)
      }
    }
    try Enclosure.join(enclosure.clients)
  }

  private mutating func add(
    _ way: PathWay, _ services: PathServices, _ bare: PathNetwork
  ) throws {
    var network = bare
    var dataplane: PathDataplane?
    if let rules = way.rules {
      network = try PathNetwork()
      try network.client.inside { try loading.load(rules, services) }
    } else {
      dataplane = try fill(services)
    }
    // Only a list that is searched from its beginning has a worst place.
    let asked =
      way == .iptables && services.count > 1
      ? [services.middle, services.last] : [services.middle]
    for service in asked {
      let route = PathRoute(
        way, services, asking: service, number: routes.count, in: network, bare: bare, dataplane)
      try route.serveDatagrams()
      routes.append(route)
    }
  }

  private mutating func fill(_ services: PathServices) throws -> PathDataplane {
    dataplanes += 1
    let dataplane = try PathDataplane(
      services, pin: enclosure.directory + "/socklb\(dataplanes)", cgroup: enclosure.clients)
    loading.add("socklb", services, dataplane.fillNanoseconds)
    return dataplane
  }

  // MARK: All of it

  mutating func run() throws -> PathResults {
    for route in routes { try route.proveItself() }
    try Call.check(pk_stay_on_one_cpu(1), "staying on one CPU")
    var results = PathResults()
    results.traffic[.connect] = try measure(.connect, routes)
    // What is kept costs the same wherever its Service stands.
    let kept = routes.filter { !$0.isLast }
    for route in kept { try route.keep() }
    for kind in [PathKind.tcp, .udp, .bulk] {
      results.traffic[kind] = try measure(kind, kept)
    }
    try Call.check(pk_stay_on_one_cpu(0), "leaving that CPU")
    try loadAgain()
    results.loading = loading
    return results
  }

  /// Rules that take longer are loaded once.
  private static let longMilliseconds = 5000.0

  /// Into namespaces that end again.
  private mutating func loadAgain() throws {
    for _ in 1..<max(options.loads, 1) {
      for services in PathServices.all {
        for way in PathWay.allCases where options.ways.contains(way) {
          guard let rules = way.rules else {
            _ = try fill(services)
            continue
          }
          let before = loading.readings(rules.name, services)?.median ?? 0
          guard before < Self.longMilliseconds else { continue }
          let namespace = try PathNamespace()
          try namespace.inside { try loading.load(rules, services) }
        }
      }
    }
  }

  // MARK: One kind of traffic

  /// The sides of a route take turns, one right after the other, each beginning as often as the
  /// other; in each round all routes have their turn. The first round is not counted.
  private func measure(_ kind: PathKind, _ routes: [PathRoute]) throws -> [PathResult] {
    var results = routes.map { PathResult(route: $0) }
    for round in 0...kind.rounds(options) {
      for place in routes.indices {
        let index = (place + round) % routes.count
        let route = routes[index]
        var turns: [PathRoute.Side: PathTurn] = [:]
        for side in round.isMultiple(of: 2) ? [PathRoute.Side.direct, .vip] : [.vip, .direct] {
          turns[side] = try turn(kind, route, side)
        }
        if kind == .connect { try route.forgetConnections() }
        if round > 0, let vip = turns[.vip], let direct = turns[.direct] {
          results[index].rounds.append(PathRound(vip: vip, direct: direct))
        }
      }
    }
    return results
  }

  private func turn(_ kind: PathKind, _ route: PathRoute, _ side: PathRoute.Side) throws -> PathTurn
  {
    let operations = kind.operations(options)
    return try route.on(side) { way in
      _ = try run(kind, &way, max(operations / 10, 1))
      // Not allowed everywhere; then others come between.
      pk_undisturbed(1)
      defer { pk_undisturbed(0) }
      return try run(kind, &way, operations)
    }
  }

  private func run(_ kind: PathKind, _ way: inout pk_way, _ operations: Int) throws -> PathTurn {
    let count = Int32(operations)
    if kind == .bulk {
      let nanoseconds = try PathCall.check(pk_bulk(&way, Int64(operations)))
      return PathTurn(latencies: [UInt32(clamping: nanoseconds)], cpu: 0, operations: operations)
    }
    var latencies = [UInt32](repeating: 0, count: operations)
    let cpu =
      switch kind {
      case .connect: pk_connects(&way, &latencies, count)
      case .tcp: pk_exchanges(&way, PK_TCP, &latencies, count)
      case .udp: pk_exchanges(&way, PK_UDP, &latencies, count)
      case .bulk: Int64(0)
      }
    try PathCall.check(cpu)
    return PathTurn(latencies: latencies, cpu: Double(cpu), operations: operations)
  }
}
