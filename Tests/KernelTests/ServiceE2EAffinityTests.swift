import SocketKit

/// As in ServiceE2ETests.swift: session affinity, and labels that give a Service to others.
let serviceE2EAffinityTests: [KernelTest] = [
  e2e("e2e_service_2229_2266_session_affinity") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = try (1...3).map { try cluster.pod("pod\($0)") }
    try cluster.apply(service(["sessionAffinity: ClientIP"]), Kube.slice("web", pods))
    for client in clients {
      for place in [vip, nodePort] {
        try checkEqual(try answering(cluster, client, place, tries: 15).count, 1, "\(place)")
      }
    }
  },
  e2e("e2e_service_2235_2272_affinity_timeout") { cluster in
    let client = try cluster.pod("client")
    let pods = try (1...3).map { try cluster.pod("pod\($0)") }
    // Round robin beside it: whoever chooses anew gets another endpoint for certain.
    try cluster.apply(
      service(
        [
          "sessionAffinity: ClientIP",
          "sessionAffinityConfig: {clientIP: {timeoutSeconds: 1}}",
        ], annotations: ["socklb.io/algorithm: round-robin"]),
      Kube.slice("web", pods))
    for place in [vip, nodePort] {
      let first = try cluster.ask(client, place)
      try check(!first.pod.isEmpty, "\(place): \(first)")
      for _ in 0..<4 {
        sk_sleep(400)
        try checkEqual(try cluster.ask(client, place), first, "used within the time-out")
      }
      sk_sleep(1200)
      try check(try cluster.ask(client, place) != first, "\(place): the time-out is over")
    }
  },
  e2e("e2e_service_2251_2288_affinity_switched") { cluster in
    let client = try cluster.pod("client")
    let pods = try (1...3).map { try cluster.pod("pod\($0)") }
    try cluster.apply(Kube.slice("web", pods))
    for affinity in ["ClientIP", "None", "ClientIP"] {
      try cluster.apply(service(["sessionAffinity: \(affinity)"]))
      for place in [vip, nodePort] {
        let count = try answering(cluster, client, place, tries: 40).count
        try check(affinity == "None" ? count > 1 : count == 1, "\(affinity), \(place): \(count)")
      }
    }
  },
  e2e("e2e_service_2294_service_proxy_name") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = try (1...3).map { try cluster.pod("pod\($0)") }
    let other = Place("172.30.1.2", 80)
    let label = "service.kubernetes.io/service-proxy-name: foo-bar"
    try cluster.apply(
      Kube.service("labelled", vip.address, labels: [label]), Kube.slice("labelled", pods),
      Kube.service("plain", other.address), Kube.slice("plain", pods))
    try cluster.checkReached(other, from: clients, pods)
    try cluster.checkFails(vip, from: clients, networkUnreachable)
    try cluster.apply(Kube.service("plain", other.address, labels: [label]))
    try cluster.checkFails(other, from: clients, networkUnreachable)
    try cluster.apply(Kube.service("plain", other.address))
    try cluster.checkReached(other, from: clients, pods)
    try cluster.checkFails(vip, from: clients, networkUnreachable)
  },
  e2e("e2e_service_2345_headless_label_on_a_slice") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = try (1...3).map { try cluster.pod("pod\($0)") }
    let label = "service.kubernetes.io/headless: \"\""
    try cluster.apply(Kube.service("web", vip.address), Kube.slice("web", pods))
    try cluster.checkReached(vip, from: clients, pods)
    try cluster.apply(Kube.slice("web", pods, labels: [label]))
    try cluster.checkFails(vip, from: clients, refused)
    try cluster.apply(Kube.slice("web", pods))
    try cluster.checkReached(vip, from: clients, pods)
  },
]

private let vip = Place("172.30.1.1", 80)
private let nodePort = Place(Cluster.nodeAddress, 30080)

private func service(_ spec: [String], annotations: [String] = []) -> String {
  Kube.service(
    "web", vip.address,
    ports: ["{name: http, port: 80, targetPort: 8080, nodePort: 30080}"],
    annotations: annotations, spec: ["type: NodePort"] + spec)
}

/// Which pods answered a client.
private func answering(
  _ cluster: Cluster, _ client: ClusterPod, _ place: Place, tries: Int
) throws -> Set<String> {
  var names: Set<String> = []
  for _ in 0..<tries {
    let answer = try cluster.ask(client, place)
    try check(!answer.pod.isEmpty, "\(client.name) to \(place): \(answer)")
    names.insert(answer.pod)
  }
  return names
}
