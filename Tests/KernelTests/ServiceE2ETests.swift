import Glibc
import SocketKit

// The end-to-end tests of Kubernetes, test/e2e/network/service.go in v1.36, played on one node; the
// number is the line of the test there. Servers go on listening after their endpoint has gone, so a
// refused connection was refused by the balancer.

/// Services, ports and endpoints that come and go.
let serviceE2ETests: [KernelTest] = [
  e2e("e2e_service_733_basic_endpoint_from_pods") { cluster in
    let vip = Place("172.30.1.1", 80)
    let client = try cluster.pod("client")
    let (one, two) = (try cluster.pod("pod1"), try cluster.pod("pod2"))
    try cluster.apply(Kube.service("web", vip.address, spec: ["selector: {app: web}"]))
    let clients = [client, cluster.node]
    try cluster.checkFails(vip, from: clients, refused)
    try cluster.apply(Kube.pod(one, app: "web"))
    try cluster.checkReached(vip, from: clients, [one])
    try cluster.apply(Kube.pod(two, app: "web"))
    try cluster.checkReached(vip, from: clients, [one, two])
    try cluster.delete(Kube.pod(one, app: "web"))
    try cluster.checkReached(vip, from: clients, [two])
    try cluster.delete(Kube.pod(two, app: "web"))
    try cluster.checkFails(vip, from: clients, refused)
  },
  e2e("e2e_service_733_basic_endpoint_from_pods_ipv6") { cluster in
    let vip = Place("fd00:172:30::1", 80)
    let client = try cluster.pod("client")
    let (one, two) = (try cluster.pod("pod1"), try cluster.pod("pod2"))
    let clients = [client, cluster.node]
    for pods in [[], [one], [one, two], [two], []] {
      try cluster.apply(
        Kube.service("web", vip.address, spec: ["ipFamilies: [IPv6]"]),
        Kube.slice("web", pods, family: "IPv6"))
      if pods.isEmpty {
        try cluster.checkFails(vip, from: clients, refused)
      } else {
        try cluster.checkReached(vip, from: clients, pods)
      }
    }
  },
  e2e("e2e_service_733_endpoints_change_while_clients_run") { cluster in
    let vip = Place("172.30.1.1", 80)
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = try (0..<6).map { try cluster.pod("pod\($0)") }
    var current = [pods[0], pods[1]]
    try cluster.apply(Kube.service("web", vip.address), Kube.slice("web", current))
    var asked = 0
    for turn in 1...30 {
      let next = [pods[turn % 6], pods[(turn + 1) % 6]]
      let names = Set((current + next).map(\.name))
      try cluster.apply(Kube.slice("web", next)) {
        for client in clients {
          let answer = try cluster.ask(client, vip)
          try check(names.contains(answer.pod), "turn \(turn), \(client.name): \(answer)")
          asked += 1
        }
      }
      try cluster.checkReached(vip, from: clients, next)
      current = next
    }
    try check(asked > 120, "only \(asked) connections were made meanwhile")
  },
  e2e("e2e_service_803_multiport_endpoints_from_pods") { cluster in
    let (first, second) = (Place("172.30.1.1", 80), Place("172.30.1.1", 81))
    let client = try cluster.pod("client")
    let one = try cluster.pod("pod1", tcp: [100])
    let two = try cluster.pod("pod2", tcp: [101])
    let ports = [
      "{name: portname1, port: 80, targetPort: svc1}",
      "{name: portname2, port: 81, targetPort: svc2}",
    ]
    func object(_ pod: ClusterPod, _ name: String, _ number: Int) -> String {
      Kube.pod(pod, app: "multi", ports: ["{name: \(name), containerPort: \(number)}"])
    }
    try cluster.apply(
      Kube.service("multi", first.address, ports: ports, spec: ["selector: {app: multi}"]))
    try cluster.checkFails(first, from: [client], refused)
    try cluster.apply(object(one, "svc1", 100))
    try cluster.checkReached(first, from: [client], [one])
    try cluster.checkFails(second, from: [client], refused)
    try cluster.apply(object(two, "svc2", 101))
    try cluster.checkReached(first, from: [client], [one])
    try cluster.checkReached(second, from: [client], [two])
    try cluster.delete(object(one, "svc1", 100))
    try cluster.checkFails(first, from: [client], refused)
    try cluster.checkReached(second, from: [client], [two])
    try cluster.delete(object(two, "svc2", 101))
    try cluster.checkFails(second, from: [client], refused)
  },
  e2e("e2e_service_906_updated_after_adding_or_deleting_ports") { cluster in
    let (first, second) = (Place("172.30.1.1", 80), Place("172.30.1.1", 81))
    let client = try cluster.pod("client")
    let pod = try cluster.pod("pod1", tcp: [8080, 8081])
    let (a, b) = ("{name: a, port: 80}", "{name: b, port: 81}")
    let slice = Kube.slice("web", [pod], ports: ["{name: a, port: 8080}", "{name: b, port: 8081}"])
    try cluster.apply(Kube.service("web", first.address, ports: [a]), slice)
    try cluster.checkReached(first, from: [client], [pod])
    try cluster.checkFails(second, from: [client], refused)
    try cluster.apply(Kube.service("web", first.address, ports: [a, b]))
    try cluster.checkReached(first, from: [client], [pod])
    try cluster.checkReached(second, from: [client], [pod])
    try cluster.apply(Kube.service("web", first.address, ports: [b]))
    try cluster.checkFails(first, from: [client], refused)
    try cluster.checkReached(second, from: [client], [pod])
  },
  e2e("e2e_service_1020_source_pod_ip_is_kept") { cluster in
    let vip = Place("172.30.1.1", 80)
    let clients = [try cluster.pod("client1"), try cluster.pod("client2")]
    let pod = try cluster.pod("pod1", udp: [8080])
    try cluster.apply(
      Kube.service("web", vip.address, ports: [Kube.http, dns]),
      Kube.slice("web", [pod], ports: ["{name: http, port: 8080}", dnsTarget]))
    for client in clients {
      for (place, type) in [(vip, SK_TCP), (Place(vip.address, 53), SK_UDP)] {
        let answer = try cluster.ask(client, place, type)
        try checkEqual(answer, .init(pod: "pod1", source: client.address), "what the server saw")
      }
    }
  },
  e2e("e2e_service_1095_hairpin") { cluster in
    let vip = Place("172.30.1.1", 80)
    let pod = try cluster.pod("hairpin")
    try cluster.apply(Kube.service("web", vip.address), Kube.slice("web", [pod]))
    try cluster.checkReached(vip, from: [pod], [pod])
  },
  e2e("e2e_service_1125_up_and_down_services") { cluster in
    let vips = (1...3).map { Place("172.30.1.\($0)", 80) }
    let client = try cluster.pod("client")
    let clients = [cluster.node, client]
    let pods = try (0..<9).map { try cluster.pod("pod\($0 / 3 + 1)-\($0 % 3)") }
    let groups = (0..<3).map { Array(pods[$0 * 3..<$0 * 3 + 3]) }
    func up(_ number: Int) throws {
      try cluster.apply(
        Kube.service("up\(number)", vips[number].address),
        Kube.slice("up\(number)", groups[number]))
    }
    try up(0)
    try up(1)
    for number in 0..<2 { try cluster.checkReached(vips[number], from: clients, groups[number]) }
    try cluster.sandbox.succeed(["delete", "service", "e2e/up0"])
    try cluster.checkFails(vips[0], from: clients, networkUnreachable)
    try cluster.checkReached(vips[1], from: clients, groups[1])
    try up(2)
    for number in 1..<3 { try cluster.checkReached(vips[number], from: clients, groups[number]) }
    try cluster.checkFails(vips[0], from: clients, networkUnreachable)
  },
  e2e("e2e_service_1171_recreated_service") { cluster in
    let vip = Place("172.30.1.1", 80)
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    let service = Kube.service("web", vip.address)
    try cluster.apply(service, Kube.slice("web", pods))
    try cluster.checkReached(vip, from: clients, pods)
    try cluster.delete(service)
    try cluster.checkFails(vip, from: clients, networkUnreachable)
    try cluster.apply(service)
    try cluster.checkReached(vip, from: clients, pods)
  },
  e2e("e2e_service_1207_after_restarting_the_proxy") { cluster in
    let (old, new) = (Place("172.30.1.1", 80), Place("172.30.1.2", 80))
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    try cluster.apply(Kube.service("old", old.address), Kube.slice("old", [pods[0]]))
    try cluster.checkReached(old, from: clients, [pods[0]])
    try cluster.sandbox.succeed(["detach"])
    try cluster.checkFails(old, from: clients, networkUnreachable)
    try cluster.attach()
    try cluster.checkReached(old, from: clients, [pods[0]])
    try cluster.apply(Kube.service("new", new.address), Kube.slice("new", [pods[1]]))
    try cluster.checkReached(old, from: clients, [pods[0]])
    try cluster.checkReached(new, from: clients, [pods[1]])
  },
  e2e("e2e_service_1792_endpoints_for_unready_pods") { cluster in
    let vip = Place("172.30.1.1", 80)
    let client = try cluster.pod("client")
    let pod = try cluster.pod("slow")
    func service(_ publish: Bool) -> String {
      Kube.service(
        "tolerant", vip.address,
        spec: ["publishNotReadyAddresses: \(publish)", "selector: {app: slow}"])
    }
    try cluster.apply(service(true), Kube.pod(pod, app: "slow", ready: false))
    try cluster.checkReached(vip, from: [client], [pod])
    try cluster.apply(service(false))
    try cluster.checkFails(vip, from: [client], refused)
    try cluster.apply(service(true))
    try cluster.checkReached(vip, from: [client], [pod])
    try cluster.apply(Kube.pod(pod, app: "slow", ready: false, isDeleted: true))
    try cluster.checkReached(vip, from: [client], [pod])
  },
  e2e("e2e_service_2419_refused_without_endpoints") { cluster in
    let vip = Place("172.30.1.1", 80)
    let clients = [cluster.node, try cluster.pod("client")]
    try cluster.apply(Kube.service("empty", vip.address))
    try cluster.checkFails(vip, from: clients, refused, times: 5)
  },
  e2e("e2e_service_2464_refused_for_evicted_pods") { cluster in
    let vip = Place("172.30.1.1", 80)
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("evicted")
    try cluster.apply(
      Kube.service("web", vip.address, spec: ["selector: {app: web}"]),
      Kube.pod(pod, app: "web", ready: false, phase: "Failed"))
    try cluster.checkFails(vip, from: clients, refused, times: 5)
  },
  e2e("e2e_service_4044_4080_ports_of_restartable_init_containers") { cluster in
    let (number, named) = (Place("172.30.1.1", 80), Place("172.30.1.1", 81))
    let client = try cluster.pod("client")
    let pod = try cluster.pod("pod1")
    try cluster.apply(
      Kube.service(
        "sidecar", number.address,
        ports: [
          "{name: number, port: 80, targetPort: 8080}", "{name: named, port: 81, targetPort: web}",
        ], spec: ["selector: {app: sidecar}"]),
      Kube.pod(
        pod, app: "sidecar", ports: ["{name: web, containerPort: 8080}"],
        containers: "initContainers"))
    try cluster.checkReached(number, from: [client], [pod])
    try cluster.checkReached(named, from: [client], [pod])
  },
  e2e("e2e_service_4116_named_target_port_of_each_endpoint") { cluster in
    let (byPods, bySlices) = (Place("172.30.1.1", 80), Place("172.30.1.2", 80))
    let client = try cluster.pod("client")
    let one = try cluster.pod("pod1", tcp: [8080])
    let two = try cluster.pod("pod2", tcp: [9090])
    let port = "{name: http, port: 80, targetPort: web}"
    try cluster.apply(
      Kube.service("web", byPods.address, ports: [port], spec: ["selector: {app: web}"]),
      Kube.pod(one, app: "web", ports: ["{name: web, containerPort: 8080}"]),
      Kube.pod(two, app: "web", ports: ["{name: web, containerPort: 9090}"]),
      Kube.service("sliced", bySlices.address, ports: [port]), Kube.slice("sliced", [one]),
      Kube.slice("sliced", [two], ports: ["{name: http, port: 9090}"], suffix: "2"))
    try cluster.checkReached(byPods, from: [client], [one, two])
    try cluster.checkReached(bySlices, from: [client], [one, two])
  },
]

let dns = "{name: dns, port: 53, protocol: UDP}"
let dnsTarget = "{name: dns, port: 8080, protocol: UDP}"

/// A test with a cluster of its own.
func e2e(_ name: String, _ body: @escaping @Sendable (Cluster) throws -> Void) -> KernelTest {
  KernelTest(name, inVM: false) { sandbox in try body(Cluster(sandbox)) }
}
