import Glibc
import ServiceMaps
import SocketKit

// UDP sockets that name the service with every datagram: whose endpoint they use, and whom they
// hear. In Cilium any change of endpoints moved most of them (cilium#11301).

let flowTests: [KernelTest] =
  Variant.allCases.flatMap { scaling($0) } + Variant.allCases.flatMap { replies($0) }
  + longLived + affinityInPods

private func scaling(_ variant: Variant) -> [KernelTest] {
  let web = Complaint(variant: variant, name: "quic", number: 43)
  return [
    e2e("cilium_11301_\(variant)_quic_clients_stay_through_scaling_10_to_9_to_10") { cluster in
      let client = try cluster.livingPod("client")
      let pods = try (0..<10).map { try cluster.pod("pod\($0)", tcp: [], udp: [53]) }
      try cluster.apply(web.service, web.slice(pods))
      let sockets = try (0..<200).map { _ in try client.socket(variant, SK_UDP) }
      /// Which pod each of them reaches.
      func reached() throws -> [String] {
        for socket in sockets { try socket.send("who", to: web.vip) }
        return try sockets.map { socket in
          guard let reply = try cluster.reply(to: socket) else { throw Failure("no reply") }
          try checkEqual(reply.from, web.vip, "where a reply came from")
          return reply.pod
        }
      }
      let first = try reached()
      let gone = pods[3]
      let onGone = first.count { $0 == gone.name }
      try check(onGone > 0, "no socket uses \(gone.name)")
      try checkEqual(try reached(), first, "without a change")
      let asked = gone.asked
      try cluster.apply(web.slice(pods.filter { $0 !== gone }))
      let second = try reached()
      for (before, after) in zip(first, second) {
        if before == gone.name {
          try check(after != gone.name, "a socket still reaches the pod that is gone")
        } else {
          try checkEqual(after, before, "a socket on a surviving backend")
        }
      }
      try checkEqual(try reached(), second, "after they have moved")
      try checkEqual(gone.asked, asked, "datagrams to the pod that is gone")
      try cluster.apply(web.slice(pods))
      try checkEqual(try reached(), second, "after the tenth has come back")
      // Another tenth, and nine others in its place.
      let tenth = try cluster.pod("tenth", tcp: [], udp: [53])
      try cluster.apply(web.slice(pods.filter { $0 !== gone } + [tenth]))
      try checkEqual(try reached(), second, "with another tenth")
    },
    // Still serving for the service is what counts, not being in the list for new clients.
    e2e("cilium_11301_\(variant)_sockets_stay_when_a_topology_rule_drops_their_backend") {
      cluster in
      try cluster.sandbox.succeed(["detach"])
      try cluster.attach(options: ["--node-zone", "a"])
      let client = try cluster.livingPod("client")
      let (near, far) = (
        try cluster.pod("near", tcp: [], udp: [53]), try cluster.pod("far", tcp: [], udp: [53])
      )
      let service = Kube.service(
        "quic", variant == .v6 ? "fd00:172:30::43" : "172.30.0.43",
        ports: ["{name: dns, port: 53, protocol: UDP}"],
        spec: [
          "ipFamilies: [\(variant == .v6 ? "IPv6" : "IPv4")]", "trafficDistribution: PreferClose",
        ])
      func slice(_ pods: [ClusterPod], _ zones: [String: String]) -> String {
        Kube.slice(
          "quic", pods, ports: ["{name: dns, port: 53, protocol: UDP}"],
          family: variant == .v6 ? "IPv6" : "IPv4", zones: zones)
      }
      try cluster.apply(service, slice([far], [:]))
      let (sender, connected) = (
        try client.socket(variant, SK_UDP), try client.socket(variant, SK_UDP)
      )
      try connected.connect(web.vip)
      func expect(_ pod: String, _ what: String) throws {
        try checkEqual(
          try cluster.ask(with: sender, to: web.vip, isConnected: false, what), pod, what)
        try connected.checkAlive(web.vip, what)
        try checkEqual(
          try cluster.ask(with: connected, to: web.vip, isConnected: true, what), pod, what)
      }
      try expect("far", "at first")
      try cluster.apply(slice([near, far], ["near": "a", "far": "b"]))
      let fresh = try client.socket(variant, SK_UDP)
      try checkEqual(
        try cluster.ask(with: fresh, to: web.vip, isConnected: false, "fresh"), "near", "a new one")
      try expect("far", "with hints for the zones")
      try cluster.apply(slice([near], ["near": "a"]))
      try checkEqual(
        try cluster.ask(with: sender, to: web.vip, isConnected: false, "gone"), "near", "gone")
      try connected.checkEnded("its backend is gone")
    },
  ]
}

private func replies(_ variant: Variant) -> [KernelTest] {
  let vips = (1...4).map { variant.vip($0) }
  return [
    KernelTest("replies_\(variant)_show_the_right_one_of_several_vips_with_the_same_backends") {
      sandbox in
      let pods = try Pods(variant, SK_UDP, 1...5)
      func frontends(_ places: [Place]) throws -> [Frontend] {
        try vips.enumerated().map { try frontend($1, .udp, of: "test/s\($0)", places) }
      }
      let dataplane = try sandbox.attach(try frontends(pods.places))
      for round in 0..<20 {
        let client = try Socket(variant, SK_UDP)
        try dataplane.serve(frontends(pods.places))
        /// Writes to all of them, and then lets the pods answer, the last one first.
        func exchange(_ what: String) throws -> [Place] {
          var used: [Place] = []
          var waiting: [(vip: Place, datagram: Socket.Received, pod: Socket)] = []
          for vip in vips {
            try client.send("to \(vip)", to: vip)
            let (place, datagram, pod) = try pods.receive()
            try check(!used.contains(place), "\(what) \(round): two VIPs use \(place)")
            used.append(place)
            waiting.append((vip, datagram, pod))
          }
          for (vip, datagram, pod) in waiting.reversed() {
            try pod.send("re", to: datagram.from)
            try checkEqual(try client.receive()?.from, vip, "\(what) \(round): who replied")
          }
          return used
        }
        let first = try exchange("at first")
        try checkEqual(try exchange("again"), first, "the backends of all VIPs")
        // One goes: its VIP finds the one backend that is not in use.
        let gone = first[round % vips.count]
        try dataplane.serve(frontends(pods.places.filter { $0 != gone }))
        let second = try exchange("without one")
        for (before, after) in zip(first, second) where before != gone {
          try checkEqual(after, before, "a backend that stayed")
        }
      }
    },
    KernelTest("replies_\(variant)_that_come_late_from_former_backends_show_the_vip") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...4)
      let vip = vips[0]
      let dataplane = try sandbox.attach([try frontend(vip, .udp, [pods.places[0]])])
      let client = try Socket(variant, SK_UDP)
      var late: [(datagram: Socket.Received, pod: Socket)] = []
      for place in pods.places {
        try dataplane.serve([try frontend(vip, .udp, [place])])
        try client.send("x", to: vip)
        let (reached, datagram, pod) = try pods.receive()
        try checkEqual(reached, place, "where it went")
        late.append((datagram, pod))
      }
      for _ in 0..<2 {
        for (datagram, pod) in late.reversed() {
          try pod.send("late", to: datagram.from)
          try checkEqual(try client.receive()?.from, vip, "who replied")
        }
      }
      // The service goes altogether: what comes then was still asked of the VIP.
      try dataplane.serve([])
      try late[3].pod.send("late", to: late[3].datagram.from)
      try checkEqual(try client.receive()?.from, vip, "who replied after the service has gone")
    },
    KernelTest("replies_\(variant)_of_a_pod_written_to_by_itself_are_its_own") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...2)
      let dataplane = try sandbox.attach([try frontend(vips[0], .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      try client.send("x", to: vips[0])
      let used = try pods.echo()
      try checkEqual(try client.receive()?.from, vips[0], "the reply")
      let unused = pods.places.first { $0 != used }!
      for _ in 0..<3 {
        try client.send("x", to: pods.seen(unused))
        try pods.echo()
        try checkEqual(try client.receive()?.from, pods.seen(unused), "a pod that it names")
        try client.send("x", to: vips[0])
        try checkEqual(try pods.echo(), used, "the backend of the VIP")
        try checkEqual(try client.receive()?.from, vips[0], "the reply from the VIP")
      }
      withExtendedLifetime(dataplane) {}
    },
  ]
}

private let longLived: [KernelTest] = [
  // A SIP phone has one socket, bound to a port, for as long as it runs.
  e2e("cilium_11301_sip_style_socket_lives_through_100_changes_of_endpoints") { cluster in
    let sip = Complaint(variant: .v4, name: "sip", number: 60)
    let client = try cluster.livingPod("client")
    let own = try cluster.pod("own", tcp: [], udp: [53])
    let others = try (0..<4).map { try cluster.pod("other\($0)", tcp: [], udp: [53]) }
    try cluster.apply(sip.service, sip.slice([own]))
    let phone = try client.socket(.v4, SK_UDP)
    try phone.bind(Place("0.0.0.0", 5060))
    func answering() throws -> String {
      try cluster.ask(with: phone, to: sip.vip, isConnected: false, "the phone")
    }
    try checkEqual(try answering(), "own", "at first")
    for change in 1...100 {
      // Each of the others comes and goes; the order of the endpoints changes, too.
      var pods = others.enumerated().filter { change >> $0.offset & 1 == 1 }.map(\.element)
      pods.insert(own, at: change % (pods.count + 1))
      try cluster.apply(sip.slice(pods))
      try checkEqual(try answering(), "own", "after change \(change)")
    }
    try checkEqual(others.map(\.asked), [0, 0, 0, 0], "datagrams to other pods")
    try phone.checkAlive(nil, "the phone")
    try cluster.apply(sip.slice([others[2]]))
    try checkEqual(try answering(), "other2", "when its own has gone")
    try checkEqual(try phone.ownName.port, 5060, "the phone's port")
  }
]

private let affinityInPods: [KernelTest] = [
  e2e("calico_13399_affinity_outlives_every_sync_and_is_each_pods_own") { cluster in
    let clients = try (0..<4).map { try cluster.livingPod("client\($0)") } + [cluster.node]
    let pods = try (0..<8).map { try cluster.pod("pod\($0)") }
    // Round robin beside it: whoever chooses anew gets another endpoint for certain.
    let vip = Place("172.30.1.13", 80)
    let service = Kube.service(
      "web", vip.address, annotations: ["socklb.io/algorithm: round-robin"],
      spec: ["sessionAffinity: ClientIP"])
    let slice = Kube.slice("web", Array(pods.prefix(6)))
    try cluster.apply(service, slice)
    func answers() throws -> [String] { try clients.map { try cluster.ask($0, vip).pod } }
    let first = try answers()
    try checkEqual(Set(first).count, clients.count, "pods of \(clients.count) clients: \(first)")
    let used = Set(first)
    let everything = service + slice
    for (what, change) in [
      ("the same again", { try cluster.apply(everything) }),
      ("a full sync", { try cluster.apply(pruning: everything) }),
      ("an unrelated service", { try cluster.apply(Kube.service("other", "172.30.1.14")) }),
      (
        "more endpoints",
        { try cluster.apply(Kube.slice("web", Array(pods[6...]), suffix: "2")) }
      ),
      ("fewer again", { try cluster.delete(Kube.slice("web", Array(pods[6...]), suffix: "2")) }),
      (
        "without the one nobody uses",
        { try cluster.apply(Kube.slice("web", pods.prefix(6).filter { used.contains($0.name) })) }
      ),
    ] as [(String, () throws -> Void)] {
      try change()
      for _ in 0..<3 { try checkEqual(try answers(), first, "after \(what)") }
    }
    // One goes: its client moves, and nobody else.
    let left = pods.prefix(6).filter { used.contains($0.name) && $0.name != first[1] }
    try cluster.apply(Kube.slice("web", left))
    let second = try answers()
    for (number, pod) in second.enumerated() where number != 1 {
      try checkEqual(pod, first[number], "client \(number)")
    }
    try check(second[1] != first[1], "client 1 stays with a pod that is gone")
    try checkEqual(try answers(), second, "later")
  }
]
