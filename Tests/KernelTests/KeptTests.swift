import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// A socket stays with its backend as long as that one serves, listed or not.
let keptTests: [KernelTest] =
  [Variant.v4, .v6].flatMap { variant in
    [
      KernelTest("kept_\(variant)_terminating_backend_until_it_stops_serving") { sandbox in
        try staysUntilItStopsServing(
          sandbox, variant, away: (.leaving, ""), others: "", gone: .gone)
      },
      KernelTest("kept_\(variant)_backend_of_another_zone_until_it_stops_serving") { sandbox in
        try staysUntilItStopsServing(
          sandbox, variant, away: (.ready, "forZones: [{name: zone-b}]"),
          others: "forZones: [{name: zone-a}]", gone: .notReady)
      },
    ]
  } + [
    KernelTest("kept_backend_of_another_node_under_traffic_policy_local") { sandbox in
      let pods = try Pods(.v4, SK_UDP, 1...2)
      let vip = Variant.v4.vip(1)
      func service(_ policy: String) -> String {
        Rule.service(
          "web", "clusterIP: \(vip.address), internalTrafficPolicy: \(policy), \(udpPort)")
      }
      try sandbox.attachNode()
      try sandbox.apply(
        service("Cluster")
          + Rule.slice("web", [Rule.endpoint(pods.places[0], on: "node-2")], ports: udpSlicePort))
      let client = try Socket(.v4, SK_UDP)
      try checkEqual(try whoGets(vip, pods, from: client), pods.places[0], "the first backend")
      try sandbox.apply(service("Local"))
      try checkEqual(try whoGets(vip, pods, from: client), pods.places[0], "under Local")
      try checkEqual(
        try Socket(.v4, SK_UDP).sendError("x", to: vip), EHOSTUNREACH, "a new socket")
      try sandbox.apply(
        Rule.slice("web", [Rule.endpoint(pods.places[1])], ports: udpSlicePort))
      try checkEqual(try whoGets(vip, pods, from: client), pods.places[1], "after it has gone")
    },
    KernelTest("kept_ids_survive_killed_writers", inVM: false, timeLimit: 120) { sandbox in
      try idsSurviveKills(sandbox)
    },
    KernelTest("kept_endpoints_are_written_before_lists_and_deleted_after_them") { sandbox in
      try writesInOrder(sandbox)
    },
    KernelTest("choices_of_a_service_reach_the_maps") { sandbox in
      let vip = Variant.v4.vip(1)
      func service(_ annotations: String) -> String {
        Rule.service(
          "web", "clusterIP: \(vip.address), \(udpPort)",
          metadata: "annotations: {\(annotations)}")
      }
      try sandbox.attachNode(["--terminate", "tcp,udp"])
      func raw() throws -> (flags: UInt32, terminate: UInt32?) {
        let tables = try Dataplane(pin: sandbox.pin).tables
        let state = try tables.readStates()[0]
        let services = try MappedArray<svc_service>(
          BPFMap(pinned: sandbox.pin + "/maps/services4"))
        return (
          state.frontends.values.first?.flags ?? 0,
          state.services.keys.first.map { UInt32(services[$0].terminate) }
        )
      }
      let perDatagram = SVC_FRONTEND_PER_DATAGRAM.rawValue
      let (udp, tcp) = (SVC_TERMINATE_UDP.rawValue, SVC_TERMINATE_TCP.rawValue)
      for (annotations, flag, terminate, said) in [
        ("", 0, udp | tcp, " terminate=tcp,udp"),
        ("socklb.io/udp-choice: datagram", perDatagram, udp | tcp, " udp-choice=datagram"),
        ("socklb.io/udp-choice: socket, socklb.io/terminate: none", 0, 0, " terminate=none"),
        ("socklb.io/terminate: tcp", 0, tcp, " terminate=tcp "),
      ] {
        try sandbox.apply(service(annotations))
        let found = try raw()
        try checkEqual(found.flags & perDatagram, flag, "the flag with '\(annotations)'")
        try checkEqual(found.terminate, terminate, "terminate with '\(annotations)'")
        let dump = try sandbox.succeed(["dump"]).output
        try check(dump.contains(said), "'\(said)' is not in \(dump)")
      }
      // Kept, as other options of the node are.
      try sandbox.apply(service(""), ["--terminate", "none"])
      try checkEqual(try raw().terminate, 0, "terminate")
      try sandbox.apply(service(""))
      try checkEqual(try raw().terminate, 0, "terminate")
      let all = try sandbox.succeed(["describe", "service", "shop/web"]).output
      try check(all.contains("Terminate: ") && all.contains("UDP Choice: "), all)
    },
  ]

private let udpPort = "ports: [{name: dns, port: 80, protocol: UDP}]"
private let udpSlicePort = "{name: dns, port: 8080, protocol: UDP}"

/// A socket's backend is dropped from the list, by the state or the hints that it gets while
/// another one is ready, and stops serving after that.
private func staysUntilItStopsServing(
  _ sandbox: Sandbox, _ variant: Variant, away: (state: Rule.State, hints: String),
  others: String, gone: Rule.State
) throws {
  let pods = try Pods(variant, SK_UDP, 1...2)
  let (first, second) = (pods.places[0], pods.places[1])
  let vip = variant.vip(1)
  func slice(_ endpoints: [String]) -> String {
    Rule.slice(
      "web", endpoints, ports: udpSlicePort, family: variant == .v4 ? "IPv4" : "IPv6")
  }
  let families = variant == .v4 ? "IPv4" : "IPv6"
  try sandbox.attachNode(["--node-zone", "zone-a"])
  try sandbox.apply(
    Rule.service(
      "web", "clusterIP: \"\(vip.address)\", ipFamilies: [\(families)], \(udpPort)")
      + slice([Rule.endpoint(first)]))
  let client = try Socket(variant, SK_UDP)
  try checkEqual(try whoGets(vip, pods, from: client), first, "the first backend")

  let ready = Rule.endpoint(second, hints: others)
  let leaving = slice([Rule.endpoint(first, away.state, hints: away.hints), ready])
  let told = try sandbox.run(["diff", "-f", "-"], input: leaving)
  try check(told.output.contains("\nkept") == false && told.code == 1, told.all)
  try check(told.output.contains("sockets that have it stay"), told.all)
  try sandbox.apply(leaving)
  try checkEqual(try whoAnswer(vip, pods, times: 10), [second], "new sockets")
  for _ in 1...3 {
    try checkEqual(try whoGets(vip, pods, from: client), first, "while it serves")
  }
  let kept = try sandbox.succeed(["dump", "backends"]).output
  try check(kept.contains(" shop/web:dns kept\n"), kept)
  try checkEqual(try sandbox.run(["diff", "-f", "-"], input: leaving).code, 0, "diff, applied")
  // Twice is nothing to do, and it comes back as it was.
  let generation = try Dataplane(pin: sandbox.pin).tables.generation
  try sandbox.apply(leaving)
  try checkEqual(
    try Dataplane(pin: sandbox.pin).tables.generation, generation, "the generation")
  try sandbox.apply(slice([Rule.endpoint(first), Rule.endpoint(second)]))
  try checkEqual(try whoGets(vip, pods, from: client), first, "listed again")
  try check(
    try !sandbox.succeed(["dump", "backends"]).output.contains("kept"), "it is listed again")
  try sandbox.apply(leaving)
  try checkEqual(try whoGets(vip, pods, from: client), first, "left out again")

  try sandbox.apply(slice([Rule.endpoint(first, gone, hints: away.hints), ready]))
  try checkEqual(try whoGets(vip, pods, from: client), second, "after it has stopped serving")
  try check(
    try !sandbox.succeed(["dump", "backends"]).output.contains("kept"), "it does not serve")
  try sandbox.apply(leaving)
  try checkEqual(try whoGets(vip, pods, from: client), second, "it does not win sockets back")
}

/// Endpoints leave their lists and return; the writer is killed at any time. Each keeps its id.
private func idsSurviveKills(_ sandbox: Sandbox) throws {
  let pods = try Pods(.v4, SK_UDP, 1...2)
  let count = 300
  func manifest(_ state: Rule.State) -> String {
    (1...count).map { number in
      Rule.slice(
        "s\(number)", [Rule.endpoint(pods.places[0], state), Rule.endpoint(pods.places[1])],
        ports: udpSlicePort)
    }.joined()
  }
  let services = (1...count).map { number in
    Rule.service("s\(number)", "clusterIP: \(Variant.v4.vip(number).address), \(udpPort)")
  }.joined()
  try sandbox.attachNode()
  try sandbox.apply(services + manifest(.ready))
  func state() throws -> FamilyState { try Dataplane(pin: sandbox.pin).tables.readStates()[0] }

  /// Of each endpoint the id and its generation, wherever it is found.
  func ids() throws -> [String: [UInt32]] {
    let state = try state()
    var result: [String: [UInt32]] = [:]
    for record in state.frontends.values {
      for slot in state.slotsOfList(record.list) {
        result["\(record.service) \(slot.backend)"] = [slot.endpoint, slot.generation]
      }
    }
    for (record, id) in state.kept {
      result["\(record.service) \(record.backend)"] = [id, state.endpoints[Int(id)].generation]
    }
    return result
  }
  let before = try ids()
  try checkEqual(before.count, 2 * count, "endpoints")
  // A socket on the endpoint that comes and goes.
  let vip = Variant.v4.vip(count)
  var client = try Socket(.v4, SK_UDP)
  while try whoGets(vip, pods, from: client) != pods.places[0] {
    client = try Socket(.v4, SK_UDP)
  }
  let start = sk_milliseconds()
  try sandbox.apply(manifest(.leaving))
  var time = sk_milliseconds() - start
  try checkEqual(try ids(), before, "ids when all have left")
  try checkEqual(try state().kept.count, count, "kept endpoints")
  var killed = 0
  var partly = 0
  for step in 0..<24 {
    let next = manifest(step % 2 == 0 ? .ready : .leaving)
    let apply = try sandbox.start(["apply", "-f", "-"], input: next)
    // Reading comes first and takes most of the time.
    sk_sleep(Int32(time / 2 + time * step / 40))
    if apply.kill() == 128 + SIGKILL { killed += 1 } else { time -= time / 8 }
    if ![0, count].contains(try state().kept.count) { partly += 1 }
    try checkEqual(try ids(), before, "ids after kill \(step)")
    try checkEqual(try whoGets(vip, pods, from: client), pods.places[0], "after kill \(step)")
    if step % 3 == 2 {
      try sandbox.apply(next)
      try checkEqual(try ids(), before, "ids after the next writer")
      try checkEqual(try state().kept.count, step % 2 == 0 ? 0 : count, "kept endpoints")
    }
  }
  try check(killed >= 8, "only \(killed) of 24 were killed in time")
  print("\(killed) writers killed, \(partly) of them while they wrote kept endpoints")
  // Gone is gone.
  try sandbox.apply(manifest(.gone))
  try checkEqual(try whoGets(vip, pods, from: client), pods.places[1], "after it has gone")
  try checkEqual(try state().kept.count, 0, "kept endpoints")
  try checkEqual(try state().endpoints.count { $0.service != nil }, count, "ids in use")
}

/// The map of kept endpoints refuses every write, as if the writer had been killed there.
private func writesInOrder(_ sandbox: Sandbox) throws {
  let places = (1...2).map { Variant.v4.pod($0) }
  let backends = try places.map(backend)
  func table(_ listed: [Place], kept: [Backend] = []) throws -> ServiceTable {
    let served = try frontend(Variant.v4.vip(1), .udp, listed)
    return ServiceTable(
      frontends: [served],
      keptEndpoints: kept.map { KeptEndpoint(service: served.service, backend: $0) })
  }
  func serve(_ table: ServiceTable, _ dataplane: Dataplane) throws {
    try dataplane.tables.commit(dataplane.tables.prepare(table))
  }
  /// What the maps hold after a change from one table to another that got stuck.
  func stuck(_ before: ServiceTable, _ after: ServiceTable) throws -> FamilyState {
    let dataplane = try sandbox.attach(try table(places))
    try serve(before, dataplane)
    let map = try BPFMap(pinned: sandbox.pin + "/maps/kept4")
    try CallFailed.check(sk_freeze_map(map.descriptor.number), "freezing kept4")
    do {
      try serve(after, dataplane)
      throw Failure("nothing was written to the map of kept endpoints")
    } catch DataplaneError.bpf {}
    let state = try dataplane.tables.readStates()[0]
    try sandbox.detach()
    return state
  }
  func listed(_ state: FamilyState) -> [Backend] {
    state.lists.keys.flatMap { state.slotsOfList($0).map(\.backend) }
  }
  let both = try table(places)
  let one = try table([places[1]], kept: [backends[0]])
  // It leaves the list: not before it is kept.
  try checkEqual(listed(try stuck(both, one)), backends, "the list")
  // It returns: it is listed first.
  let returned = try stuck(one, both)
  try checkEqual(listed(returned), backends, "the list")
  try checkEqual(returned.kept.count, 1, "kept endpoints")
  // It goes: its id is not free while it is found here.
  let gone = try stuck(one, try table([places[1]]))
  try checkEqual(gone.kept.count, 1, "kept endpoints")
  try checkEqual(gone.endpoints.count { $0.service != nil }, 2, "ids in use")
}
