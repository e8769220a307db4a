import ServiceDataplane
import ServiceMaps
import SocketKit

/// Tables that fill the maps to the last entry, and those that do not fit.
let capacityTests: [KernelTest] = [Variant.v4, .v6].flatMap { variant in
  [
    KernelTest("capacity_\(variant)_refusal_writes_nothing") { sandbox in
      let pods = try AnyPods(variant, count: 64)
      let room = Capacities(services: 8, frontends: 12, backends: 24)
      let before = try services(variant, 1...8, backends: 3, pods)
      let dataplane = try sandbox.attach(before, capacities: room)
      let generation = dataplane.tables.generation
      let tooMany = [
        ("service ports", try services(variant, 1...9, backends: 2, pods)),
        (
          "frontends",
          try (1...13).map { number in
            try frontend(variant.vip(number), .udp, of: "test/one", [pods.place(1)])
          }
        ),
        ("backends", try services(variant, 1...5, backends: 5, pods)),
      ]
      for (what, frontends) in tooMany {
        do {
          try dataplane.serve(frontends)
          throw Failure("a table with too many \(what) was accepted")
        } catch DataplaneError.capacity(let error) {
          try check(
            error.description.contains(what), "the error does not name \(what): \(error)")
        }
        try checkEqual(dataplane.tables.generation, generation, "the generation")
        try checkServed(before, by: dataplane, pods, "after too many \(what)")
      }
    },
    KernelTest("capacity_\(variant)_full_table_replaced_by_other_services") { sandbox in
      let pods = try AnyPods(variant, count: 512)
      let room = Capacities(services: 64, frontends: 64, backends: 192)
      let first = try services(variant, 1...64, backends: 3, pods)
      let dataplane = try sandbox.attach(first, capacities: room)
      try checkServed(first, by: dataplane, pods, "full")
      for (when, numbers) in [("replaced", 65...128), ("replaced again", 1...64)] {
        let next = try services(variant, numbers, backends: 3, pods)
        try dataplane.serve(next)
        try checkServed(next, by: dataplane, pods, when)
      }
    },
    KernelTest("capacity_\(variant)_full_table_renamed_on_the_same_vips") { sandbox in
      let pods = try AnyPods(variant, count: 512)
      let room = Capacities(services: 64, frontends: 64, backends: 192)
      let first = try services(variant, 1...64, backends: 3, pods)
      let dataplane = try sandbox.attach(first, capacities: room)
      let next = try (1...64).map { number in
        try frontend(
          variant.vip(number), .udp, of: "test/renamed-\(number)",
          (1...3).map { pods.place(256 + number * 3 + $0) })
      }
      try dataplane.serve(next)
      try checkServed(next, by: dataplane, pods, "renamed")
    },
    KernelTest("capacity_\(variant)_all_backends_in_one_list_replaced") { sandbox in
      let pods = try AnyPods(variant, count: 512)
      let room = Capacities(services: 4, frontends: 4, backends: 256)
      let first = try frontend(variant.vip(1), .udp, (1...256).map(pods.place))
      let next = try frontend(variant.vip(1), .udp, (257...512).map(pods.place))
      let dataplane = try sandbox.attach([first], capacities: room)
      try dataplane.serve([next])
      try checkServed([next], by: dataplane, pods, "replaced")
    },
    KernelTest("capacity_\(variant)_scattered_slots_are_joined") { sandbox in
      let pods = try AnyPods(variant, count: 2200)
      // Lists of two fill everything but the reserve. Without every other one, half of all is
      // free, but in gaps of two: no single one holds a list that is larger than the reserve.
      let room = Capacities(services: 2048, frontends: 2048, backends: 4096)
      let reserve = room.physicalBackends - room.backends
      let large = 2048
      try check(reserve < large, "the reserve of \(reserve) holds the large list: enlarge it")
      let full = try (1...2048).map { number in
        try frontend(
          variant.vip(number), .udp, of: "test/s\(number)",
          [pods.place(number), pods.place(number + 1)])
      }
      let dataplane = try sandbox.attach(full, capacities: room)
      let half = full.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
      try dataplane.serve(half)
      let client = try Socket(variant, SK_UDP)
      let last = variant.vip(2047)
      try client.send("x", to: last)
      let stays = try pods.receive().pod
      let added = try frontend(
        variant.vip(5000), .udp, of: "test/large", (1...large).map(pods.place))
      try dataplane.serve(half + [added])
      try checkServed(half + [added], by: dataplane, pods, "joined")
      try client.send("x", to: last)
      try checkEqual(try pods.receive().pod, stays, "the backend of a socket whose list was moved")
    },
  ]
}

private func services(
  _ variant: Variant, _ numbers: ClosedRange<Int>, backends: Int, _ pods: AnyPods
) throws -> [Frontend] {
  try numbers.map { number in
    try frontend(
      variant.vip(number), .udp, of: "test/s\(number)",
      (1...backends).map { pods.place(number * backends + $0) })
  }
}
