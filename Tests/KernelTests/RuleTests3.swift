import Glibc
import SocketKit

/// What goes on while endpoints change, and how slices and Endpoints become endpoints.
let changeRuleTests: [KernelTest] = [
  KernelTest("rule_endpoints_are_updated_for_tcp_and_udp") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let resolvers = try Pods(.v4, SK_UDP, 1...3)
    let vip = Variant.v4.vip(1)
    try sandbox.attachNode()
    try sandbox.apply(
      Rule.service(
        "web",
        """
        clusterIP: 172.30.0.1, ports: [{name: http, port: 80},
          {name: dns, port: 80, protocol: UDP}]
        """))
    for count in [3, 2, 1, 3] {
      let now = Array(pods.places.prefix(count))
      try sandbox.apply(
        Rule.slice(
          "web", Rule.endpoints(now),
          ports: "{name: http, port: 8080}, {name: dns, port: 8080, protocol: UDP}"))
      try checkEqual(try whoAnswer(vip, pods, times: 60), Set(now), "TCP, \(count) endpoints")
      try checkEqual(try whoAnswer(vip, resolvers, times: 60), Set(now), "UDP, \(count)")
    }
  },
  KernelTest("rule_udp_connected_from_one_port_reaches_the_new_server") { sandbox in
    // As upstream's client: a new socket for each request, always from the same port.
    let pods = try Pods(.v4, SK_UDP, 1...2)
    let vip = Variant.v4.vip(1)
    try sandbox.attachNode()
    try sandbox.apply(Manifest.service("web", vip: vip, "UDP"))
    for pod in pods.places {
      try sandbox.apply(Manifest.slice("web", [pod], "UDP"))
      for _ in 1...3 {
        let client = try Socket(.v4, SK_UDP)
        try client.bind(Place("10.0.0.9", 12345))
        try client.connect(vip)
        try client.send("x")
        try checkEqual(try pods.echo(), pod, "the server")
        try checkEqual(try client.receive()?.from, vip, "the source of the reply")
      }
    }
  },
  KernelTest("rule_udp_sent_before_endpoints_are_ready_spoils_nothing") { sandbox in
    let pods = try Pods(.v4, SK_UDP, 1...1)
    let vip = Variant.v4.vip(1)
    let ports = "{name: dns, port: 8080, protocol: UDP}"
    try sandbox.attachNode()
    try sandbox.apply(
      Rule.service("web", "clusterIP: 172.30.0.1, ports: [{name: dns, port: 80, protocol: UDP}]")
        + Rule.slice("web", [Rule.endpoint(pods.places[0], .notReady)], ports: ports))
    let client = try Socket(.v4, SK_UDP)
    for _ in 1...3 { try checkEqual(client.sendError("x", to: vip), refused, "not ready") }
    try sandbox.apply(Rule.slice("web", [Rule.endpoint(pods.places[0])], ports: ports))
    try checkEqual(try whoGets(vip, pods, from: client), pods.places[0], "ready")
  },
  KernelTest("rule_udp_follows_the_target_port") { sandbox in
    let vip = Variant.v4.vip(1)
    try sandbox.attachNode()
    try sandbox.apply(
      Rule.service("web", "clusterIP: 172.30.0.1, ports: [{name: dns, port: 80, protocol: UDP}]"))
    let client = try Socket(.v4, SK_UDP)
    for port in [8080, 9090, 8080] {
      let pods = try Pods(.v4, SK_UDP, 1...1, port: port)
      try sandbox.apply(
        Rule.slice(
          "web", Rule.endpoints(pods.places), ports: "{name: dns, port: \(port), protocol: UDP}"))
      try checkEqual(try whoGets(vip, pods, from: client), pods.places[0], "target port \(port)")
    }
  },
  KernelTest("rule_several_slices_each_with_its_ports") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let others = try Pods(.v4, SK_TCP, 3...4, port: 9090)
    let admin = try Pods(.v4, SK_TCP, 1...1, port: 9443)
    try sandbox.attachNode()
    try sandbox.apply(
      Rule.service(
        "web",
        """
        clusterIP: 172.30.0.1, ports: [{name: http, port: 80}, {name: admin, port: 81},
          {name: absent, port: 82}]
        """)
        + Rule.slice("web", Rule.endpoints(pods.places))
        + Rule.slice(
          "web", Rule.endpoints(others.places), number: 2, ports: "{name: http, port: 9090}")
        + Rule.slice(
          "web", Rule.endpoints(admin.places), number: 3, ports: "{name: admin, port: 9443}"))
    var reached = Set<Place>()
    for _ in 0..<80 {
      let client = try Socket(.v4, SK_TCP)
      try client.connect(Variant.v4.vip(1))
      for _ in 0..<1000 {
        if let pod = try pods.acceptNow() ?? others.acceptNow() {
          reached.insert(pod)
          break
        }
        sk_sleep(2)
      }
    }
    try checkEqual(reached, Set(pods.places + others.places), "the union of two slices")
    let second = Variant.v4.vip(1, port: 81)
    try checkEqual(try whoAnswer(second, admin, times: 5), Set(admin.places), "the other port")
    try checkEqual(
      try connectError(.v4, SK_TCP, Variant.v4.vip(1, port: 82)), refused,
      "a port that no slice has")
    try sandbox.apply(
      Rule.slice("web", [], number: 2) + Rule.slice("web", Rule.endpoints([pods.places[0]])))
    try checkEqual(
      try whoAnswer(Variant.v4.vip(1), pods), [pods.places[0]], "the slices got smaller")
  },
  KernelTest("rule_endpoints_count_as_mirrored_slices") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let vip = Variant.v4.vip(1)
    func endpoints(_ places: [Place]) -> String {
      """
      apiVersion: v1
      kind: Endpoints
      metadata: {name: web, namespace: shop}
      subsets:
      - addresses: [\(places.map { "{ip: \($0.address)}" }.joined(separator: ", "))]
        ports: [{name: http, port: 8080}]
      ---

      """
    }
    try sandbox.attachNode()
    try sandbox.apply(Manifest.service("web", vip: vip) + endpoints(Array(pods.places.prefix(2))))
    try checkEqual(try whoAnswer(vip, pods), Set(pods.places.prefix(2)), "Endpoints")
    try sandbox.apply(endpoints([pods.places[2]]))
    try checkEqual(try whoAnswer(vip, pods, times: 10), [pods.places[2]], "changed Endpoints")
    try sandbox.apply(Rule.slice("web", [Rule.endpoint(pods.places[0])]))
    try checkEqual(try whoAnswer(vip, pods, times: 10), [pods.places[0]], "a slice goes before")
  },
  KernelTest("rule_services_with_one_selector_are_apart") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    try sandbox.attachNode()
    func pod(_ number: Int) -> String {
      """
      apiVersion: v1
      kind: Pod
      metadata: {name: web-\(number), namespace: shop, labels: {app: web}}
      spec: {nodeName: node-1, containers: [{name: main, ports: [{containerPort: 8080}]}]}
      status:
        phase: Running
        podIPs: [{ip: 10.0.0.\(number)}]
        conditions: [{type: Ready, status: "True"}]
      ---

      """
    }
    let services = (1...2).map {
      Rule.service(
        "web-\($0)",
        """
        clusterIP: 172.30.0.\($0), selector: {app: web},
          ports: [{name: http, port: 80, targetPort: 8080}]
        """)
    }
    try sandbox.apply(services.joined() + (1...3).map(pod).joined())
    for number in 1...2 {
      try checkEqual(
        try whoAnswer(Variant.v4.vip(number), pods, times: 60), Set(pods.places), "\(number)")
    }
    try sandbox.succeed(["delete", "service", "shop/web-1"])
    try checkEqual(
      try connectError(.v4, SK_TCP, Variant.v4.vip(1)), networkUnreachable, "the deleted one")
    try checkEqual(
      try whoAnswer(Variant.v4.vip(2), pods, times: 60), Set(pods.places), "the other one")
  },
]
