import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `explain`: each reason, what comes near, and that it changes nothing.
let explainTests: [KernelTest] =
  Variant.allCases.flatMap(explainsTo) + explainPlaceTests

private func explainsTo(_ variant: Variant) -> [KernelTest] {
  let vips = (1...6).map { variant.vip($0) }
  // As the table has them.
  let pods = (1...2).map { (variant == .mapped ? Variant.v4 : variant).pod($0) }
  return [
    KernelTest("explain_\(variant)_says_how_a_backend_is_chosen") { sandbox in
      let servers = try Pods(variant, SK_TCP, 1...2)
      try sandbox.attach([
        frontend(vips[0], .tcp, of: "test/web", portName: "http", pods),
        frontend(vips[1], .tcp, of: "test/one", [pods[0]]),
        frontend(vips[2], .tcp, of: "test/turn", pods).with(algorithm: .roundRobin),
        frontend(vips[3], .tcp, of: "test/kept", pods).with(affinity: 100),
        frontend(vips[4], .udp, of: "test/dns", portName: "dns", pods),
        frontend(vips[5], .sctp, of: "test/sctp", pods),
      ])
      let web = try sandbox.explain(vips[0])
      try web.check("test/web:http  ClusterIP", "one of 2 endpoints, drawn at random", "1 in 2")
      try web.check("Covered:   yes")
      for place in pods { try web.check(place.text + "  1 in 2") }
      // What a seed gives is the same each time, and not for each seed the same.
      let drawn = try (1...16).map { try sandbox.explain(vips[0], ["--seed", "\($0)"]).draw }
      try checkEqual(
        drawn, try (1...16).map { try sandbox.explain(vips[0], ["--seed", "\($0)"]).draw }, "draws")
      try checkEqual(Set(drawn), Set(pods.map(\.text)), "what 16 seeds give")
      try sandbox.explain(vips[1]).check("\(pods[0].text), the only endpoint", "surely")
      // Whose turn it is, a connect finds out; asking does not take the turn.
      for _ in 0..<3 {
        let said = try sandbox.explain(vips[2])
        let again = try sandbox.explain(vips[2])
        try checkEqual(said.text, again.text, "the turn")
        let answered = try whoAnswers(vips[2], servers)
        try said.check("\(answered.text), whose turn it is", "\(answered.text)  surely")
      }
      try sandbox.explain(vips[3]).check("drawn at random", "nothing is remembered")
      let kept = try whoAnswers(vips[3], servers)
      let held = try sandbox.explain(vips[3])
      try held.check("\(kept.text), the client's by session affinity; 1 of 2")
      try held.check("Affinity:  for 100 s, by network namespace ", ": \(kept.text), used 0 s ago")
      try sandbox.explain(vips[4]).check(
        "/UDP  test/dns:dns", "1 in 2", "a socket stays with its endpoint")
      try sandbox.explain(vips[5], protocol: "sctp").check("/SCTP  test/sctp", "1 in 2")
    },
    KernelTest("explain_\(variant)_says_why_a_call_is_refused") { sandbox in
      let range = variant == .v6 ? "fd00::4/126" : "10.0.0.4/30"
      let table = ServiceTable(
        frontends: [
          try frontend(vips[0], .tcp, of: "test/empty", []),
          try frontend(vips[1], .tcp, of: "test/local", []).with(whenEmpty: .drop),
          try frontend(vips[2], .tcp, of: "test/ranges", pods).with(
            kind: .loadBalancer, sourceRanges: [range]),
          try frontend(vips[3], .tcp, of: "test/web", portName: "http", pods),
          try frontend(vips[4], .udp, of: "test/none", []),
        ], guardedAddresses: [vips[3].address].compactMap { IPAddress($0) })
      let tables = try sandbox.attach(table).tables
      let refused = [(vips[0], ECONNREFUSED), (vips[1], EHOSTUNREACH), (vips[2], EACCES)]
      for (vip, error) in refused {
        try checkEqual(try Socket(variant, SK_TCP).connectError(vip), error, "\(vip)")
      }
      try sandbox.explain(vips[0]).check(
        "test/empty  ClusterIP", "refused: no endpoints (ECONNREFUSED)")
      try sandbox.explain(vips[4], protocol: "udp").check("refused: no endpoints (ECONNREFUSED)")
      try sandbox.explain(vips[1]).check("a traffic policy keeps the endpoints away (EHOSTUNREACH)")
      let denied = "outside of the source ranges (EACCES)"
      try sandbox.explain(vips[2]).check(
        "test/ranges  LoadBalancer", denied, range, "address is not known")
      // A socket that is bound, and one whose namespace is known: to its backends it is 10.0.0.1.
      func bound(_ number: Int) -> [String] {
        ["--bound", (variant == .mapped ? Variant.v4 : variant).pod(number).address]
      }
      try sandbox.explain(vips[2], bound(5)).check("drawn at random", "the client's address is")
      try sandbox.explain(vips[2], bound(8)).check(denied, pods[0].text)
      _ = try tables.refreshSources(for: table)
      let source = (variant == .mapped ? Variant.v4 : variant).pod(1).address
      try sandbox.explain(vips[2]).check(denied, "the client's address is \(source)")
      // No port of a guarded address; and one of an address that is not.
      let other = variant.vip(4, port: 81)
      try checkEqual(try Socket(variant, SK_TCP).connectError(other), ECONNREFUSED, "\(other)")
      let guarded = try sandbox.explain(other)
      try guarded.check(
        "/TCP  test/web\n", "no such port of the Service (ECONNREFUSED)",
        "is test/web:http: another port")
      try sandbox.explain(vips[3], protocol: "udp").check(
        "no such port of the Service", "is test/web:http: another protocol")
      try sandbox.explain(variant.vip(1, port: 81)).check(
        "left alone, no Service has it", "is test/empty: another port")
      try sandbox.explain(variant.vip(77)).check("left alone", without: "Near:")
      let backend = try sandbox.explain(variant.pod(1))
      try backend.check("left alone", "is a backend of test/web:http: nothing is translated")
    },
    KernelTest("explain_\(variant)_changes_nothing") { sandbox in
      let servers = try Pods(variant, SK_TCP, 1...2)
      let frontends = [
        try frontend(vips[0], .tcp, of: "test/web", pods),
        try frontend(vips[1], .tcp, of: "test/empty", []),
        try frontend(vips[2], .tcp, of: "test/turn", pods).with(algorithm: .roundRobin),
        try frontend(vips[3], .tcp, of: "test/kept", pods).with(affinity: 100),
        try frontend(vips[4], .tcp, of: "test/new", pods).with(
          affinity: 100, algorithm: .roundRobin),
        try frontend(vips[5], .tcp, of: "test/ranges", pods).with(
          kind: .loadBalancer, sourceRanges: [variant == .v6 ? "fd00:9::/64" : "10.9.0.0/16"]),
      ]
      try sandbox.attach(
        ServiceTable(
          frontends: frontends, guardedAddresses: [vips[0].address].compactMap { IPAddress($0) }))
      for vip in [vips[0], vips[2], vips[3]] { _ = try whoAnswers(vip, servers) }
      let trace = try TraceCommand(sandbox)
      let before = try sandbox.everyMap()
      for vip in vips + [variant.vip(1, port: 81), variant.pod(1), variant.vip(99)] {
        for options in [[], ["--seed", "7"], ["--pid", "\(getpid())"], ["-o", "json"]] {
          _ = try sandbox.explain(vip, options)
        }
      }
      let after = try sandbox.everyMap()
      for (name, content) in before {
        // A reader of the trace says twice a second that it lives.
        if name != "trace" { try check(after[name] == content, "\(name) has changed") }
      }
      try check(before["affinities"]?.count == 1, "no affinity to change")
      try check(before["counters\(variant == .v6 ? 6 : 4)"]?.isEmpty == false, "no counters")
      try trace.end()
      try checkEqual(try trace.lines, [], "decisions that were traced")
      withExtendedLifetime(servers) {}
    },
  ]
}

private let explainPlaceTests: [KernelTest] = [
  KernelTest("explain_is_of_the_named_client") { sandbox in
    let inner = try sandbox.makeCgroup("inner")
    let pods = try Pods(.v4, SK_TCP, 1...6)
    let vip = Variant.v4.vip(1)
    try sandbox.attach(
      ServiceTable(frontends: [try frontend(vip, .tcp, pods.places).with(affinity: 100)]),
      to: [inner],
      settings: KernelTables.Settings(
        hostNetworkNamespace: KernelTables.Settings.ownNetworkNamespace,
        hostAffinityByCgroup: true))
    // This process is outside of what is attached.
    try sandbox.explain(vip).check(
      "Covered:   no: no hook runs for \(sandbox.cgroup); socklb is attached to \(inner)")
    try Sandbox.join(inner)
    let held = try whoAnswers(vip, pods)
    try Sandbox.join(sandbox.cgroup)
    // On the host network the cgroup is the client.
    try sandbox.explain(vip).check("network namespace host", "by cgroup", "nothing is remembered")
    let said = try sandbox.explain(vip, ["--cgroup", inner])
    try said.check(
      "cgroup \(inner)", "\(held.text), the client's by session affinity", "Covered:   yes")
    // A process, and a namespace, elsewhere: their own client.
    let child = try CallFailed.check(sk_fork_idle(), "fork")
    defer { kill(child, SIGKILL) }
    try Disk.write("\(child)\n", to: inner + "/cgroup.procs")
    try sandbox.explain(vip, ["--pid", "\(child)"]).check(
      "Client:    \(child)/", "cgroup \(inner)", "\(held.text), the client's")
    let here = try CallFailed.check(sk_own_network(), "the own namespace")
    let elsewhere = try CallFailed.check(sk_new_network(), "another namespace")
    defer { for fd in [here, elsewhere] { close(fd) } }
    let other = try sandbox.explain(vip, ["--netns", "/proc/\(getpid())/fd/\(elsewhere)"])
    try other.check("by network namespace", "nothing is remembered", "Covered:   not known")
    for (options, text) in [
      (["--pid", "4194303"], "no process 4194303"), (["--netns", "nowhere"], "nowhere"),
      (["--cgroup", sandbox.directory], "cgroup2"), (["--bound", "fd00::1"], "bound to fd00::1"),
    ] {
      let outcome = try sandbox.run(["explain", "\(vip.address):80"] + options)
      try check(outcome.code != 0 && outcome.errors.contains(text), "\(options): \(outcome.all)")
    }
  },
  KernelTest("explain_shows_what_a_process_stays_with") { sandbox in
    let pods = try Pods(.v4, SK_UDP, 1...4)
    let vip = Variant.v4.vip(1)
    try sandbox.attach([frontend(vip, .udp, pods.places)])
    let connected = try Socket(.v4, SK_UDP)
    try connected.connect(vip)
    let sending = try Socket(.v4, SK_UDP)
    try sending.send("x", to: vip)
    let pod = try pods.receive().pod
    let said = try sandbox.explain(vip, ["--pid", "\(getpid())"])
    try said.check(
      "a connected socket of the process stays with \(try connected.ownName.address):8080",
      "a sending socket of the process stays with \(pod.text)")
    try sandbox.explain(vip).check("1 in 4", without: "Stay:")
  },
  KernelTest("explain_tells_what_the_rules_left_out_and_what_comes_near") { sandbox in
    let pods = (1...4).map { Variant.v4.pod($0) }
    try sandbox.attachNode()
    try sandbox.apply(
      Rule.service(
        "web",
        """
        type: NodePort, clusterIP: 172.30.0.1, internalTrafficPolicy: Local,
          ports: [{name: http, port: 80, nodePort: 30080}]
        """)
        + Rule.slice(
          "web",
          [
            Rule.endpoint(pods[0]), Rule.endpoint(pods[1], on: "node-2"),
            Rule.endpoint(pods[2], .notReady), Rule.endpoint(pods[3], .gone),
          ])
        + Rule.service("db", "clusterIP: None, ports: [{name: http, port: 8080}]")
        + Rule.slice("db", [Rule.endpoint(Variant.v4.pod(9))])
        + Rule.service("away", "type: ExternalName, externalName: shop.example.com"))
    let byName = try sandbox.explain("shop/web:http")
    try byName.check(
      "172.30.0.1:80/TCP  shop/web:http  ClusterIP", "10.0.0.1:8080, the only endpoint",
      "10.0.0.2:8080  not on this node", "10.0.0.3:8080  not ready",
      "10.0.0.4:8080  terminating", "\(Rule.node):30080/TCP  shop/web:http  NodePort",
      "127.0.0.1:30080/TCP  shop/web:http  NodePort", "one of 2 endpoints")
    try sandbox.explain("10.0.0.15:30080").check(
      "left alone", "\(Rule.node):30080/TCP is shop/web:http: another address")
    try sandbox.explain("172.30.0.1").check("172.30.0.1:80/TCP", without: "30080")
    try sandbox.explain("10.0.0.9:8080").check(
      "10.0.0.9 is an endpoint of shop/db: headless Services are for DNS only")
    try sandbox.explain("shop/db").check("headless Services", "its name leads to 10.0.0.9")
    try sandbox.explain("shop/away").check("leads to shop.example.com")
    for (name, text) in [
      ("shop/none", "there is no such Service"), ("web", "of this name there is shop/web"),
      ("shop/web:nope", "its ports: http 80/TCP"), ("10.0.0.9", "name a port"),
    ] {
      let outcome = try sandbox.run(["explain", name])
      try checkEqual(outcome.code, 1, "\(name): \(outcome.all)")
      try check(outcome.output.contains(text), "\(name): \(outcome.all)")
    }
    // An endpoint that goes and serves still is near, and the JSON form has all of it.
    try sandbox.apply(
      Rule.slice("web", [Rule.endpoint(pods[0]), Rule.endpoint(pods[1], .leaving)]))
    try sandbox.explain("10.0.0.2:8080").check("still serves for shop/web:http")
    let json = try sandbox.explain("172.30.0.1:80", ["-o", "json"])
    try json.check(
      "\"result\":\"translated\",\"why\":\"only-one\",\"error\":null,\"service\":\"shop/web\"",
      "{\"address\":\"10.0.0.1\",\"port\":8080,\"probability\":1.000000}",
      "{\"address\":\"10.0.0.2\",\"port\":8080,\"reason\":\"terminating\"}", "\"covered\":true")
    // Somebody has written into the maps what no object asks for.
    let dataplane = try Dataplane(pin: sandbox.pin)
    try dataplane.serve([
      try frontend(Variant.v4.vip(1), .tcp, of: "shop/web", portName: "http", [pods[3]])
    ])
    try sandbox.explain("172.30.0.1:80").check(
      "10.0.0.4:8080, the only endpoint", "`socklb verify`")
  },
]

// MARK: The command

/// What the command has said.
struct Explained {
  var text: String

  /// Each of these is in it.
  func check(
    _ texts: String..., without absent: String? = nil, line: Int = #line, file: String = #fileID
  ) throws {
    for wanted in texts where !text.contains(wanted) {
      throw Failure("not said: \(wanted) (\(file):\(line))\n\(text)")
    }
    if let absent, text.contains(absent) {
      throw Failure("said: \(absent) (\(file):\(line))\n\(text)")
    }
  }

  /// What the seed gives.
  var draw: String {
    get throws {
      guard let line = text.split(separator: "\n").first(where: { $0.contains("Draw:") }),
        let word = line.split(separator: " ").last
      else { throw Failure("no draw: \(text)") }
      return String(word)
    }
  }
}

extension Place {
  /// As the table writes it.
  var text: String {
    let place = canonical
    return place.address.contains(":")
      ? "[\(place.address)]:\(place.port)" : "\(place.address):\(place.port)"
  }
}

extension Sandbox {
  fileprivate func explain(_ target: String, _ options: [String] = []) throws -> Explained {
    Explained(text: try succeed(["explain", target] + options).output)
  }

  fileprivate func explain(
    _ place: Place, _ options: [String] = [], protocol transport: String? = nil
  ) throws -> Explained {
    let target =
      place.address.contains(":") ? "[\(place.address)]:\(place.port)" : place.text
    return try explain(target + (transport.map { "/\($0)" } ?? ""), options)
  }

  /// What every pinned map holds; of those with a value per processor what is not zero.
  fileprivate func everyMap() throws -> [String: Set<[UInt8]>] {
    var result: [String: Set<[UInt8]>] = [:]
    for name in Disk.list(pin + "/maps") where !["more_flows", "trace_logs"].contains(name) {
      let isPerCPU = name == "events" || name.hasPrefix("counters")
      let map = RawMap(try BPFMap(pinned: pin + "/maps/" + name), isPerCPU: isPerCPU)
      result[name] = Set(
        try map.all().filter { $0.value.contains { $0 != 0 } }.map { $0.key + $0.value })
    }
    result["header"] = Set(try RawMap(BPFMap(pinned: pin + "/header")).all().map(\.value))
    return result
  }
}
