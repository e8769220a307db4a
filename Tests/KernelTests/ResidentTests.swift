import ServiceDataplane
import ServiceMaps
import SocketKit

/// A process that changes the table again and again, and knows what is in it.
let residentTests: [KernelTest] =
  Variant.allCases.filter { $0 != .mapped }.map { variant in
    KernelTest("resident_\(variant)_changes_are_seen_at_once") { try seesChanges($0, variant) }
  } + [
    KernelTest("resident_follows_other_writers") { try followsOthers($0) },
    KernelTest("resident_waits_for_what_others_took_out_of_use") { try waitsForOthers($0) },
    KernelTest("resident_does_not_write_to_maps_that_were_replaced") { try refusesReplaced($0) },
    KernelTest("resident_mends_what_a_killed_writer_left") { try mends($0) },
    KernelTest("resident_changes_as_random_tables_say", timeLimit: 180) { try followsRandom($0) },
  ]

private func change(_ frontends: [Frontend], removing: [String] = []) -> TableChange {
  TableChange(
    services: Set(frontends.map(\.service)).union(removing.map { serviceName($0) }),
    frontends: frontends)
}

private func serviceName(_ name: String) -> ServicePortName {
  let parts = name.split(separator: "/").map(String.init)
  return ServicePortName(
    service: NamespacedName(namespace: parts[0], name: parts[1]), port: "", transport: .udp)
}

/// Each connect after a change comes to what the change says, without a wait for grace periods.
private func seesChanges(_ sandbox: Sandbox, _ variant: Variant) throws {
  let vip = variant.vip(1)
  let pods = try Pods(variant, SK_UDP, 1...8)
  let dataplane = try sandbox.attach([
    try frontend(vip, .udp, of: "test/web", [variant.pod(1)]),
    try frontend(variant.vip(2), .udp, of: "test/other", [variant.pod(8)]),
  ])
  var resident = try ResidentTable(dataplane.tables)
  for round in 0..<200 {
    let pod = variant.pod(1 + round % 7)
    try resident.change(change([try frontend(vip, .udp, of: "test/web", [pod])]))
    let client = try Socket(variant, SK_UDP)
    try client.send("x", to: vip)
    try checkEqual(try pods.echo(), pod, "round \(round)")
    try checkEqual(try client.receive()?.from, vip, "the source of the reply, round \(round)")
    if round % 50 == 49 { try resident.settle() }
  }
  try resident.change(change([], removing: ["test/web"]))
  let client = try Socket(variant, SK_UDP)
  try check(client.connectError(vip) != 0, "a VIP that is gone can be connected to")
  try client.connect(variant.vip(2))
  try checkEqual(try dataplane.tables.readSnapshot().table, try resident.table(), "the table")
}

private func followsOthers(_ sandbox: Sandbox) throws {
  let variant = Variant.v4
  let dataplane = try sandbox.attach([
    try frontend(variant.vip(1), .udp, of: "test/one", [variant.pod(1)])
  ])
  var resident = try ResidentTable(dataplane.tables)
  try resident.change(
    change([try frontend(variant.vip(2), .udp, of: "test/two", [variant.pod(2)])]))
  // Somebody else takes one away and brings another.
  try dataplane.serve([
    try frontend(variant.vip(2), .udp, of: "test/two", [variant.pod(2), variant.pod(3)]),
    try frontend(variant.vip(3), .udp, of: "test/three", [variant.pod(4)]),
  ])
  try resident.change(
    change([try frontend(variant.vip(4), .udp, of: "test/four", [variant.pod(5)])]))
  let table = try dataplane.tables.readSnapshot().table
  try checkEqual(
    table.frontends.map(\.service.service.name).sorted(), ["four", "three", "two"], "services")
  try checkEqual(table, try resident.table(), "the table")
}

/// Whoever reads the table finds as free what a writer before has just taken out of use.
private func waitsForOthers(_ sandbox: Sandbox) throws {
  let variant = Variant.v4
  let dataplane = try sandbox.attach([
    try frontend(variant.vip(1), .udp, of: "test/one", [variant.pod(1), variant.pod(2)])
  ])
  func isPending() throws -> Bool { try dataplane.tables.readImage().maps.isGracePending }
  var first = try ResidentTable(dataplane.tables)
  try first.change(
    change([try frontend(variant.vip(1), .udp, of: "test/one", [variant.pod(1)])]))
  try check(try isPending(), "a change that takes slots out of use leaves no word of it")
  // As after a crash: another process, which frees nothing itself.
  var second = try ResidentTable(dataplane.tables)
  try second.change(
    change([try frontend(variant.vip(2), .udp, of: "test/two", [variant.pod(3)])]))
  try check(try !isPending(), "it did not wait for programs that may see what is free now")
  // The first one reads the table again; then it is its own change that it has to wait for.
  try first.change(
    change([try frontend(variant.vip(2), .udp, of: "test/two", [variant.pod(4)])]))
  try check(try isPending(), "the second change")
  try first.settle()
  try check(try !isPending(), "settled")
}

private func refusesReplaced(_ sandbox: Sandbox) throws {
  let variant = Variant.v4
  let dataplane = try sandbox.attach([
    try frontend(variant.vip(1), .udp, of: "test/one", [variant.pod(1)])
  ])
  var resident = try ResidentTable(dataplane.tables)
  let room = dataplane.tables.capacities
  let grown = try dataplane.grow(to: room.doubled([.v4, .v6], within: Capacities()))
  let two = change([try frontend(variant.vip(2), .udp, of: "test/two", [variant.pod(2)])])
  do {
    try resident.change(two)
    throw Failure("it wrote to maps that no program reads")
  } catch let error as DataplaneError {
    try check("\(error)".contains("larger"), "\(error)")
  }
  var another = try ResidentTable(grown.tables)
  try another.change(two)
  try Socket(variant, SK_UDP).connect(variant.vip(2))
}

private func mends(_ sandbox: Sandbox) throws {
  let variant = Variant.v4
  let dataplane = try sandbox.attach([
    try frontend(variant.vip(1), .udp, of: "test/one", [variant.pod(1)])
  ])
  let one = try dataplane.tables.readSnapshot().table
  let two = change([try frontend(variant.vip(2), .udp, of: "test/two", [variant.pod(2)])])
  dataplane.tables.markUnfinished()
  var resident = try ResidentTable(dataplane.tables)
  do {
    try resident.change(two)
    throw Failure("a table that a killed writer left counts as whole")
  } catch let error as DataplaneError {
    try check("\(error)".contains("killed"), "\(error)")
  }
  try check(dataplane.tables.isUnfinished, "a change that was refused made it whole")
  try resident.serve(one.changed(by: two))
  try check(!dataplane.tables.isUnfinished, "the table is still said to be half written")
  try checkEqual(try dataplane.tables.readSnapshot().table, try resident.table(), "the table")
  try checkEqual(try resident.table(), one.changed(by: two), "the table")
}

/// Whatever is changed in whatever order, the maps hold what a reader of all of them expects, and
/// `verify` finds no drift.
private func followsRandom(_ sandbox: Sandbox) throws {
  let variant = Variant.v4
  let dataplane = try sandbox.attach([])
  var resident = try ResidentTable(dataplane.tables)
  var table = ServiceTable()
  var random = SystemRandomNumberGenerator()
  for round in 0..<300 {
    var frontends = table.frontends
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let number = Int.random(in: 1...30, using: &random)
      frontends.removeAll { $0.service == serviceName("test/s\(number)") }
      guard Int.random(in: 0..<4, using: &random) > 0 else { continue }
      let pods = Set(
        (0..<Int.random(in: 0...20, using: &random)).map { _ in
          Int.random(in: 1...200, using: &random)
        })
      frontends.append(
        try frontend(
          variant.vip(number), .udp, of: "test/s\(number)", pods.sorted().map { variant.pod($0) }))
    }
    let guards = Set(frontends.map(\.key.address)).filter { $0.low % 3 == 0 }
    let next = ServiceTable(frontends: frontends, guardedAddresses: Array(guards))
    try resident.change(TableChange(from: table, to: next))
    table = next
    try checkEqual(try dataplane.tables.readSnapshot().table, table, "round \(round)")
    if round % 30 == 0 {
      try resident.settle()
      let drift = MapCheck.drift(of: try dataplane.tables.readImage().maps, from: table)
      try check(drift.isEmpty, "drift in round \(round): \(drift)")
    }
  }
}
