public import ServiceMaps
import BPFLoader
import CServiceABI

extension Dataplane {
  /// The name that a canary has in the table, while there is one.
  public static let canaryService = NamespacedName(namespace: "socklb-doctor", name: "canary")

  /// What came of a canary below one cgroup.
  public struct CanaryResult: Sendable {
    public var cgroup: String
    /// nil: it could not be tried.
    public var outcome: CanaryOutcome?
    public var obstacle: String?
  }

  /// Puts a frontend on a loopback address into the table, has a child in a scratch cgroup below
  /// each of `cgroups` use it, and takes it out again.
  ///
  /// Whoever looks at the table meanwhile may see it: a moment, and with the name `canaryService`.
  /// When this process is killed, the next writer takes it out, because every writer writes the
  /// whole table. Nobody listens at the frontend, and it is this host's own, so what a missing hook
  /// leaves as it is goes nowhere.
  ///
  /// Only for whoever holds the lock.
  public func runCanary(below cgroups: [String]) throws(DataplaneError) -> [CanaryResult] {
    let before = try tables.readSnapshot()
    guard before.isConsistent, !tables.isUnfinished else {
      throw .refused(
        "a writer was killed at work", remedy: "the next `socklb apply` finishes what it began")
    }
    let taken = Set(before.table.frontends.map(\.key.port))
    let table = Self.withoutCanary(before.table)
    let v4 = try Self.canaryPlace("127.255.255.254", "127.255.255.253", notAt: taken)
    // Without IPv6 on the loopback interface only IPv4 is tried.
    let v6 = try? Self.canaryPlace("::1", "::1", notAt: taken)
    let frontends = [v4, v6].compactMap { $0 }.flatMap(Self.frontends)
    let all = ServiceTable(
      frontends: table.frontends + frontends, guardedAddresses: table.guardedAddresses,
      keptEndpoints: table.keptEndpoints)
    let results: [CanaryResult]
    do {
      try tables.commit(tables.prepare(all))
      results = cgroups.map { run(below: $0, v4, v6) }
    } catch {
      try? tables.commit(tables.prepare(table))
      throw error
    }
    try tables.commit(tables.prepare(table))
    return results
  }

  /// What a doctor that was killed has left is not to be put back.
  private static func withoutCanary(_ table: ServiceTable) -> ServiceTable {
    ServiceTable(
      frontends: table.frontends.filter { $0.service.service != canaryService },
      guardedAddresses: table.guardedAddresses,
      keptEndpoints: table.keptEndpoints.filter { $0.service.service != canaryService })
  }

  private static func frontends(_ place: CanaryPlace) -> [Frontend] {
    guard let port = place.port, let backendPort = place.backendPort else { return [] }
    return [TransportProtocol.tcp, .udp].map { transport in
      Frontend(
        key: FrontendKey(address: place.vip, port: port, transport: transport), kind: .clusterIP,
        service: ServicePortName(service: canaryService, port: "", transport: transport),
        termination: [], backends: [Backend(address: place.backend, port: backendPort)])
    }
  }

  /// A port that nobody serves: above those that the kernel gives to clients by default, because a
  /// server answers them there, and ::1 is the same address in every network namespace.
  private static func canaryPlace(
    _ vip: String, _ backend: String, notAt taken: Set<Port>
  ) throws(DataplaneError) -> CanaryPlace? {
    guard let vip = IPAddress(vip), let backend = IPAddress(backend) else { return nil }
    for _ in 0..<100 {
      guard let port = Port(Int.random(in: 61_000...65_000)), !taken.contains(port) else {
        continue
      }
      if let place = try CanaryPlace(vip: vip, backend: backend, port: port) { return place }
    }
    throw .refused(
      "no port of \(vip) is free for a canary", remedy: "run `socklb doctor` again")
  }

  // MARK: One cgroup

  private func run(below cgroup: String, _ v4: CanaryPlace?, _ v6: CanaryPlace?) -> CanaryResult {
    do {
      let scratch = try ScratchCgroup(below: cgroup)
      defer { scratch.remove() }
      let child = try CanaryChild(cgroup: scratch.path, v4: v4, v6: v6)
      let (results, cookies) = try child.report()
      let known = hasRecord(cookies)
      try child.closeSockets()
      let release: CanaryOutcome.Release =
        !known ? .untested : hasRecord(cookies) ? .remains : .works
      child.end()
      return CanaryResult(
        cgroup: cgroup, outcome: CanaryOutcome(results: results, release: release), obstacle: nil)
    } catch {
      return CanaryResult(cgroup: cgroup, outcome: nil, obstacle: "\(error)")
    }
  }

  /// A socket of a full set has none, and is remembered in its own memory.
  private func hasRecord(_ cookies: Set<UInt64>) -> Bool {
    tables.sockets.all().contains { cookies.contains($0.socket.cookie) }
  }
}

/// A cgroup for one process, removed when it has ended.
private struct ScratchCgroup {
  let path: String
  private static let prefix = "socklb-doctor-"

  /// - Throws: when it cannot be made. What a killed doctor left is removed, if nobody is in it.
  init(below cgroup: String) throws(DataplaneError) {
    for name in try Files.list(cgroup) where name.hasPrefix(Self.prefix) {
      try? Files.removeDirectory(cgroup + "/" + name)
    }
    path = cgroup + "/" + Self.prefix + "\(Files.ownProcessID)"
    try Files.makeDirectories(path)
  }

  /// A cgroup is busy until the kernel has buried the last process.
  func remove() {
    for _ in 0..<200 {
      if (try? Files.removeDirectory(path)) != nil { return }
      Files.sleep(milliseconds: 5)
    }
  }
}
