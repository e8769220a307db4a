import Glibc
import PathKit

/// Who translates.
enum PathWay: String, CaseIterable {
  case socklb, iptables, nft

  var rules: RuleSet? {
    switch self {
    case .socklb: nil
    case .iptables: .iptables
    case .nft: .nft
    }
  }
}

/// A VIP that is asked through one way, and its pods, asked directly in turns with it.
final class PathRoute {
  let way: PathWay
  let services: PathServices
  let service: Int
  private let network: PathNetwork
  /// A network without rules, for what goes to the pods directly.
  private let bare: PathNetwork
  private let dataplane: PathDataplane?
  private var vip = pk_way()
  private var pods = pk_way()

  enum Side: CaseIterable {
    case vip, direct
  }

  /// - Parameter number: of this route, so that it has pods' ports of its own.
  init(
    _ way: PathWay, _ services: PathServices, asking service: Int, number: Int,
    in network: PathNetwork, bare: PathNetwork, _ dataplane: PathDataplane?
  ) {
    (self.way, self.services, self.service) = (way, services, service)
    (self.network, self.bare, self.dataplane) = (network, bare, dataplane)
    let (tcp, udp) = (Int32(PathPlaces.podPort), Int32(PathPlaces.podPort + 1 + number))
    vip.to = PathPlaces.vip(service)
    vip.to_count = 1
    vip.port = (Int32(PathPlaces.port), Int32(PathPlaces.port))
    vip.pod_port = (tcp, tcp)
    pods.to = PathPlaces.pods(service)
    pods.to_count = Int32(PathServices.pods)
    pods.port = (tcp, udp)
    pods.pod_port = (tcp, udp)
    for side in [\PathRoute.vip, \.pods] {
      self[keyPath: side].pods = PathPlaces.pods(service)
      self[keyPath: side].client = PathPlaces.client
    }
    vip.listener = network.listener
    pods.listener = bare.listener
  }

  /// In the pods' cgroup.
  func serveDatagrams() throws {
    try network.pods.inside { try PathCall.check(pk_serve_datagrams(&vip)) }
    try bare.pods.inside { try PathCall.check(pk_serve_datagrams(&pods)) }
  }

  var name: String { "\(way.rawValue), \(services.count)" + (isLast ? ", last" : "") }
  var isLast: Bool { service == services.last && services.count > 1 }

  // MARK: Turns

  /// Does something from the client's namespace, and through its programs if it has any.
  func on<T>(_ side: Side, _ body: (inout pk_way) throws -> T) throws -> T {
    do {
      switch side {
      case .direct: return try bare.client.inside { try body(&pods) }
      case .vip:
        return try network.client.inside {
          guard let dataplane else { return try body(&vip) }
          return try dataplane.attached { try body(&vip) }
        }
      }
    } catch let error as Wrong {
      throw Wrong(what: "\(name), \(side): \(error.what)")
    }
  }

  /// What is remembered of connections that are gone makes the next ones slower.
  func forgetConnections() throws {
    guard way != .socklb else { return }
    try network.client.inside {
      try Call.check(pk_flush_conntrack(), "emptying conntrack")
    }
  }

  // MARK: Does it go where it should?

  /// 64 connections by each side: C looks at both ends of each; here, that all pods had some, and
  /// that it was the translator that was to be measured and none besides.
  func proveItself() throws {
    let times = 64
    for side in Side.allCases {
      let before = try dataplane?.translated() ?? 0
      let remembered = try on(side) { way in
        var latencies = [UInt32](repeating: 0, count: times)
        try PathCall.check(pk_connects(&way, &latencies, Int32(times)))
        guard pk_answering(&way) > PathServices.pods / 2 else {
          throw Wrong(what: "only \(pk_answering(&way)) pods had connections")
        }
        return try Call.check(pk_conntrack_count(), "asking what conntrack remembers")
      }
      let translated = try dataplane.map { try $0.translated() - before } ?? 0
      let hasRules = side == .vip && way != .socklb
      guard translated == (side == .vip && way == .socklb ? times : 0) else {
        throw Wrong(what: "\(name), \(side): socklb counted \(translated) translations")
      }
      guard hasRules ? remembered >= times : remembered == 0 else {
        throw Wrong(what: "\(name), \(side): conntrack remembers \(remembered) connections")
      }
    }
    try forgetConnections()
  }

  /// Opens what is kept.
  func keep() throws {
    for side in Side.allCases { _ = try on(side) { try PathCall.check(pk_keep(&$0)) } }
  }
}
