public import ServiceMaps

/// Keeps the last endpoints of default/kubernetes: an API server that cannot be reached any more may be
/// taken from the list by its own lease, and whoever follows that would cut itself off.
public struct APIServerEndpoints: Sendable {
  /// How many endpoints each of its slices has, by name.
  private var counts: [String: Int] = [:]
  /// What was not let through, until it may be.
  private var withheld: [String: FollowedFiles.Reading] = [:]
  private static let service = NamespacedName(namespace: "default", name: "kubernetes")

  public init() {}

  /// At the start: what is known from before.
  public mutating func adopt(_ object: KubernetesObject, _ name: String) {
    if let count = Self.count(object) { counts[name] = count }
  }

  /// Takes out of `readings` what would leave the API server without any endpoint.
  ///
  /// - Returns: what there is to say about it.
  public mutating func keep(
    _ readings: inout [String: FollowedFiles.Reading], _ files: FollowedFiles
  ) -> [String] {
    if readings.isEmpty { return [] }
    let new = Set(readings.keys)
    readings.merge(withheld) { newer, _ in newer }
    withheld = [:]
    var after = counts
    var concerned: [String] = []
    for (name, reading) in readings {
      switch reading {
      case .gone: if counts[name] != nil { after[name] = nil } else { continue }
      case .unreadable: continue
      case .decoded(let decoded):
        if let object = decoded.objects.first, let count = Self.count(object.object) {
          after[name] = count
        } else if counts[name] != nil, !decoded.hasErrors {
          after[name] = nil
        } else {
          continue
        }
      }
      concerned.append(name)
    }
    if concerned.isEmpty { return [] }
    guard counts.values.contains(where: { $0 > 0 }), !after.values.contains(where: { $0 > 0 })
    else {
      counts = after
      return []
    }
    // With the Service itself they may go.
    let id = ObjectID(kind: .service, name: Self.service)
    if case .gone? = readings[ClusterItem.source(of: id)] {
      counts = after
      return []
    }
    for name in concerned { withheld[name] = readings.removeValue(forKey: name) }
    // Once for each thing that happens.
    if new.isDisjoint(with: concerned) { return [] }
    return [
      "default/kubernetes has no endpoints any more: its last ones stay in force, since they are the "
        + "way to the API server"
    ]
  }

  /// Where the API server listens itself, as far as known objects tell, when one of `hosts` is the
  /// address of its Service: whoever serves that Service must not need it to hear of changes.
  ///
  /// - Returns: the host that is the Service's, and what is behind it.
  public static func behind(
    _ hosts: [String], in known: KnownObjects
  ) -> (service: String, endpoints: [Backend])? {
    let id = ObjectID(kind: .service, name: service)
    guard let addresses = known[id]?.clusterIPs,
      let host = hosts.first(where: { IPAddress($0).map(addresses.contains) ?? false })
    else { return nil }
    var found: Set<Backend> = []
    for object in known.objects.values {
      guard case .endpointSlice(let slice) = object.object, slice.serviceName == service else {
        continue
      }
      for port in slice.ports where port.transport == .tcp {
        for endpoint in slice.endpoints where endpoint.isServing {
          found.insert(Backend(address: endpoint.address, port: port.port))
        }
      }
    }
    return (host, found.sorted())
  }

  static func concerns(_ object: KubernetesObject) -> Bool {
    switch object {
    case .service(let found): found.meta.name == service
    case .endpointSlice(let slice): slice.serviceName == service
    default: false
    }
  }

  private static func count(_ object: KubernetesObject) -> Int? {
    guard case .endpointSlice(let slice) = object, slice.serviceName == service else { return nil }
    return slice.endpoints.lazy.filter { $0.isServing }.count
  }
}

extension KnownObjects {
  /// The part that is about default/kubernetes.
  public var apiServer: KnownObjects {
    var result = KnownObjects()
    var changes: [ObjectID: KnownObject?] = [:]
    for (id, object) in objects where APIServerEndpoints.concerns(object.object) {
      changes[id] = object
    }
    result.follow(changes)
    return result
  }
}
