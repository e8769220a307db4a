import ServiceDataplane
import ServiceMaps
import SocketKit

/// Changes of the table, seen through sockets and read back.
let tableTests: [KernelTest] = [Variant.v4, .v6].flatMap { variant in
  let vip = variant.vip(1)
  return [
    KernelTest("table_\(variant)_service_renamed_on_the_same_vip") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...2)
      let (first, second) = (pods.places[0], pods.places[1])
      let dataplane = try sandbox.attach([frontend(vip, .udp, of: "test/old", [first])])
      let client = try Socket(variant, SK_UDP)
      try client.send("x", to: vip)
      try checkEqual(try pods.receive().pod, first, "the backend before")
      try dataplane.serve([frontend(vip, .udp, of: "test/new", [second])])
      try client.send("x", to: vip)
      try checkEqual(try pods.receive().pod, second, "the backend afterwards")
      // A backend that stays, under another service's name.
      try dataplane.serve([frontend(vip, .udp, of: "test/newer", [second])])
      try client.send("x", to: vip)
      try checkEqual(try pods.receive().pod, second, "the backend that stayed")
      try checkEqual(try dataplane.counters(of: "test/newer").translated, 1, "translated")
      try checkEqual(try dataplane.counters(of: "test/old"), ServiceCounters(), "old counters")
    },
    KernelTest("table_\(variant)_vip_moves_from_one_service_to_another") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...2)
      let (first, second) = (pods.places[0], pods.places[1])
      let other = variant.vip(2)
      func reached(_ place: Place) throws -> Place {
        let client = try Socket(variant, SK_UDP)
        try client.send("x", to: place)
        return try pods.receive().pod
      }
      let dataplane = try sandbox.attach([
        frontend(vip, .udp, of: "test/one", [first]),
        frontend(other, .udp, of: "test/two", [second]),
      ])
      try checkEqual([try reached(vip), try reached(other)], [first, second], "before")
      try dataplane.serve([
        frontend(vip, .udp, of: "test/two", [second]),
        frontend(other, .udp, of: "test/one", [first]),
      ])
      try checkEqual([try reached(vip), try reached(other)], [second, first], "swapped")
      try dataplane.serve([frontend(other, .udp, of: "test/one", [first])])
      try checkEqual(try reached(other), first, "the one that stays")
      try checkEqual(
        try Socket(variant, SK_UDP).sendError("x", to: vip), networkUnreachable, "the one that went"
      )
    },
    KernelTest("table_\(variant)_grows_and_shrinks") { sandbox in
      let pods = try AnyPods(variant, count: 64)
      let dataplane = try sandbox.attach()
      var generator = Seeded(seed: 7)
      for step in 0..<60 {
        var frontends: [Frontend] = []
        for service in 0..<generator.next(below: 12) {
          let backends = (0..<generator.next(below: 24)).map { _ in
            pods.place(1 + generator.next(below: 64))
          }
          frontends.append(
            try frontend(variant.vip(1 + service), .udp, of: "test/s\(service)", backends))
        }
        try dataplane.serve(frontends)
        try checkServed(frontends, by: dataplane, pods, "step \(step)")
      }
    },
  ]
}

/// A generator that gives the same numbers each time.
struct Seeded {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next(below limit: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % limit
  }
}

/// The kernel's table is this one, and each frontend leads to one of its backends.
func checkServed(
  _ frontends: [Frontend], by dataplane: Dataplane, _ pods: AnyPods, _ when: String
) throws {
  let snapshot = try dataplane.tables.readSnapshot()
  try check(snapshot.isConsistent, "\(when): the snapshot is not consistent")
  try check(
    snapshot.table == ServiceTable(frontends: frontends), "\(when): the table read back differs")
  for frontend in frontends {
    let vip = Place(frontend.key.address.description, Int(frontend.key.port.number))
    let client = try Socket(pods.variant, SK_UDP)
    let error = client.sendError(frontend.service.description, to: vip)
    if frontend.backends.isEmpty {
      try checkEqual(error, refused, "\(when): sendto \(vip)")
      continue
    }
    try checkEqual(error, 0, "\(when): sendto \(vip)")
    let (pod, text) = try pods.receive()
    try checkEqual(text, frontend.service.description, "\(when): the datagram")
    try check(
      try frontend.backends.contains(backend(pod)), "\(when): \(vip) led to \(pod)")
  }
}
