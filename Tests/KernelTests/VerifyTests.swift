import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Damage that is done to the pinned maps is found and mended, and nobody is led astray by that.
let verifyTests: [KernelTest] =
  damages.map { damage in
    KernelTest("verify_mends_\(damage.name)", inVM: damage.inVM) { sandbox in
      try findsAndMends([damage], sandbox)
    }
  } + [
    KernelTest("verify_mends_much_at_once", timeLimit: 120) { sandbox in
      let served = try Served(sandbox)
      try findsAndMends(damages.filter { $0.name != "header" }, sandbox, served)
      try findsAndMends(damages, sandbox, served)
    },
    KernelTest("verify_finds_a_missing_hook_and_does_not_mend_it", inVM: false) { sandbox in
      try sandbox.attachSmall()
      for cgroup in Disk.list(sandbox.pin + "/links") {
        Disk.remove(sandbox.pin + "/links/\(cgroup)/connect4")
      }
      for options in [[], ["--repair"]] {
        let verify = try sandbox.run(["verify"] + options)
        try check(verify.code == 1 && verify.output.contains("connect4 not attached"), verify.all)
      }
    },
    KernelTest("verify_is_right_while_writers_are_at_work", inVM: false, timeLimit: 120) {
      sandbox in
      try sandbox.attachSmall()
      let all = (1...100).map { number in
        Manifest.both("s\(number)", vip: Variant.v4.vip(number), [Variant.v4.pod(number % 16 + 1)])
      }
      for round in 0..<12 {
        let some = all.shuffled().prefix(60).joined()
        let apply = try sandbox.start(["apply", "--prune", "-f", "-"], input: some)
        while apply.ended == nil { try sandbox.checkWhole() }
        try checkEqual(apply.ended, 0, "apply in round \(round)")
      }
    },
  ]

/// One kind of damage to the IPv4 maps.
private struct MapDamage: Sendable {
  var name: String
  /// What `verify` says of it.
  var says: String
  /// Clients of the damaged service are served rightly all the same.
  var isHarmless = false
  var inVM = false
  var body: @Sendable (Maps) throws -> Void
}

/// The pinned maps, and where in them the damaged service is.
private struct Maps {
  let keys: MappedArray<svc_key_bucket>
  let frontends: MappedArray<svc_frontend4>
  let lists: MappedArray<UInt64>
  let slots: MappedArray<svc_slot4>
  let endpoints: MappedArray<svc_endpoint>
  let kept: HashMap<svc_kept4, UInt32>
  let services: MappedArray<svc_service>
  let names: HashMap<svc_names_key, svc_names>
  let policies: MappedArray<svc_policy>
  let guards: MappedArray<svc_guard_bucket4>
  let ranges: HashMap<svc_range4, UInt32>
  let filter: MappedArray<UInt64>
  let header: MappedArray<svc_header>
  let pin: String
  let position: Int
  /// Positions where no key is.
  let free: [Int]
  let index: UInt32
  let otherIndex: UInt32
  let record: FrontendRecord
  let range: SlotRange

  /// Writes an address into the last way of a bucket that is its, or is not.
  func `guard`(_ address: IPAddress, isFound: Bool) {
    let places = GuardTable.buckets(
      of: address, seed: guards.acquire(at: 0), count: guards.count - 1)
    let bucket =
      isFound
      ? places.first
      : (1..<UInt32(guards.count)).first { $0 != places.first && $0 != places.second } ?? 1
    var ways = guards[bucket]
    ways.way.15 = svc_guard4(addr_be: UInt32(truncatingIfNeeded: address.low).bigEndian)
    guards.store(ways, at: bucket)
  }

  init(_ sandbox: Sandbox, _ vip: Place, other: Place) throws {
    pin = sandbox.pin
    func map(_ name: String) throws -> BPFMap { try BPFMap(pinned: sandbox.pin + "/maps/" + name) }
    keys = try MappedArray(map("keys4"))
    frontends = try MappedArray(map("frontends4"))
    lists = try MappedArray(map("lists4"))
    slots = try MappedArray(map("slots4"))
    endpoints = try MappedArray(map("endpoints4"))
    kept = try HashMap(map("kept4"))
    services = try MappedArray(map("services4"))
    names = try HashMap(map("names4"))
    policies = try MappedArray(map("policies4"))
    guards = try MappedArray(map("guards4"))
    ranges = try HashMap(map("ranges4"))
    filter = try MappedArray(map("address_filter"))
    header = try MappedArray(BPFMap(pinned: sandbox.pin + "/header"))
    let state = try Dataplane(pin: sandbox.pin).tables.readStates()[0]
    func find(_ place: Place) throws -> (UInt32, FrontendRecord) {
      guard
        let found = state.frontends.first(where: {
          $0.value.key.address == IPAddress(place.address)
        })
      else { throw Failure("\(place) is not served") }
      return (found.key, found.value)
    }
    (index, record) = try find(vip)
    otherIndex = try find(other).0
    guard let position = state.keys.position(of: record.key, index: index) else {
      throw Failure("no key")
    }
    self.position = position
    free = state.keys.words.indices.filter { state.keys.words[$0] == 0 }
    guard let range = state.lists[record.list] else { throw Failure("no list") }
    self.range = range
  }

  func word(at position: Int) -> UInt64 {
    let (bucket, offset) = KeyTable.place(of: position)
    return keys.acquire(at: bucket, offset: offset)
  }

  func publish(_ word: UInt64, at position: Int) {
    let (bucket, offset) = KeyTable.place(of: position)
    keys.publish(word, at: bucket, offset: offset)
  }

  func change(_ change: (inout svc_frontend4) -> Void) {
    var frontend = frontends[index]
    change(&frontend)
    frontends.store(frontend, at: index)
  }

  func changeSlot(_ change: (inout svc_slot4) -> Void) {
    var slot = slots[range.base]
    change(&slot)
    slots.store(slot, at: range.base)
  }

  func changeEndpoint(_ change: (inout svc_endpoint) -> Void) {
    let id = slots[range.base].endpoint
    var endpoint = endpoints[id]
    change(&endpoint)
    endpoints.store(endpoint, at: id)
  }
}

private let damages: [MapDamage] = [
  MapDamage(name: "a_missing_key", says: "keys4 shop/web:http") {
    $0.publish(0, at: $0.position)
  },
  MapDamage(name: "a_surplus_key", says: "has an entry, should have none", isHarmless: true) {
    maps in
    let record = FrontendRecord(
      key: FrontendKey(address: maps.record.key.address, port: Port(4711)!, transport: .tcp),
      kind: .clusterIP, service: maps.record.service, list: maps.record.list)
    let index = UInt32(maps.frontends.count - 1)
    var state = try Dataplane(pin: maps.pin).tables.readStates()[0]
    guard let position = state.keys.insert(record.key, index: index) else {
      throw Failure("no place for a key")
    }
    maps.frontends.store(WireV4.frontend(record), at: index)
    maps.publish(state.keys.words[position], at: position)
  },
  MapDamage(name: "a_key_that_is_none", says: "keys4 -", isHarmless: true) {
    $0.publish(1 << 63 | 12345 << 24 | UInt64($0.index), at: $0.free[3])
  },
  MapDamage(name: "a_key_to_another_record", says: "frontends4 shop/web:http") {
    $0.publish($0.word(at: $0.position) & ~0xff_ffff | UInt64($0.otherIndex), at: $0.position)
  },
  MapDamage(name: "a_record_without_its_key", says: "frontends4 shop/web:http", inVM: true) {
    $0.change { $0.port_be = 0 }
  },
  MapDamage(name: "a_kind", says: "should have ClusterIP", isHarmless: true) {
    $0.change { $0.flags ^= 7 }
  },
  MapDamage(name: "a_flag", says: "source-ranges") {
    $0.change { $0.flags |= SVC_FRONTEND_SOURCE_RANGES.rawValue }
  },
  MapDamage(name: "a_frontend_of_another_service", says: "shop/web:http", isHarmless: true) {
    $0.change { $0.target ^= 7 << 32 }
  },
  MapDamage(name: "a_frontend_with_another_list", says: "shop/web:http") { maps in
    let other = maps.frontends[maps.otherIndex].target & 0xffff_ffff
    maps.change { $0.target = ($0.target >> 32) << 32 | other }
  },
  MapDamage(name: "a_frontend_without_a_list", says: "list 1073741824") {
    $0.change { $0.target = ($0.target >> 32) << 32 | 1 << 30 }
  },
  MapDamage(name: "a_short_list", says: "lists4 shop/web:http", isHarmless: true) {
    $0.lists.publish(
      SlotRange(base: $0.range.base, count: $0.range.count - 1).word, at: $0.record.list)
  },
  MapDamage(name: "a_list_out_of_the_map", says: "more than there are", inVM: true) {
    $0.lists.publish(SlotRange(base: 1 << 30, count: 5).word, at: $0.record.list)
  },
  MapDamage(name: "a_wrong_backend", says: "lists4 shop/web:http") {
    $0.changeSlot { $0.port_be = UInt16(9).bigEndian }
  },
  MapDamage(name: "a_slot_that_is_none", says: "slots4 shop/web:http") {
    $0.changeSlot { $0.port_be = 0 }
  },
  MapDamage(name: "an_older_slot", says: "endpoints4 shop/web:http", isHarmless: true) {
    $0.changeSlot { $0.generation -= 1 }
  },
  MapDamage(name: "a_wrong_endpoint_id", says: "shop/web:http", isHarmless: true, inVM: true) {
    $0.changeSlot { $0.endpoint += 1 }
  },
  MapDamage(name: "an_endpoint_generation", says: "endpoints4 shop/web:http", isHarmless: true) {
    $0.changeEndpoint { $0.generation += 1 }
  },
  MapDamage(name: "an_endpoint_of_nobody", says: "endpoints4", isHarmless: true) {
    $0.endpoints.store(svc_endpoint(generation: 3, service: 1), at: UInt32($0.endpoints.count - 1))
  },
  MapDamage(name: "a_kept_endpoint_of_nobody", says: "kept4", isHarmless: true) { maps in
    let kept = svc_kept4(service: 0, addr_be: 0x0100_000a, port_be: 7, zero: 0)
    try maps.kept.update(kept, 12)
  },
  MapDamage(name: "a_missing_name", says: "services4 shop/web:http", isHarmless: true) {
    $0.services.store(svc_service(), at: $0.record.service)
  },
  MapDamage(name: "a_name_that_is_none", says: "services4", isHarmless: true) {
    var record = $0.services[$0.record.service]
    record.protocol = 99
    $0.services.store(record, at: $0.record.service)
  },
  MapDamage(name: "a_name_that_goes_on_elsewhere", says: "services4", isHarmless: true) {
    var record = $0.services[$0.record.service]
    record.name_length = 60
    $0.services.store(record, at: $0.record.service)
  },
  MapDamage(name: "a_long_name_of_nobody", says: "names4", isHarmless: true) {
    try $0.names.update(svc_names_key(id: 40), svc_names())
  },
  MapDamage(name: "a_policy", says: "policies4 shop/web:http", isHarmless: true) {
    $0.policies.store(
      svc_policy(affinity_timeout: 9, algorithm: 0, next: 5), at: $0.record.service)
  },
  MapDamage(name: "a_missing_guard", says: "guards4 172.30.0.1", isHarmless: true) {
    for bucket in 1..<UInt32($0.guards.count) { $0.guards.store(svc_guard_bucket4(), at: bucket) }
  },
  MapDamage(name: "a_surplus_guard", says: "guards4", isHarmless: true) {
    $0.guard(IPAddress(v4: 0x0a0a_0a0a), isFound: true)
  },
  MapDamage(name: "a_guard_that_nobody_finds", says: "guards4", isHarmless: true) {
    $0.guard(IPAddress(v4: 0x0a0a_0a0a), isFound: false)
  },
  MapDamage(name: "a_wrong_number_of_guard_buckets", says: "guards4", isHarmless: true) {
    $0.guards.publish(0, at: 0, offset: 8)
  },
  MapDamage(name: "a_source_range_of_nobody", says: "ranges4", isHarmless: true) {
    try $0.ranges.update(svc_range4(prefix_length: 40, frontend: 200, addr_be: 10), 1)
  },
  MapDamage(name: "a_source_range_for_all", says: "ranges4 -", isHarmless: true) {
    try $0.ranges.update(svc_range4(prefix_length: 0, frontend: 0, addr_be: 0), 1)
  },
  MapDamage(name: "missing_filter_bits", says: "address_filter 172.30.0.1") {
    for word in 0..<UInt32($0.filter.count) where $0.filter[word] != 0 {
      // The steady service is not to be harmed.
      let place = AddressFilter.hash(of: $0.record.key.address)
      guard place / 16 == Int(word) else { continue }
      $0.filter.publish($0.filter[word] & ~(15 << UInt64(place % 16 * 4)), at: word)
    }
  },
  MapDamage(name: "surplus_filter_bits", says: "address_filter word 9", isHarmless: true) {
    $0.filter.publish($0.filter[9] | 0b1011, at: 9)
  },
  MapDamage(name: "header", says: "header generation", isHarmless: true, inVM: true) { maps in
    var header = maps.header[0]
    header.generation += 1
    header.grace_pending = 1
    maps.header.store(header, at: 0)
  },
]

/// Does the damage, and has it found and mended, while clients connect to another service, and to
/// the damaged one too if the damage does not keep them away.
private func findsAndMends(
  _ damages: [MapDamage], _ sandbox: Sandbox, _ served: Served? = nil
) throws {
  let served = try served ?? Served(sandbox)
  try sandbox.checkWhole()
  let dump = try sandbox.succeed(["dump", "all", "-o", "json"]).output
  let maps = try Maps(sandbox, served.web, other: Variant.v4.vip(5))
  let clients = try ConnectingClients(
    served, withWeb: damages.allSatisfy(\.isHarmless))
  for damage in damages { try damage.body(maps) }
  let found = try sandbox.run(["verify"])
  try check(found.code == 1, found.all)
  if damages.count == 1 {
    for damage in damages { try check(found.output.contains(damage.says), found.all) }
  }
  let count = found.output.split(separator: "\n").count - 1
  try check(
    found.output.hasSuffix("\(count) difference\(count == 1 ? "" : "s")\n"), found.all)
  let json = try sandbox.run(["verify", "-o", "json"])
  try check(json.code == 1 && json.output.contains("\"repaired\": false"), json.all)
  let mended = try sandbox.run(["verify", "--repair"])
  try check(mended.code == 0 && mended.output.hasSuffix("repaired\n"), mended.all)
  try sandbox.checkWhole()
  try clients.stop()
  try checkEqual(
    try sandbox.succeed(["dump", "all", "-o", "json"]).output.withoutCounters,
    dump.withoutCounters, "the table")
  // What was mended goes on as if nothing had happened.
  let after = try ConnectingClients(served, withWeb: true)
  sk_sleep(50)
  try after.stop()
  let again = try sandbox.succeed(["verify", "--repair"])
  try checkEqual(again.output, "no difference\n", "verify --repair of what is whole")
}

extension String {
  /// Without what clients change.
  fileprivate var withoutCounters: String {
    split(separator: "\n").filter { !$0.contains("translated") }.joined(separator: "\n")
  }
}

/// Two services with pods that listen, and a third one beside them.
private struct Served: @unchecked Sendable {
  let web = Variant.v4.vip(1)
  let steady = Variant.v4.vip(2)
  let webPods: Pods
  let steadyPods: Pods

  init(_ sandbox: Sandbox) throws {
    webPods = try Pods(.v4, SK_TCP, 1...2)
    steadyPods = try Pods(.v4, SK_TCP, 3...4)
    try sandbox.attachSmall()
    try sandbox.apply(
      Manifest.both("web", vip: web, webPods.places)
        + Manifest.both("steady", vip: steady, steadyPods.places)
        + Manifest.both("mail", vip: Variant.v4.vip(5), [Variant.v4.pod(9)], "UDP"))
  }
}

/// Connects to services all the time, and wants to reach their own backends each time.
private final class ConnectingClients {
  private let thread: Background
  private let state = State()

  private final class State: @unchecked Sendable {
    var isStopped = false
    var connects = 0
  }

  init(_ served: Served, withWeb: Bool) throws {
    let state = state
    thread = try Background {
      while !state.isStopped {
        try ConnectingClients.connect(served.steady, served.steadyPods)
        if withWeb { try ConnectingClients.connect(served.web, served.webPods) }
        state.connects += 1
      }
    }
  }

  private static func connect(_ vip: Place, _ pods: Pods) throws {
    let client = try Socket(.v4, SK_TCP)
    try client.closeAtOnce()
    try client.connect(vip)
    _ = try pods.accept()
    try checkEqual(try client.peerName, vip, "getpeername")
  }

  func stop() throws {
    state.isStopped = true
    try thread.join()
    try check(state.connects > 0, "nobody has connected")
  }
}
