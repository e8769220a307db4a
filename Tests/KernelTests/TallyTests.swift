import BPFLoader
import CServiceABI
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What each backend was given, counted by real sockets.
let tallyTests: [KernelTest] =
  Variant.allCases.flatMap { variant in
    [
      KernelTest("tallies_\(variant)_are_what_backends_got") { try countsTCP($0, variant) },
      KernelTest("tallies_\(variant)_of_datagrams_of_one_socket") {
        try countsDatagrams($0, variant)
      },
      KernelTest("tallies_\(variant)_of_two_processors_at_once") { try countsAtOnce($0, variant) }
        .alone("two processors have to count at the same time"),
    ]
  } + [
    KernelTest("tallies_have_a_byte_for_each_id_and_stripe", inVM: false) { _ in try hasShape() },
    KernelTest("tallies_go_with_their_endpoint_and_not_to_the_next") { try beginsAnew($0) },
    KernelTest("tallies_of_neighbours_stay_when_an_endpoint_goes") { try keepsNeighbours($0) },
    KernelTest("tallies_of_neighbours_are_counted_while_an_endpoint_goes") {
      try countsBesideChanges($0)
    },
    KernelTest("tallies_that_others_have_handed_out_are_not_cleared") { try leavesOthersAlone($0) },
    KernelTest("tallies_that_cannot_be_kept_are_said_to_be_lost") { try saysWhatIsLost($0) },
    KernelTest("tallies_that_a_killed_writer_left_are_cleared") { try clearsLeftovers($0) },
    KernelTest("tallies_are_not_of_an_endpoint_that_is_gone") { try leavesGoneAlone($0) },
    KernelTest("tallies_are_kept_over_growth_upgrade_and_migration", timeLimit: 120) {
      try keepsOver($0)
    },
    KernelTest("tallies_are_in_dump_describe_and_report") { try shows($0) },
  ]

extension Dataplane {
  /// What a pod was given as a backend of a service.
  fileprivate func given(_ pod: Place, of service: String = "test/web") throws -> UInt64 {
    try counters(of: service, withBackends: true).backends[pod.backend] ?? 0
  }
}

extension Place {
  fileprivate var backend: Backend {
    get throws { try frontend(self, .udp, [self]).backends[0] }
  }
}

/// Where C counts and where Swift reads it, for numbers of processors that this machine has not.
private func hasShape() throws {
  for stripes in [1, 2, 4, 8] as [UInt32] {
    for ids in [1, 63, 64, 65, 1000, 4097] {
      let entries = Int(stripes) * TallyShape.wordsOfStripe(ids)
      try checkEqual(TallyShape.stripes(entries: entries, ids: ids), Int(stripes), "\(ids) ids")
      var taken = Set<[UInt32]>()
      for id in 0..<UInt32(ids) {
        for stripe in 0..<stripes {
          let (word, shift) = (svc_tally_word(id, stripe, stripes), svc_tally_shift(id))
          try check(word < entries, "id \(id) of \(ids) is outside")
          try check(taken.insert([word, shift]).inserted, "id \(id) shares a byte")
          let first = TallyShape.firstID(ofWord: Int(word), stripes: Int(stripes))
          try checkEqual(first + Int(shift / 8), Int(id), "the id of a byte")
        }
      }
    }
  }
}

/// Each connection is counted for the pod that accepted it.
private func countsTCP(_ sandbox: Sandbox, _ variant: Variant) throws {
  let pods = try Pods(variant, SK_TCP, 1...3)
  let vip = variant.vip(1)
  let dataplane = try sandbox.attach([try frontend(vip, .tcp, pods.places)])
  var got: [Place: UInt64] = [:]
  for _ in 0..<300 {
    let client = try Socket(variant, SK_TCP)
    try client.connect(vip)
    got[try pods.accept().pod, default: 0] += 1
  }
  for pod in pods.places { try checkEqual(try dataplane.given(pod), got[pod] ?? 0, "\(pod)") }
}

/// More than a byte holds, all to one backend; and nothing to the one beside it.
private func countsDatagrams(_ sandbox: Sandbox, _ variant: Variant) throws {
  let pods = try Pods(variant, SK_UDP, 1...2)
  let vip = variant.vip(1)
  let dataplane = try sandbox.attach([try frontend(vip, .udp, pods.places)])
  let client = try Socket(variant, SK_UDP)
  try client.send("x", to: vip)
  let pod = try pods.echo()
  for number in 2...1000 as ClosedRange<UInt64> {
    try client.send("x", to: vip)
    _ = try pods.receive()
    // Around each multiple of what a byte gives away.
    if number % 128 < 3 || number % 128 > 125 {
      try checkEqual(try dataplane.given(pod), number, "after \(number) datagrams")
    }
  }
  let other = pods.places.first { $0 != pod } ?? pod
  try checkEqual(try dataplane.given(other), 0, "given to the other one")
  try checkEqual(try dataplane.counters().translated, 1000, "of the service")
}

/// Two threads, many more connects than bytes hold, endpoints whose bytes share words.
private func countsAtOnce(_ sandbox: Sandbox, _ variant: Variant) throws {
  let vips = (1...9).map { variant.vip($0) }
  let frontends = try (0..<9).map {
    try frontend(vips[$0], .udp, of: "test/web\($0)", [variant.pod(1 + $0)])
  }
  let dataplane = try sandbox.attach(frontends)
  let each = 4000
  let threads = try (0..<3).map { number in
    try Background {
      for turn in 0..<each {
        let client = try Socket(variant, SK_UDP)
        // Most to one of them.
        try client.connect(vips[turn % 4 == 0 ? (turn / 4 + number) % 9 : 0])
      }
    }
  }
  for thread in threads { try thread.join() }
  var sum: UInt64 = 0
  for number in 0..<9 {
    let service = "test/web\(number)"
    let counters = try dataplane.counters(of: service)
    let given = try dataplane.given(variant.pod(1 + number), of: service)
    try checkEqual(given, counters.translated, "given to the only backend of \(service)")
    sum += given
  }
  try checkEqual(sum, UInt64(3 * each), "all together")
  try checkEqual(try dataplane.tables.socketUse().talliesLost, 0, "counts that were lost")
}

private func connect(_ times: Int, to vip: Place) throws {
  for _ in 0..<times { try Socket(.v4, SK_UDP).connect(vip) }
}

/// An endpoint id is handed out again, and begins with nothing; the service keeps its sum.
private func beginsAnew(_ sandbox: Sandbox) throws {
  let (vip, other) = (Variant.v4.vip(1), Variant.v4.vip(2))
  let (a, b, c) = (Variant.v4.pod(1), Variant.v4.pod(2), Variant.v4.pod(3))
  let dataplane = try sandbox.attach([try frontend(vip, .udp, [a])])
  try connect(1000, to: vip)
  try checkEqual(try dataplane.given(a), 1000, "given to the first")
  try dataplane.serve([try frontend(vip, .udp, [b])])
  try checkEqual(try dataplane.given(a), 0, "given to one that is gone")
  try checkEqual(try dataplane.given(b), 0, "given to one that has just come")
  try connect(10, to: vip)
  // Ids that were given back are handed out first.
  try dataplane.serve([
    try frontend(vip, .udp, [b]), try frontend(other, .udp, of: "test/other", [c]),
  ])
  try connect(3, to: other)
  try checkEqual(try dataplane.given(c, of: "test/other"), 3, "given to the id's next owner")
  try checkEqual(try dataplane.given(b), 10, "given to the second")
  try dataplane.serve([try frontend(vip, .udp, [a, b])])
  try checkEqual(try dataplane.given(a), 0, "given to the first, which came back")
  try checkEqual(try dataplane.counters().translated, 1010, "of the service")
}

/// Seven bytes of a word are those of others.
private func keepsNeighbours(_ sandbox: Sandbox) throws {
  let vips = (1...16).map { Variant.v4.vip($0) }
  let all = try (0..<16).map {
    try frontend(vips[$0], .udp, of: "test/web\($0)", [Variant.v4.pod(1 + $0)])
  }
  let dataplane = try sandbox.attach(all)
  for (number, vip) in vips.enumerated() { try connect(20 + 30 * number, to: vip) }
  for gone in [3, 8] {
    try dataplane.serve(all.enumerated().filter { $0.offset % gone != 0 }.map(\.element))
    for number in 0..<16 where number % gone != 0 && (gone == 3 || number % 3 != 0) {
      try checkEqual(
        try dataplane.given(Variant.v4.pod(1 + number), of: "test/web\(number)"),
        UInt64(20 + 30 * number), "given to \(number), \(gone)")
    }
  }
}

/// The bytes of ids that are given back are cleared while others in the same words are counted.
private func countsBesideChanges(_ sandbox: Sandbox) throws {
  let steady = try (0..<4).map {
    try frontend(Variant.v4.vip(1 + $0), .udp, of: "test/web\($0)", [Variant.v4.pod(1 + $0)])
  }
  let vips = (0..<4).map { Variant.v4.vip(1 + $0) }
  func all(_ round: Int) throws -> [Frontend] {
    steady + [
      try frontend(
        Variant.v4.vip(9), .udp, of: "test/other",
        (0..<4).map { Variant.v4.pod(10 + $0 + round % 2) })
    ]
  }
  let dataplane = try sandbox.attach(try all(0))
  let thread = try Background {
    for turn in 0..<20_000 { try Socket(.v4, SK_UDP).connect(vips[turn % 4]) }
  }
  for round in 1...60 {
    try connect(10, to: Variant.v4.vip(9))
    try dataplane.serve(all(round))
  }
  try thread.join()
  for number in 0..<4 {
    let service = "test/web\(number)"
    try checkEqual(
      try dataplane.given(Variant.v4.pod(1 + number), of: service), 5000, "given to \(service)")
  }
  try checkEqual(try dataplane.tables.strayTallies(), 0, "free ids with counts")
}

/// Two writers in turn: what one gave back the other has cleared and handed out since.
private func leavesOthersAlone(_ sandbox: Sandbox) throws {
  let vip = Variant.v4.vip(1)
  let pods = (1...4).map { Variant.v4.pod($0) }
  func change(_ backends: [Place]) throws -> TableChange {
    let frontend = try frontend(vip, .udp, backends)
    return TableChange(services: [frontend.service], frontends: [frontend])
  }
  let dataplane = try sandbox.attach([try frontend(vip, .udp, [pods[0]])])
  var first = try ResidentTable(dataplane.tables)
  var second = try ResidentTable(dataplane.tables)
  try connect(300, to: vip)
  try first.change(change([pods[1]]))
  // Finds what the first gave back, and hands it out; and gives back another one.
  try second.change(change([pods[2], pods[3]]))
  try connect(200, to: vip)
  let before = try dataplane.counters(withBackends: true).backends
  try checkEqual(before.values.reduce(0, +), 200, "given to those that serve")
  try first.settle()
  try checkEqual(try dataplane.counters(withBackends: true).backends, before, "after the first")
  try checkEqual(try dataplane.tables.strayTallies(), 0, "free ids with counts")
  try second.settle()
  try checkEqual(try dataplane.counters(withBackends: true).backends, before, "after the second")
}

/// Nobody can make an element: as if the kernel had no memory.
private func saysWhatIsLost(_ sandbox: Sandbox) throws {
  let (vip, beside) = (Variant.v4.vip(1), Variant.v4.vip(2))
  let dataplane = try sandbox.attach([
    try frontend(vip, .udp, [Variant.v4.pod(1)]),
    try frontend(beside, .udp, of: "test/beside", [Variant.v4.pod(2)]),
  ])
  let header = try MappedArray<svc_header>(BPFMap(pinned: sandbox.pin + "/header"))
  let lock = MemoryLayout<svc_header>.offset(of: \.tally_lock) ?? 0
  header.store(UInt32(1), at: 0, offset: lock)
  try connect(1000, to: vip)
  let lost = try dataplane.tables.socketUse().talliesLost
  try check(lost >= 4, "\(lost) times")
  try checkEqual(
    try dataplane.given(Variant.v4.pod(1)) + 128 * lost, 1000, "given, and lost")
  try checkEqual(try dataplane.given(Variant.v4.pod(2), of: "test/beside"), 0, "its neighbour")
  try checkEqual(try dataplane.counters().translated, 1000, "of the service")
  let status = try sandbox.succeed(["status"]).output
  try check(status.contains("\(lost) times"), status)
  header.store(UInt32(0), at: 0, offset: lock)
  try connect(300, to: vip)
  try checkEqual(
    try dataplane.given(Variant.v4.pod(1)) + 128 * lost, 1300, "given, and lost before")
}

/// It gave ids back, and never came to clear what was counted for them.
private func clearsLeftovers(_ sandbox: Sandbox) throws {
  let vip = Variant.v4.vip(1)
  let dataplane = try sandbox.attach([try frontend(vip, .udp, [Variant.v4.pod(1)])])
  try connect(300, to: vip)
  var resident = try ResidentTable(dataplane.tables)
  // No `settle` after it.
  try resident.change(
    TableChange(
      services: [try frontend(vip, .udp, []).service],
      frontends: [try frontend(vip, .udp, [Variant.v4.pod(2)])]))
  try connect(5, to: vip)
  // Somebody else comes, and hands out the id.
  let next = try Dataplane(pin: sandbox.pin)
  try next.serve([try frontend(vip, .udp, [Variant.v4.pod(2), Variant.v4.pod(3)])])
  try checkEqual(try next.given(Variant.v4.pod(3)), 0, "given to one that has just come")
  try checkEqual(try next.given(Variant.v4.pod(2)), 5, "given to the one that stayed")
  try next.serve([try frontend(vip, .udp, [Variant.v4.pod(4), Variant.v4.pod(5)])])
  for pod in [4, 5] {
    try checkEqual(try next.given(Variant.v4.pod(pod)), 0, "given to \(pod)")
  }
  try checkEqual(try next.counters().translated, 305, "of the service")
}

/// A connected socket goes on with a backend that serves no more; its id may be another's.
private func leavesGoneAlone(_ sandbox: Sandbox) throws {
  let vip = Variant.v4.vip(1)
  let pods = try Pods(.v4, SK_UDP, 1...2)
  var first = try frontend(vip, .udp, [pods.places[0]])
  first.termination = []
  let dataplane = try sandbox.attach([first])
  let client = try Socket(.v4, SK_UDP)
  try client.connect(vip)
  var second = try frontend(vip, .udp, [pods.places[1]])
  second.termination = []
  // Twice: the id is handed out again by then.
  try dataplane.serve([second])
  try dataplane.serve([second, try frontend(Variant.v4.vip(2), .udp, of: "test/x", [first.pod])])
  let before = try dataplane.counters(of: "test/x", withBackends: true).backends
  for _ in 0..<10 {
    try client.send("x", to: vip)
    try checkEqual(try pods.receive().pod, pods.places[0], "the backend of a connected socket")
  }
  try checkEqual(
    try dataplane.counters(of: "test/x", withBackends: true).backends, before,
    "given to the next owner")
}

extension Frontend {
  fileprivate var pod: Place { Variant.v4.pod(1) }
}

private func keepsOver(_ sandbox: Sandbox) throws {
  let vip = Variant.v4.vip(1)
  let pods = (1...3).map { Variant.v4.pod($0) }
  let capacities = Capacities(services: 4, frontends: 4, backends: 16)
  var dataplane = try sandbox.attach([try frontend(vip, .udp, pods)], capacities: capacities)
  var expected: UInt64 = 0
  func check(_ what: String) throws {
    try connect(500, to: vip)
    expected += 500
    let counters = try dataplane.counters(withBackends: true)
    try checkEqual(counters.translated, expected, "of the service, \(what)")
    try checkEqual(counters.backends.count, 3, "backends, \(what)")
    try checkEqual(counters.backends.values.reduce(0, +), expected, "of backends, \(what)")
  }
  try check("at first")
  for factor in [2, 8] {
    let before = try dataplane.counters(withBackends: true).backends
    dataplane = try dataplane.grow(
      to: FamilyCapacities(
        Capacities(services: 4 * factor, frontends: 4 * factor, backends: 16 * factor)))
    try checkEqual(
      try dataplane.counters(withBackends: true).backends, before, "right after growth \(factor)")
    try check("after growth \(factor)")
  }
  _ = try dataplane.upgrade(programs: otherBuild())
  try check("after an upgrade")
  let before = try dataplane.counters()
  try migrateAway(sandbox)
  try connect(100, to: vip)
  expected += 100
  _ = try Dataplane.migrate(pin: sandbox.pin)
  dataplane = try Dataplane(pin: sandbox.pin)
  try checkEqual(
    try dataplane.counters().translated, before.translated + 100, "of the service, migrated")
  try check("after a migration there and back")
}

private func shows(_ sandbox: Sandbox) throws {
  let pods = try Pods(.v4, SK_UDP, 1...2)
  let vip = Variant.v4.vip(1)
  try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
  try sandbox.succeed(
    ["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places, "UDP"))
  let client = try Socket(.v4, SK_UDP)
  for _ in 0..<7 { try client.send("x", to: vip) }
  let pod = try pods.receive().pod
  let backend = try pod.backend
  let text = try sandbox.succeed(["dump", "counters"]).output
  let lines = text.split(separator: "\n").filter { $0.contains(" -> ") }
  try checkEqual(lines.count, 2, "lines of backends: \(text)")
  try check(
    lines.contains { $0.contains("-> \(backend) ") && $0.hasSuffix(" translated=7") },
    text)
  let json = try sandbox.succeed(["dump", "counters", "-o", "json"]).output
  try check(json.contains(#""translated":7}"#) && json.contains(#""translated":0}"#), json)
  let described = try sandbox.succeed(["describe", "service", "shop/web"]).output
  try check(described.contains("    \(backend)  7\n"), described)
  try sandbox.succeed(["report", "-o", sandbox.directory + "/report.html"])
  let page = try Disk.read(sandbox.directory + "/report.html")
  try check(
    page.contains(">7 given in all</td>") && page.contains(">0 given in all</td>"),
    "the report says nothing of it")
}
