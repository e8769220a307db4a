import Glibc
import SocketKit

/// Which endpoints are used, and what a client sees when there is none.
let endpointRuleTests: [KernelTest] = [Variant.v4, .v6].flatMap { variant in
  let vip = variant.vip(1)
  let family = variant == .v6 ? "IPv6" : "IPv4"
  @Sendable func slice(_ endpoints: [String]) -> String {
    Rule.slice("web", endpoints, family: family)
  }
  @Sendable func service(_ spec: String) -> String {
    Rule.service(
      "web", "clusterIP: \"\(vip.address)\", ports: [{name: http, port: 80}]\(spec)")
  }
  return [
    KernelTest("rule_\(variant)_internal_policy_local_drops_or_refuses") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...4)
      let (here, away) = (Array(pods.places[0...1]), Array(pods.places[2...3]))
      try sandbox.attachNode()
      try sandbox.apply(
        service(", internalTrafficPolicy: Local")
          + slice(Rule.endpoints(here) + Rule.endpoints(away, on: "node-2")))
      try checkEqual(try whoAnswer(vip, pods), Set(here), "pods of this node")
      try sandbox.apply(slice(Rule.endpoints(away, on: "node-2")))
      try checkEqual(try connectError(variant, SK_TCP, vip), EHOSTUNREACH, "only elsewhere")
      try sandbox.apply(
        slice([Rule.endpoint(here[0], .leaving)] + Rule.endpoints(away, on: "node-2")))
      try checkEqual(try whoAnswer(vip, pods), [here[0]], "one that terminates here")
      try sandbox.apply(slice([Rule.endpoint(here[0], .gone)]))
      try checkEqual(try connectError(variant, SK_TCP, vip), refused, "none anywhere")
      try sandbox.apply(slice([]))
      try checkEqual(try connectError(variant, SK_TCP, vip), refused, "an empty slice")
      try sandbox.apply(service("") + slice(Rule.endpoints(away, on: "node-2")))
      try checkEqual(try whoAnswer(vip, pods), Set(away), "the policy Cluster")
    },
    KernelTest("rule_\(variant)_external_policy_local_is_short_circuited") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...2)
      let external = Place(variant == .v6 ? "2001:db8::1" : "203.0.113.1", 80)
      let balancer = Place(variant == .v6 ? "2001:db8::2" : "198.51.100.1", 80)
      let nodePort = Place(variant == .v6 ? "fd00::10" : Rule.node, 30080)
      try sandbox.attachNode()
      func web(_ policies: String) -> String {
        Rule.service(
          "web",
          """
          type: LoadBalancer, clusterIP: "\(vip.address)", externalIPs: ["\(external.address)"],
            ports: [{name: http, port: 80, nodePort: 30080}]\(policies)
          """, status: "loadBalancer: {ingress: [{ip: \"\(balancer.address)\"}]}")
      }
      try sandbox.apply(
        web(", externalTrafficPolicy: Local, internalTrafficPolicy: Local")
          + slice(Rule.endpoints(pods.places, on: "node-2")))
      for place in [external, balancer, nodePort] {
        try checkEqual(try whoAnswer(place, pods), Set(pods.places), "\(place)")
      }
      try checkEqual(try connectError(variant, SK_TCP, vip), EHOSTUNREACH, "the clusterIP")
      try sandbox.apply(web(", externalTrafficPolicy: Cluster"))
      for place in [external, balancer, nodePort, vip] {
        try checkEqual(try whoAnswer(place, pods), Set(pods.places), "\(place) with Cluster")
      }
      for policy in ["Local", "Cluster"] {
        try sandbox.apply(web(", externalTrafficPolicy: \(policy)") + slice([]))
        for place in [external, balancer, nodePort, vip] {
          try checkEqual(
            try connectError(variant, SK_TCP, place), refused, "\(place), \(policy), no endpoint")
        }
      }
    },
    KernelTest("rule_\(variant)_terminating_endpoints_serve_when_none_is_ready") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...4)
      let places = pods.places
      try sandbox.attachNode()
      try sandbox.apply(
        service("")
          + slice([
            Rule.endpoint(places[0], .leaving), Rule.endpoint(places[1], on: "node-2", .leaving),
            Rule.endpoint(places[2], .gone), Rule.endpoint(places[3], .notReady),
          ]))
      try checkEqual(try whoAnswer(vip, pods), Set(places[0...1]), "those that serve still")
      try sandbox.apply(
        slice([Rule.endpoint(places[0], .leaving), Rule.endpoint(places[3], on: "node-2")]))
      try checkEqual(try whoAnswer(vip, pods), [places[3]], "one is ready")
      try sandbox.apply(
        slice([Rule.endpoint(places[2], .gone), Rule.endpoint(places[3], .notReady)]))
      try checkEqual(try connectError(variant, SK_TCP, vip), refused, "none that serves")
    },
    KernelTest("rule_\(variant)_topology_hints_are_followed") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...3)
      let places = pods.places
      try sandbox.attachNode(["--node-zone", "zone-a"])
      func hinted(_ hints: [String]) -> String {
        slice(zip(places, hints).map { Rule.endpoint($0, on: "node-2", hints: $1) })
      }
      let zones = ["forZones: [{name: zone-a}]", "forZones: [{name: zone-b}]"]
      try sandbox.apply(service("") + hinted([zones[0], zones[0], zones[1]]))
      try checkEqual(try whoAnswer(vip, pods), Set(places[0...1]), "this zone")
      let node = ", forNodes: [{name: node-1}]"
      let other = ", forNodes: [{name: node-2}]"
      try sandbox.apply(hinted([zones[0] + node, zones[0] + other, zones[1] + other]))
      try checkEqual(try whoAnswer(vip, pods), [places[0]], "this node")
      try sandbox.apply(hinted([zones[1] + other, zones[0] + other, zones[1] + other]))
      try checkEqual(try whoAnswer(vip, pods), [places[1]], "none of this node: the zone")
      try sandbox.apply(hinted([zones[1], zones[1], zones[1]]))
      try checkEqual(try whoAnswer(vip, pods, times: 60), Set(places), "no hint names this zone")
    },
    KernelTest("rule_\(variant)_source_ranges_from_a_manifest") { sandbox in
      let pods = try Pods(variant, SK_TCP, [1])
      let balancer = Place(variant == .v6 ? "2001:db8::2" : "198.51.100.1", 80)
      try sandbox.attachNode()
      func web(_ ranges: String) -> String {
        Rule.service(
          "web",
          """
          type: LoadBalancer, clusterIP: "\(vip.address)", loadBalancerSourceRanges: [\(ranges)],
            ports: [{name: http, port: 80, nodePort: 30080}]
          """, status: "loadBalancer: {ingress: [{ip: \"\(balancer.address)\"}]}")
      }
      func error(from number: Int?) throws -> Int32 {
        let client = try Socket(variant, SK_TCP)
        if let number { try client.bind(variant.pod(number, port: 0)) }
        let error = client.connectError(balancer)
        if error == 0 { _ = try pods.accept() }
        return error
      }
      let range = variant == .v6 ? "\"fd00::4/126\"" : "10.0.0.4/30"
      let single = variant == .v6 ? "\"fd00::1/128\"" : "10.0.0.1/32"
      try sandbox.apply(web(range) + slice(Rule.endpoints(pods.places)))
      for number in [4, 7] { try checkEqual(try error(from: number), 0, "from \(number)") }
      for number in [3, 8] { try checkEqual(try error(from: number), EACCES, "from \(number)") }
      // Towards the only pod the kernel would choose the pod's own address, which is this host's.
      try checkEqual(try error(from: nil), EACCES, "routing chooses an address outside")
      _ = try whoAnswers(vip, pods)
      _ = try whoAnswers(Place(variant == .v6 ? "fd00::10" : Rule.node, 30080), pods)
      try sandbox.apply(web(single))
      try checkEqual(try error(from: nil), 0, "routing chooses an address inside")
      try checkEqual(try error(from: 4), EACCES, "from 4, which was inside before")
      try sandbox.apply(web(variant == .v6 ? "\"::/0\"" : "0.0.0.0/0"))
      for number in [3, 4, 8] { try checkEqual(try error(from: number), 0, "everybody") }
    },
  ]
}
