import HookKit
import ServiceDataplane
import ServiceMaps

/// socklb's programs with a table of one size, on the clients' cgroup only while they are asked.
///
/// Any program on any cgroup makes the kernel do more for all others, so what is measured without
/// programs is measured while none are attached.
final class PathDataplane {
  private let cgroup: String
  private let tables: KernelTables
  private var programs: [hk_program]
  /// How long the table took, from a computed table to programs that see it.
  let fillNanoseconds: Int64

  init(_ services: PathServices, pin: String, cgroup: String) throws {
    self.cgroup = cgroup
    let table = try PathPlaces.table(services)
    let dataplane = try Dataplane.attach(
      pin: pin, cgroups: [Cgroup(path: cgroup)], capacities: FamilyCapacities(Capacities()),
      instance: .random()
    ) { tables throws(DataplaneError) in
      try tables.prepare(ServiceTable(frontends: []))
    }
    tables = dataplane.tables
    let clock = ContinuousClock()
    let start = clock.now
    try tables.commit(tables.prepare(table))
    fillNanoseconds = Int64((clock.now - start) / .nanoseconds(1))
    var room = [hk_program](repeating: hk_program(), count: 64)
    let count = try Call.check(
      hk_programs_on(cgroup, 0, &room, Int32(room.count)), "asking for the programs on \(cgroup)")
    guard count > 0 else { throw Wrong(what: "no program is attached to \(cgroup)") }
    programs = Array(room.prefix(Int(count)))
    // Maps and programs stay, because they are open here.
    _ = try Dataplane.detach(pin: pin)
    guard try tables.readSnapshot().table == table else {
      throw Wrong(what: "the kernel holds another table of \(services.count) Services")
    }
  }

  deinit { hk_detach(&programs, Int32(programs.count)) }

  func attached<T>(_ body: () throws -> T) throws -> T {
    try Call.check(
      hk_attach(cgroup, &programs, Int32(programs.count)), "attaching to \(cgroup)")
    defer { hk_detach(&programs, Int32(programs.count)) }
    return try body()
  }

  func translated() throws -> UInt64 {
    try tables.readSnapshot(withCounters: true).counters.values.reduce(0) { $0 + $1.translated }
  }
}
