import BPFLoader
import CServiceABI
import ServiceDataplane
import ServiceMaps
import SocketKit

// What a command has read of a socket's record may be another socket's a moment later: sockets
// come and go while it works. Nothing of that may touch the other one.

let recordReuseTests: [KernelTest] =
  [
    KernelTest("termination_sweep_leaves_records_that_other_sockets_took_meanwhile") { sandbox in
      let pods = try Pods(.v4, SK_UDP, 1...1)
      let vip = Variant.v4.vip(1)
      let dataplane = try sandbox.attach([try frontend(vip, .udp, pods.places)])
      let records = try FakeRecords(sandbox)
      let first = try Socket(.v4, SK_UDP)
      try first.connect(vip)
      try records.age(first)
      guard let flow = records.record(of: first)?.flow else { throw Failure("no record") }
      records.fill(ways: 1, flow)
      var sockets: [Socket] = []
      var failure: (any Error)?
      let swept = try dataplane.sweepSockets(always: true) {
        // What was found dead has only been closed meanwhile, and others get those records.
        records.releaseFilled()
        do {
          for _ in 0..<2000 {
            let socket = try Socket(.v4, SK_UDP)
            try socket.connect(vip)
            sockets.append(socket)
          }
        } catch { failure = error }
      }
      if let failure { throw failure }
      try checkEqual(swept, 0, "swept")
      for socket in [first] + sockets {
        try checkEqual(try socket.peerName, vip, "getpeername of a socket that lives")
      }
      try checkEqual(records.taken, 2001, "records of 2001 sockets")
      sockets = []
      try checkEqual(records.taken, 1, "records after they were closed")
      withExtendedLifetime((pods, first)) {}
    },
    KernelTest("termination_ends_a_socket_that_took_the_record_of_an_ended_one") { sandbox in
      let pods = try Pods(.v4, SK_UDP, 1...2)
      let vip = Variant.v4.vip(1)
      let dataplane = try sandbox.attach([try frontend(vip, .udp, [pods.places[0]])])
      guard dataplane.terminationWay() == .sockDestroy else { return }
      let records = try FakeRecords(sandbox)
      var first: Socket? = try Socket(.v4, SK_UDP)
      try first?.connect(vip)
      let set = sk_cookie(first?.descriptor ?? -1) % UInt64(SVC_SOCKET_SETS)
      try dataplane.serve([try frontend(vip, .udp, [pods.places[1]])])
      var second: Socket?
      var failure: (any Error)?
      let ended = try dataplane.endLostSockets {
        // Its application hears that it was ended, closes it, and others come.
        first = nil
        do {
          for _ in 0..<200_000 where second == nil {
            let socket = try Socket(.v4, SK_UDP)
            if sk_cookie(socket.descriptor) % UInt64(SVC_SOCKET_SETS) == set { second = socket }
          }
          try second?.connect(vip)
        } catch { failure = error }
      }
      if let failure { throw failure }
      guard let second else { throw Failure("no socket of the same set") }
      try checkEqual(ended.lines.count, 1, "ended")
      try checkEqual(
        (records.record(of: second)?.flow.service ?? 0) & SVC_FLOW_PAST.rawValue, 0,
        "the flow of a socket that is connected")
      try dataplane.serve([try frontend(vip, .udp, [pods.places[0]])])
      try checkEqual(
        try dataplane.endLostSockets().services.values.map(\.udp), [1], "ended of the other one")
      withExtendedLifetime((pods, second)) {}
    },
    KernelTest("termination_says_when_it_cannot_see_the_processes_of_the_node", inVM: false) {
      sandbox in
      // As in a container that has a pid namespace of its own.
      let wrapper = ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc"]
      let vip = Variant.v4.vip(1)
      let places = [1, 2].map { Variant.v4.pod($0) }
      func slice(_ place: Place) -> String { Manifest.slice("web", [place], "UDP") }
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      guard try Dataplane(pin: sandbox.pin).terminationWay() == .sockDestroy else { return }
      try sandbox.succeed(
        ["apply", "-f", "-"], input: Manifest.service("web", vip: vip, "UDP") + slice(places[0]))
      let elsewhere = try inNewNetwork(with: places) {
        let socket = try Socket(.v4, SK_UDP)
        try socket.connect(vip)
        return socket
      }
      let records = try FakeRecords(sandbox)
      try records.age(elsewhere)
      let blind = try sandbox.run(["apply", "-f", "-"], input: slice(places[1]), by: wrapper)
      try checkEqual(blind.code, 0, blind.all)
      try check(blind.errors.contains("1 socket of shop/web still uses a backend"), blind.all)
      try check(blind.errors.contains("does not see all processes"), blind.all)
      let other = try sandbox.succeed(["apply", "-f", "-"], input: slice(places[1]))
      try check(other.output.contains("ended 1 UDP socket of shop/web"), other.all)
      // Nor may it take for dead what it cannot see.
      try elsewhere.connect(vip)
      try records.age(elsewhere)
      guard let flow = records.record(of: elsewhere)?.flow else { throw Failure("no record") }
      records.fill(ways: 1, flow)
      let taken = records.taken
      try checkEqual(
        try sandbox.run(["apply", "-f", "-"], input: slice(places[1]), by: wrapper).code, 0, "apply"
      )
      try checkEqual(records.taken, taken, "records that a command swept that sees nothing")
      try checkEqual(try elsewhere.peerName, vip, "getpeername")
    },
  ]
  + Variant.allCases.map { variant in
    KernelTest("replies_\(variant)_that_come_late_are_of_no_vip_that_came_later") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...3)
      let (first, second) = (variant.vip(1), variant.vip(2))
      let other = try frontend(second, .udp, of: "test/two", pods.places)
      let dataplane = try sandbox.attach([
        try frontend(first, .udp, of: "test/one", [pods.places[0]]), other,
      ])
      for _ in 0..<12 {
        try dataplane.serve([
          try frontend(first, .udp, of: "test/one", [pods.places[0]]), other,
        ])
        let client = try Socket(variant, SK_UDP)
        try client.send("slow", to: first)
        let (_, datagram, pod) = try pods.receive()
        try dataplane.serve([
          try frontend(first, .udp, of: "test/one", [pods.places[1]]), other,
        ])
        try client.send("x", to: first)
        try checkEqual(try pods.echo(), pods.places[1], "where the first VIP leads")
        try checkEqual(try client.receive()?.from, first, "who replied")
        // The one that is left is neither's yet.
        try client.send("y", to: second)
        try checkEqual(try pods.echo(), pods.places[2], "where the second VIP leads")
        try checkEqual(try client.receive()?.from, second, "who replied")
        try pod.send("late", to: datagram.from)
        try checkEqual(try client.receive()?.from, first, "who replied late")
      }
    }
  }
