import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What a test has for itself: namespaces, addresses, a bpffs, a cgroup, a directory.
///
/// The cgroup and the directory are made and removed by the parent process; all the rest ends
/// with the process that runs the test.
final class Sandbox {
  let directory: String
  let cgroup: String
  let socklb: String

  var pin: String { directory + "/bpf/socklb" }
  var state: String { directory + "/state" }

  static let podCount = 16

  init(directory: String, cgroup: String, socklb: String) {
    self.directory = directory
    self.cgroup = cgroup
    self.socklb = socklb
  }

  /// Makes this process live in the sandbox. Nothing is sent before this has succeeded.
  func enter() throws {
    try CallFailed.check(sk_die_with_parent(), "prctl")
    try CallFailed.check(sk_raise_file_limit(), "RLIMIT_NOFILE")
    try CallFailed.check(sk_new_namespaces(), "entering namespaces of its own")
    try CallFailed.check(sk_loopback_up(), "setting up the loopback interface")
    for variant in [Variant.v4, .v6] {
      for number in 1...Self.podCount {
        let address = variant.pod(number).address
        try CallFailed.check(
          sk_add_address(address, variant == .v4 ? 32 : 128), "adding \(address)")
      }
    }
    for number in 1...Self.podCount { try Self.awaitAddress(Variant.v6.pod(number, port: 0)) }
    try CallFailed.check(mkdir(directory + "/bpf", 0o700) == 0 ? 0 : -errno, "mkdir")
    try CallFailed.check(sk_mount_bpf(directory + "/bpf"), "mounting a bpffs")
    try Self.join(cgroup)
  }

  /// The kernel makes an IPv6 address usable a moment after it was added.
  static func awaitAddress(_ place: Place) throws {
    for _ in 0..<5000 {
      if (try? Socket(.v6, SK_UDP).bind(place)) != nil { return }
      sk_sleep(2)
    }
    throw Failure("\(place.address) did not become usable")
  }

  static func join(_ cgroup: String) throws {
    try Disk.write("\(getpid())\n", to: cgroup + "/cgroup.procs")
  }

  /// A cgroup below the test's own; the parent process removes it.
  func makeCgroup(_ name: String) throws -> String {
    let path = cgroup + "/" + name
    try CallFailed.check(mkdir(path, 0o755) == 0 ? 0 : -errno, "mkdir \(path)")
    return path
  }

  // MARK: The data plane

  static let smallCapacities = Capacities(services: 64, frontends: 256, backends: 1024)

  /// Attaches to the test's cgroup, with these frontends in the table.
  @discardableResult
  func attach(
    _ frontends: [Frontend] = [], capacities: Capacities = smallCapacities,
    to cgroups: [String]? = nil
  ) throws -> Dataplane {
    try attach(ServiceTable(frontends: frontends), capacities: capacities, to: cgroups)
  }

  /// The same with a whole table, and with what attach decides.
  @discardableResult
  func attach(
    _ table: ServiceTable, capacities: Capacities = smallCapacities, to cgroups: [String]? = nil,
    settings: KernelTables.Settings = KernelTables.Settings()
  ) throws -> Dataplane {
    try Dataplane.attach(
      pin: pin,
      cgroups: (cgroups ?? [cgroup]).map { path throws(DataplaneError) in
        try Cgroup(path: path)
      }, capacities: FamilyCapacities(capacities), instance: .random(), settings: settings
    ) { tables throws(DataplaneError) in
      try tables.prepare(table)
    }
  }

  /// What is on the sandbox's bpffs, without what the kernel itself puts there.
  var pins: [String] {
    Disk.list(directory + "/bpf").filter { !$0.hasSuffix(".debug") }
  }

  func detach() throws { _ = try Dataplane.detach(pin: pin) }
}

extension Dataplane {
  /// Makes the kernel serve exactly these frontends.
  func serve(_ frontends: [Frontend]) throws(DataplaneError) {
    try tables.commit(tables.prepare(ServiceTable(frontends: frontends)))
  }

  /// What the kernel counted for a service, all ports and families together.
  func counters(
    of service: String = "test/web", withBackends: Bool = false
  ) throws -> ServiceCounters {
    var sum = ServiceCounters()
    for (name, counters) in try tables.readSnapshot(withCounters: true).counters
    where name.service.description == service {
      sum.translated += counters.translated
      sum.refused += counters.refused
      if withBackends { sum.backends.merge(counters.backends, uniquingKeysWith: +) }
    }
    return sum
  }
}
