import Glibc
import SocketKit

/// Rules that go for both families in the same way.
let familyRuleTests: [KernelTest] = [Variant.v4, .v6].flatMap { variant in
  let vip = variant.vip(1)
  /// Of the ranges that documents may use; no interface here has them.
  @Sendable func documented(_ number: Int, port: Int = 80) -> Place {
    Place((variant == .v6 ? "2001:db8::" : "203.0.113.") + "\(number)", port)
  }
  @Sendable func slice(
    _ endpoints: [String], ports: String = "{name: http, port: 8080}"
  ) -> String {
    Rule.slice(
      "web", endpoints, ports: ports, family: variant == .v6 ? "IPv6" : "IPv4")
  }
  return [
    KernelTest("rule_\(variant)_external_ip_that_no_node_has") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...3)
      let outside = documented(250)
      try sandbox.attachNode()
      func web(_ external: String) -> String {
        Rule.service(
          "web",
          """
          clusterIP: "\(vip.address)", externalIPs: [\(external)],
            ports: [{name: http, port: 80}]
          """)
      }
      try sandbox.apply(web("\"\(outside.address)\"") + slice(Rule.endpoints(pods.places)))
      try checkEqual(try whoAnswer(outside, pods, times: 60).count, 3, "pods")
      try checkEqual(
        try connectError(variant, SK_TCP, documented(250, port: 81)), networkUnreachable,
        "another port is left alone")
      try sandbox.apply(web(""))
      try checkEqual(try connectError(variant, SK_TCP, outside), networkUnreachable, "taken away")
      _ = try whoAnswers(vip, pods)
    },
    KernelTest("rule_\(variant)_load_balancer_serves_vips_and_no_proxies") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...2)
      try sandbox.attachNode()
      func web(_ type: String, _ ingress: String) -> String {
        Rule.service(
          "web", "type: \(type), clusterIP: \"\(vip.address)\", ports: [{name: http, port: 80}]",
          status: "loadBalancer: {ingress: [\(ingress)]}")
      }
      try sandbox.apply(
        web(
          "LoadBalancer",
          """
          {ip: "\(documented(1).address)"}, {ip: "\(documented(2).address)", ipMode: VIP},
            {ip: "\(documented(3).address)", ipMode: Proxy}, {hostname: lb.example}
          """) + slice(Rule.endpoints(pods.places)))
      for number in 1...2 { _ = try whoAnswers(documented(number), pods) }
      try checkEqual(
        try connectError(variant, SK_TCP, documented(3)), networkUnreachable, "Proxy")
      try sandbox.apply(web("ClusterIP", ""))
      try checkEqual(
        try connectError(variant, SK_TCP, documented(1)), networkUnreachable, "ClusterIP")
      _ = try whoAnswers(vip, pods)
    },
    KernelTest("rule_\(variant)_established_tcp_is_never_moved") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...2)
      try sandbox.attachNode()
      let first = pods.places[0]
      let second = pods.places[1]
      try sandbox.apply(
        Manifest.service("web", vip: vip) + slice([Rule.endpoint(first)]))
      let client = try Socket(variant, SK_TCP)
      try client.connect(vip)
      let (pod, connection) = try pods.accept()
      try checkEqual(pod, first, "the pod")
      for change in [
        slice([Rule.endpoint(first, .notReady), Rule.endpoint(second)]),
        slice([Rule.endpoint(second)]), slice([]),
      ] {
        try sandbox.apply(change)
        try client.send("still")
        try checkEqual(try connection.receive()?.text, "still", "on the old connection")
        try connection.send("here")
        try checkEqual(try client.receive()?.text, "here", "on the old connection")
        try checkEqual(try client.peerName, vip, "getpeername")
      }
      try sandbox.apply(slice([Rule.endpoint(second)]))
      try checkEqual(try whoAnswer(vip, pods, times: 10), [second], "new connections")
    },
    KernelTest("rule_\(variant)_udp_goes_on_when_the_server_is_replaced") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...2)
      try sandbox.attachNode()
      for policy in ["Cluster", "Local"] {
        try sandbox.apply(
          Rule.service(
            "web",
            """
            type: NodePort, clusterIP: "\(vip.address)", internalTrafficPolicy: \(policy),
              ports: [{name: dns, port: 80, nodePort: 30080, protocol: UDP}]
            """))
        func serve(_ endpoints: [String]) throws {
          try sandbox.apply(
            slice(endpoints, ports: "{name: dns, port: 8080, protocol: UDP}"))
        }
        for place in [vip, Place(variant == .v6 ? "fd00::10" : Rule.node, 30080)] {
          try serve([Rule.endpoint(pods.places[0])])
          let client = try Socket(variant, SK_UDP)
          for _ in 1...3 {
            try checkEqual(try whoGets(place, pods, from: client), pods.places[0], "\(place)")
          }
          try serve([Rule.endpoint(pods.places[0], .gone), Rule.endpoint(pods.places[1])])
          for _ in 1...3 {
            try checkEqual(
              try whoGets(place, pods, from: client), pods.places[1], "\(place), replaced")
          }
        }
      }
    },
  ]
}
