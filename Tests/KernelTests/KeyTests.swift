import BPFLoader
import CServiceABI
import ServiceDataplane
import ServiceMaps
import SocketKit

/// How programs find a frontend by its key, where that is not simple.
let keyTests: [KernelTest] = [Variant.v4, .v6, .mapped].flatMap { variant in
  [
    KernelTest("keys_\(variant)_in_either_bucket_are_found") { sandbox in
      try findsAll(variant, sandbox)
    },
    KernelTest("keys_\(variant)_that_crowd_together_make_the_maps_grow") { sandbox in
      try growsWhenCrowded(variant, sandbox)
    },
    KernelTest("keys_\(variant)_with_one_hash_are_told_apart") { sandbox in
      try tellsApart(variant, sandbox)
    },
  ]
}

private func served(_ variant: Variant, _ ports: [Int]) throws -> [Frontend] {
  try ports.map {
    try frontend(
      variant.vip(1, port: $0), .udp, of: "test/s\($0)", [variant.pod(1 + $0 % 16)])
  }
}

private func check(_ variant: Variant, _ ports: [Int], _ what: String) throws {
  for port in ports {
    let socket = try Socket(variant, SK_UDP)
    try socket.connect(variant.vip(1, port: port))
    // A socket that connects to an address of its own host has that address.
    try checkEqual(
      try socket.ownName.address, variant.pod(1 + port % 16).address, "port \(port), \(what)")
    try checkEqual(try socket.peerName, variant.vip(1, port: port), "getpeername, \(what)")
  }
}

/// Eight with one first bucket, which takes no more than six while others have room.
private func findsAll(_ variant: Variant, _ sandbox: Sandbox) throws {
  let dataplane = try sandbox.attach(
    served(variant, [1000]), capacities: Capacities(services: 64, frontends: 64, backends: 64))
  let family = variant == .v6 ? 1 : 0
  let keys = try dataplane.tables.readStates()[family].keys
  var ports: [Int] = []
  var bucket: ArraySlice<Int>?
  for port in 1001..<60_000 where ports.count < 8 {
    guard let key = try served(variant, [port]).first?.key else { continue }
    let ways = keys.ways(for: key)
    guard ways.count == 16, bucket == nil || bucket == ways.prefix(8) else { continue }
    // Of the key that is there already it takes no way.
    guard ways.allSatisfy({ keys.words[$0] == 0 }) else { continue }
    bucket = ways.prefix(8)
    ports.append(port)
  }
  try checkEqual(ports.count, 8, "ports")
  try dataplane.serve(served(variant, ports))
  let state = try dataplane.tables.readStates()[family]
  try checkEqual(state.frontends.count, ports.count, "frontends")
  let second = state.frontends.count { index, record in
    guard let position = state.keys.position(of: record.key, index: index) else { return false }
    return !state.keys.ways(for: record.key).prefix(8).contains(position)
  }
  try checkEqual(second, 2, "keys in their second bucket")
  try check(variant, ports, "\(second) in their second bucket")
  try checkEqual(
    try connectError(variant, SK_UDP, variant.vip(1, port: 1000)), networkUnreachable,
    "connecting to no service")
}

/// Whoever knew the seed could choose keys that have no room.
private func growsWhenCrowded(_ variant: Variant, _ sandbox: Sandbox) throws {
  let dataplane = try sandbox.attach(
    served(variant, [1000]), capacities: Capacities(services: 64, frontends: 64, backends: 64))
  let keys = try dataplane.tables.readStates()[variant == .v6 ? 1 : 0].keys
  // Nine that all belong into the same bucket, and nowhere else.
  var ports: [Int] = []
  var crowds: [Int: [Int]] = [:]
  for port in 1001..<60_000 where ports.count < 9 {
    guard let key = try served(variant, [port]).first?.key else { continue }
    let ways = keys.ways(for: key)
    if ways.count != 8 { continue }
    crowds[ways[0], default: []].append(port)
    ports = crowds[ways[0], default: []]
  }
  try checkEqual(ports.count, 9, "ports")
  let table = ServiceTable(frontends: try served(variant, ports))
  let limits = Capacities(services: 128, frontends: 128, backends: 128)
  let (preparation, larger, hasGrown) = try dataplane.prepare(table, within: limits)
  try check(hasGrown, "the maps were not grown")
  try larger.tables.commit(preparation)
  try check(variant, ports, "after the growth")
}

/// The words of two keys may have the same hash; which key it is, is in the frontend.
private func tellsApart(_ variant: Variant, _ sandbox: Sandbox) throws {
  let dataplane = try sandbox.attach(
    served(variant, [1000, 1001]),
    capacities: Capacities(services: 64, frontends: 64, backends: 64))
  let family = variant == .v6 ? 1 : 0
  let state = try dataplane.tables.readStates()[family]
  func find(_ port: Int) throws -> (index: UInt32, position: Int) {
    guard
      let found = state.frontends.first(where: { $0.value.key.port.number == UInt16(port) }),
      let position = state.keys.position(of: found.value.key, index: found.key)
    else { throw Failure("port \(port) is not served") }
    return (found.key, position)
  }
  let map = try MappedArray<svc_key_bucket>(
    BPFMap(pinned: sandbox.pin + "/maps/keys" + (family == 1 ? "6" : "4")))
  func publish(_ word: UInt64, at position: Int) {
    let (bucket, offset) = KeyTable.place(of: position)
    map.publish(word, at: bucket, offset: offset)
  }
  let (one, other) = (try find(1000), try find(1001))
  let word = state.keys.words[one.position]
  guard let key = state.frontends[one.index]?.key else { throw Failure("no record") }
  let ways = state.keys.ways(for: key)
  guard let last = ways.last(where: { state.keys.words[$0] == 0 }) else { throw Failure("full") }
  // What a program meets first leads to the other frontend.
  publish(word, at: last)
  publish(word & ~0xff_ffff | UInt64(other.index), at: one.position)
  try check(variant, [1000, 1001], "behind a word with the same hash")
  publish(0, at: last)
  try checkEqual(
    try connectError(variant, SK_UDP, variant.vip(1, port: 1000)), networkUnreachable,
    "connecting where the key is gone")
  try check(variant, [1001], "after that")
}
