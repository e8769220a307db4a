import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What a client sees when it does not get through: guarded addresses, policies, source ranges.
let verdictTests: [KernelTest] = Variant.allCases.flatMap { variant in
  let vip = variant.vip(1)
  let guarded = [vip.address].compactMap { IPAddress($0) }
  return [
    KernelTest("guard_\(variant)_refuses_other_ports_of_a_clusterip") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      let served = try frontend(vip, .tcp, pods.places)
      let dataplane = try sandbox.attach(
        ServiceTable(frontends: [served], guardedAddresses: guarded))
      let other = variant.vip(1, port: 81)
      try checkEqual(try Socket(variant, SK_TCP).connectError(other), refused, "TCP")
      try checkEqual(try Socket(variant, SK_UDP).connectError(other), refused, "UDP connect")
      try checkEqual(try Socket(variant, SK_UDP).sendError("x", to: other), refused, "sendto")
      try checkEqual(try Socket(variant, SK_UDP).sendError("x", to: vip), refused, "other protocol")
      try checkEqual(
        try Socket(variant, SK_TCP).connectError(variant.vip(2)), networkUnreachable,
        "an address that is not guarded")
      _ = try whoAnswers(vip, pods)
      try dataplane.serve([served])
      try checkEqual(
        try Socket(variant, SK_TCP).connectError(other), networkUnreachable, "no guard any more")
    },
    KernelTest("guard_\(variant)_finds_one_of_many") { sandbox in
      let addresses = (1...2000).compactMap { IPAddress(variant.vip($0).address) }
      try sandbox.attach(
        ServiceTable(frontends: [], guardedAddresses: addresses),
        capacities: Capacities(services: 16, frontends: 4096, backends: 64))
      for number in 1...2000 {
        let error = try Socket(variant, SK_UDP).connectError(variant.vip(number))
        try checkEqual(error, refused, "VIP \(number)")
      }
      for number in 2001...2200 {
        let error = try Socket(variant, SK_UDP).connectError(variant.vip(number))
        try checkEqual(error, networkUnreachable, "VIP \(number)")
      }
    },
    KernelTest("guard_\(variant)_is_never_the_unspecified_address") { sandbox in
      // These share their places in the filter with 0.0.0.0 and ::, so that guards are looked at.
      let addresses = ["10.96.221.78", "10.96.220.78"].compactMap { IPAddress($0) }
      for (guarded, unspecified) in zip(addresses, ["0.0.0.0", "::"]) {
        try checkEqual(
          IPAddress(unspecified).map(AddressFilter.hash), AddressFilter.hash(of: guarded),
          "the place of \(unspecified)")
      }
      try sandbox.attach(ServiceTable(frontends: [], guardedAddresses: addresses))
      let nowhere = [Variant.v4: "0.0.0.0", .v6: "::", .mapped: "::ffff:0.0.0.0"][variant] ?? ""
      let place = Place(nowhere, 9)
      try checkEqual(try Socket(variant, SK_UDP).connectError(place), 0, "connect")
      try checkEqual(try Socket(variant, SK_UDP).sendError("x", to: place), 0, "sendto")
    },
    KernelTest("drop_\(variant)_is_no_route_at_once") { sandbox in
      let dataplane = try sandbox.attach([
        try frontend(vip, .tcp, []).with(whenEmpty: .drop),
        try frontend(vip, .udp, []).with(whenEmpty: .drop),
      ])
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), EHOSTUNREACH, "TCP")
      try checkEqual(try Socket(variant, SK_UDP).sendError("x", to: vip), EHOSTUNREACH, "UDP")
      try dataplane.serve([try frontend(vip, .tcp, [])])
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), refused, "no endpoint at all")
    },
    KernelTest("source_ranges_\(variant)_look_at_the_bound_address") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      let range = variant == .v6 ? "fd00::4/126" : "10.0.0.4/30"
      let dataplane = try sandbox.attach([
        try frontend(vip, .tcp, pods.places).with(kind: .loadBalancer, sourceRanges: [range])
      ])
      for number in [4, 5, 7] {
        let client = try Socket(variant, SK_TCP)
        try client.bind(variant.pod(number, port: 0))
        try client.connect(vip)
        _ = try pods.accept()
      }
      for number in [3, 8] {
        let client = try Socket(variant, SK_TCP)
        try client.bind(variant.pod(number, port: 0))
        try checkEqual(client.connectError(vip), EACCES, "from \(number)")
      }
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), EACCES, "source not known")
      var counters = try dataplane.tables.readSnapshot(withCounters: true).counters.values.first
      counters?.backends = [:]
      try checkEqual(
        counters, ServiceCounters(translated: 3, refused: 0, denied: 3), "the counters")
      // Lifted on the live frontend, and put back.
      try dataplane.serve([try frontend(vip, .tcp, pods.places)])
      _ = try whoAnswers(vip, pods)
      try dataplane.serve([
        try frontend(vip, .tcp, pods.places).with(kind: .loadBalancer, sourceRanges: [range])
      ])
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), EACCES, "put back")
    },
    KernelTest("source_ranges_\(variant)_know_what_routing_would_choose") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      // There is no route to the VIP here; to the backend the source is the backend's own.
      let inside = variant == .v6 ? "fd00::1/128" : "10.0.0.1/32"
      let outside = variant == .v6 ? "fd00:1::/32" : "10.9.0.0/16"
      func table(_ range: String) throws -> ServiceTable {
        ServiceTable(frontends: [
          try frontend(vip, .tcp, pods.places).with(kind: .loadBalancer, sourceRanges: [range])
        ])
      }
      let tables = try sandbox.attach(try table(inside)).tables
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), EACCES, "not known yet")
      try check(try tables.refreshSources(for: try table(inside)) ?? 0 > 0, "a namespace is known")
      _ = try whoAnswers(vip, pods)
      try tables.commit(tables.prepare(try table(outside)))
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), EACCES, "outside")
      try checkEqual(try tables.refreshSources(for: ServiceTable()), nil, "nobody asks any more")
    },
    KernelTest("source_ranges_\(variant)_can_let_unknown_sources_through") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      let range = variant == .v6 ? "fd00:1::/32" : "10.9.0.0/16"
      let served = try frontend(vip, .tcp, pods.places)
        .with(kind: .loadBalancer, sourceRanges: [range])
      try sandbox.attach(
        ServiceTable(frontends: [served]),
        settings: KernelTables.Settings(allowsUnknownSource: true))
      _ = try whoAnswers(vip, pods)
      let client = try Socket(variant, SK_TCP)
      try client.bind(variant.pod(3, port: 0))
      try checkEqual(client.connectError(vip), EACCES, "a source that is known")
    },
  ]
}
