import Glibc
import SocketKit

/// Which addresses serve a Service: manifests through the real command, then sockets.
let ruleTests: [KernelTest] = [
  KernelTest("rule_nodeport_serves_at_the_node_and_127_0_0_1_and_nowhere_else") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let six = try Pods(.v6, SK_TCP, 1...3)
    let resolvers = try Pods(.v4, SK_UDP, 1...3)
    try sandbox.attachNode()
    try sandbox.apply(
      Rule.service(
        "web",
        """
        type: NodePort, clusterIP: 172.30.0.1, clusterIPs: [172.30.0.1, "fd00:172:30::1"],
          ports: [{name: http, port: 80, nodePort: 30080},
          {name: dns, port: 80, nodePort: 30080, protocol: UDP}]
        """)
        + Rule.slice(
          "web", Rule.endpoints(pods.places),
          ports: "{name: http, port: 8080}, {name: dns, port: 8080, protocol: UDP}")
        + Rule.slice("web", Rule.endpoints(six.places), number: 2, family: "IPv6"))
    for address in [Rule.node, "127.0.0.1"] {
      let place = Place(address, 30080)
      try check(try isServed(place, pods), "not at \(place)")
      try checkEqual(try whoAnswer(place, pods, times: 60).count, 3, "pods through \(place)")
      try checkEqual(try whoAnswer(place, resolvers, times: 60).count, 3, "UDP through \(place)")
    }
    try check(try isServed(Place("fd00::10", 30080), six), "not at the node's IPv6 address")
    try checkEqual(try whoAnswer(Variant.v4.vip(1), pods, times: 60).count, 3, "the clusterIP")
    for address in ["10.0.0.15", "127.0.0.2"] {
      try check(try !isServed(Place(address, 30080), pods), "served at \(address)")
    }
    for address in ["::1", "fd00::f"] {
      try check(try !isServed(Place(address, 30080), six), "served at \(address)")
    }
  },
  KernelTest("rule_nodeport_addresses_and_localhost_are_options_that_are_kept") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let (first, second) = (Place("10.0.0.15", 30080), Place("10.0.0.16", 30080))
    let local = Place("127.0.0.1", 30080)
    func expect(_ served: [Place], _ when: String) throws {
      for place in [first, second, local] {
        try checkEqual(try isServed(place, pods), served.contains(place), "\(place) \(when)")
      }
    }
    try sandbox.succeed([
      "attach", "--cgroup", sandbox.cgroup, "--node-name", "node-1",
      "--node-ip", "10.0.0.15,10.0.0.16", "--nodeport-addresses", "10.0.0.16/32",
      "--no-localhost-nodeports",
    ])
    let web =
      Rule.service(
        "web",
        """
        type: NodePort, clusterIP: 172.30.0.1,
          ports: [{name: http, port: 80, nodePort: 30080}]
        """) + Rule.slice("web", Rule.endpoints(pods.places))
    try sandbox.apply(web)
    try expect([second], "as attach was told")
    try sandbox.apply(Manifest.service("other", vip: Variant.v4.vip(2)))
    try expect([second], "after an apply without options")
    try sandbox.succeed(["delete", "service", "shop/other"])
    try expect([second], "after a delete without options")
    try sandbox.apply(web, ["--nodeport-addresses", "primary"])
    try expect([first], "at the primary address")
    try sandbox.apply(web, ["--nodeport-addresses", "0.0.0.0/0", "--localhost-nodeports"])
    try expect([first, second, local], "everywhere")
    try sandbox.apply(web)
    try expect([first, second, local], "kept")
  },
  KernelTest("rule_nodeport_changes_and_goes") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let resolvers = try Pods(.v4, SK_UDP, 1...2)
    try sandbox.attachNode()
    func web(_ type: String, _ nodePort: String) -> String {
      Rule.service(
        "web",
        """
        type: \(type), clusterIP: 172.30.0.1, ports: [{name: http, port: 80\(nodePort)},
          {name: dns, port: 80, protocol: UDP\(nodePort)}]
        """)
    }
    try sandbox.apply(
      web("NodePort", ", nodePort: 30080")
        + Rule.slice(
          "web", Rule.endpoints(pods.places),
          ports: "{name: http, port: 8080}, {name: dns, port: 8080, protocol: UDP}"))
    let (old, new) = (Place(Rule.node, 30080), Place(Rule.node, 30081))
    let client = try Socket(.v4, SK_UDP)
    try check(try isServed(old, pods), "the node port")
    _ = try whoGets(old, resolvers, from: client)
    try sandbox.apply(web("NodePort", ", nodePort: 30081"))
    try check(try !isServed(old, pods), "the old node port still works")
    try check(try isServed(new, pods), "the new node port")
    try client.send("x", to: old)
    try resolvers.checkIdle()
    _ = try whoGets(new, resolvers)
    try sandbox.apply(web("ClusterIP", ""))
    try check(try !isServed(new, pods), "a node port that is gone")
    _ = try whoAnswers(Variant.v4.vip(1), pods)
    _ = try whoGets(Variant.v4.vip(1), resolvers)
  },
  KernelTest("rule_other_ports_of_a_clusterip_are_refused") { sandbox in
    try sandbox.attachNode()
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let web =
      Manifest.service("web", vip: Variant.v4.vip(1))
      + Rule.slice("web", Rule.endpoints(pods.places))
    try sandbox.apply(web)
    let other = Variant.v4.vip(1, port: 81)
    try checkEqual(try connectError(.v4, SK_TCP, other), refused, "another port")
    try checkEqual(try connectError(.v4, SK_UDP, Variant.v4.vip(1)), refused, "UDP")
    try sandbox.apply(web, ["--no-guard-cluster-ips"])
    try checkEqual(try connectError(.v4, SK_TCP, other), networkUnreachable, "switched off")
    _ = try whoAnswers(Variant.v4.vip(1), pods)
  },
  KernelTest("rule_host_ports_by_host_ip_and_protocol") { sandbox in
    // As upstream's test: one host port for three Pods, apart by address or protocol.
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let resolvers = try Pods(.v4, SK_UDP, [3])
    try sandbox.succeed([
      "attach", "--cgroup", sandbox.cgroup, "--node-name", "node-1",
      "--node-ip", "10.0.0.15,10.0.0.16",
    ])
    func pod(_ number: Int, _ hostIP: String, _ transport: String, on node: String) -> String {
      """
      apiVersion: v1
      kind: Pod
      metadata: {name: pod-\(number), namespace: shop}
      spec:
        nodeName: \(node)
        containers:
        - name: main
          ports: [{containerPort: 8080, hostPort: 54323, hostIP: "\(hostIP)", protocol: \(transport)}]
      status: {phase: Running, podIPs: [{ip: 10.0.0.\(number)}]}
      ---

      """
    }
    try sandbox.apply(
      pod(1, "127.0.0.1", "TCP", on: "node-1") + pod(2, "10.0.0.16", "TCP", on: "node-1")
        + pod(3, "10.0.0.16", "UDP", on: "node-1") + pod(4, "10.0.0.15", "TCP", on: "node-2"))
    let here = Place("10.0.0.16", 54323)
    let local = Place("127.0.0.1", 54323)
    try checkEqual(try whoAnswer(local, pods, times: 5), [pods.places[0]], "127.0.0.1")
    try checkEqual(try whoAnswer(here, pods, times: 5), [pods.places[1]], "the node")
    try checkEqual(try whoGets(here, resolvers), resolvers.places[0], "UDP")
    try check(try !isServed(Place("10.0.0.15", 54323), pods), "a Pod of another node")
    try sandbox.apply(pod(2, "", "TCP", on: "node-1"))
    try checkEqual(
      try whoAnswer(Place("10.0.0.15", 54323), pods, times: 5), [pods.places[1]],
      "at every address of the node")
    try checkEqual(try whoAnswer(local, pods, times: 5), [pods.places[0]], "left to the first one")
  },
]
