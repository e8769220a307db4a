import Glibc
import SocketKit

/// As in ServiceE2ETests.swift: types, traffic policies, terminating endpoints, protocols.
let serviceE2EPolicyTests: [KernelTest] = [
  e2e("e2e_service_1287_functioning_nodeport") { cluster in
    let client = try cluster.pod("client")
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    try cluster.apply(
      Kube.service("web", vip.address, ports: [nodePortHTTP], spec: ["type: NodePort"]),
      Kube.slice("web", pods))
    for clients in [[client], [cluster.node], [pods[0]]] {
      try cluster.checkReached(vip, from: clients, pods)
      try cluster.checkReached(nodePort, from: clients, pods)
      for pod in pods {
        try cluster.checkReached(Place(pod.address, 8080), from: clients, [pod])
      }
    }
  },
  e2e("e2e_service_1313_externalip_no_node_has") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    try cluster.apply(
      Kube.service("web", vip.address, spec: ["externalIPs: [203.0.113.250]"]),
      Kube.slice("web", pods))
    try cluster.checkReached(vip, from: clients, pods)
    try cluster.checkReached(Place("203.0.113.250", 80), from: clients, pods)
  },
  e2e("e2e_service_1350_one_nodeport_for_tcp_and_udp") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1", udp: [8080])
    try cluster.apply(
      Kube.service(
        "both", vip.address,
        ports: [
          "{name: tcp, port: 53, nodePort: 30080}",
          "{name: udp, port: 53, nodePort: 30080, protocol: UDP}",
        ], spec: ["type: NodePort"]),
      Kube.slice(
        "both", [pod],
        ports: ["{name: tcp, port: 8080}", "{name: udp, port: 8080, protocol: UDP}"]))
    for type in [SK_TCP, SK_UDP] {
      try cluster.checkReached(nodePort, type, from: clients, [pod])
      try cluster.checkReached(Place(vip.address, 53), type, from: clients, [pod])
    }
  },
  e2e("e2e_service_1423_1462_externalname_to_clusterip_and_nodeport") { cluster in
    let client = try cluster.pod("client")
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    try cluster.apply(Kube.externalName("web"), Kube.slice("web", pods))
    try cluster.checkFails(vip, from: [client], networkUnreachable)
    try cluster.apply(Kube.service("web", vip.address))
    try cluster.checkReached(vip, from: [client], pods)
    try cluster.apply(Kube.externalName("web"))
    try cluster.checkFails(vip, from: [client], networkUnreachable)
    try cluster.apply(
      Kube.service("web", vip.address, ports: [nodePortHTTP], spec: ["type: NodePort"]))
    try cluster.checkReached(vip, from: [client], pods)
    try cluster.checkReached(nodePort, from: [client], pods)
  },
  e2e("e2e_service_1500_1540_clusterip_and_nodeport_to_externalname") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1")
    for type in ["ClusterIP", "NodePort"] {
      let ports = type == "NodePort" ? [nodePortHTTP] : [Kube.http]
      try cluster.apply(
        Kube.service("web", vip.address, ports: ports, spec: ["type: \(type)"]),
        Kube.slice("web", [pod]))
      try cluster.checkReached(vip, from: clients, [pod])
      if type == "NodePort" { try cluster.checkReached(nodePort, from: clients, [pod]) }
      try cluster.apply(Kube.externalName("web"))
      try cluster.checkFails(vip, from: clients, networkUnreachable)
      try cluster.checkFails(nodePort, from: clients, refused)
      try checkEqual(try cluster.sandbox.succeed(["dump", "frontends"]).output, "", "frontends")
    }
  },
  e2e("e2e_service_1948_terminating_and_unready_if_published") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1")
    let service = Kube.service(
      "web", vip.address, ports: [nodePortHTTP],
      spec: ["type: NodePort", "publishNotReadyAddresses: true"])
    // Here and on the node that has no endpoint.
    for view in [Cluster.nodeName, Cluster.otherNode] {
      try cluster.apply(service, Kube.slice("web", [pod], .terminatingPublished), viewOf: view)
      try cluster.checkReached(vip, from: clients, [pod])
      try cluster.checkReached(nodePort, from: clients, [pod])
    }
  },
  e2e("e2e_service_2068_not_terminating_and_unready_otherwise") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1")
    let service = Kube.service(
      "web", vip.address, ports: [nodePortHTTP], spec: ["type: NodePort"])
    for view in [Cluster.nodeName, Cluster.otherNode] {
      try cluster.apply(service, Kube.slice("web", [pod], .terminatingNotServing), viewOf: view)
      try cluster.checkFails(vip, from: clients, refused, times: 5)
      try cluster.checkFails(nodePort, from: clients, refused, times: 5)
    }
  },
  // MARK: Traffic policies
  e2e("e2e_service_2528_2597_2668_internal_traffic_policy_local") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let servers = [try cluster.pod("pod1"), try cluster.hostPod("host1", tcp: [8080])]
    let away = try cluster.pod("away", on: Cluster.otherNode)
    for server in servers {
      let objects =
        Kube.service("web", vip.address, spec: ["internalTrafficPolicy: Local"])
        + Kube.slice("web", [server, away])
      try cluster.apply(objects)
      try cluster.checkReached(vip, from: clients, [server])
      try cluster.apply(Kube.slice("web", [server]))
      try cluster.checkReached(vip, from: clients, [server])
      try cluster.apply(Kube.slice("web", [server]), viewOf: Cluster.otherNode)
      try cluster.checkFails(vip, from: clients, EHOSTUNREACH, times: 5)
    }
  },
  e2e("e2e_service_2771_other_nodes_node_ports_are_left_alone") { cluster in
    // What answers at the other node's node port stands for the balancer of that node.
    let other = try cluster.hostPod("other", otherNode: "192.168.0.12", tcp: [30080])
    let pod = try cluster.pod("pod1")
    try cluster.apply(
      Kube.service(
        "web", vip.address, ports: [nodePortHTTP],
        spec: ["type: NodePort", "externalTrafficPolicy: Local"]),
      Kube.slice("web", [pod]))
    try cluster.checkReached(nodePort, from: [cluster.node], [pod])
    let answer = try cluster.ask(cluster.node, Place(other.address, 30080))
    try checkEqual(answer, .init(pod: "other", source: Cluster.nodeAddress), "the other node")
  },
  e2e("e2e_service_2920_2994_fallback_to_terminating_internal") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    let away = try cluster.pod("away", on: Cluster.otherNode)
    for policy in ["Cluster", "Local"] {
      let service = Kube.service("web", vip.address, spec: ["internalTrafficPolicy: \(policy)"])
      let slice = Kube.slice("web", pods, .terminating)
      let isLocal = policy == "Local"
      try cluster.apply(service, slice)
      try cluster.checkReached(vip, from: clients, pods)
      try cluster.apply(slice + Kube.slice("web", [away], .ready, suffix: "2"))
      try cluster.checkReached(vip, from: clients, isLocal ? pods : [away])
      try cluster.delete(Kube.slice("web", [away], .ready, suffix: "2"))
      try cluster.apply(slice, viewOf: Cluster.otherNode)
      if isLocal {
        try cluster.checkFails(vip, from: clients, EHOSTUNREACH, times: 5)
      } else {
        try cluster.checkReached(vip, from: clients, pods)
      }
    }
  },
  e2e("e2e_service_3073_3149_fallback_to_terminating_external") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pods = [try cluster.pod("pod1"), try cluster.pod("pod2")]
    for policy in ["Cluster", "Local"] {
      let service = Kube.service(
        "web", vip.address, ports: [nodePortHTTP],
        spec: ["type: NodePort", "externalTrafficPolicy: \(policy)"])
      // The other node's own clients are not bound to its endpoints either.
      for view in [Cluster.nodeName, Cluster.otherNode] {
        try cluster.apply(service, Kube.slice("web", pods, .terminating), viewOf: view)
        try cluster.checkReached(nodePort, from: clients, pods)
      }
    }
  },
  e2e("e2e_service_3833_nodeport_when_the_external_policy_changes") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1")
    for policy in ["Local", "Cluster", "Local"] {
      let service = Kube.service(
        "web", vip.address, ports: [nodePortHTTP],
        spec: ["type: NodePort", "externalTrafficPolicy: \(policy)"])
      // On the endpoint's node, and on the client's own by the short-circuit.
      for view in [Cluster.nodeName, Cluster.otherNode] {
        try cluster.apply(service, Kube.slice("web", [pod]), viewOf: view)
        try cluster.checkReached(nodePort, from: clients, [pod])
        try cluster.checkReached(vip, from: clients, [pod])
      }
    }
  },
  // MARK: Protocols
  e2e("e2e_service_3579_same_port_other_protocol") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1", udp: [8080])
    let (tcp, udp) = ("{name: t, port: 80}", "{name: u, port: 80, protocol: UDP}")
    let slice = Kube.slice(
      "both", [pod], ports: ["{name: t, port: 8080}", "{name: u, port: 8080, protocol: UDP}"])
    try cluster.apply(Kube.service("both", vip.address, ports: [tcp, udp]), slice)
    try cluster.checkReached(vip, SK_TCP, from: clients, [pod])
    try cluster.checkReached(vip, SK_UDP, from: clients, [pod])
    try cluster.apply(Kube.service("both", vip.address, ports: [udp]))
    try cluster.checkFails(vip, SK_TCP, from: clients, refused)
    try cluster.checkReached(vip, SK_UDP, from: clients, [pod])
    try cluster.apply(Kube.service("both", vip.address, ports: [tcp]))
    try cluster.checkReached(vip, SK_TCP, from: clients, [pod])
    try cluster.checkFails(vip, SK_UDP, from: clients, refused)
  },
  e2e("e2e_service_3701_same_port_for_loadbalancer") { cluster in
    let clients = [cluster.node, try cluster.pod("client")]
    let pod = try cluster.pod("pod1", udp: [8080])
    let names = [(80, "TCP"), (80, "UDP"), (443, "TCP"), (443, "UDP")]
    try cluster.apply(
      Kube.service(
        "both", vip.address,
        ports: names.map { "{name: \($1.lowercased())-\($0), port: \($0), protocol: \($1)}" },
        spec: ["type: LoadBalancer", "allocateLoadBalancerNodePorts: false"]),
      Kube.slice(
        "both", [pod],
        ports: names.map { "{name: \($1.lowercased())-\($0), port: 8080, protocol: \($1)}" }))
    for (port, type) in names {
      let place = Place(vip.address, port)
      try cluster.checkReached(place, type == "TCP" ? SK_TCP : SK_UDP, from: clients, [pod])
    }
  },
  e2e("e2e_service_3776_sctp_service") { cluster in
    func modules() -> [Substring] {
      ((try? Disk.read("/proc/modules")) ?? "").split(separator: "\n").filter {
        $0.hasPrefix("sctp ")
      }
    }
    let before = modules()
    let pod = try cluster.pod("pod1")
    let service = Kube.service("signal", vip.address, ports: ["{port: 5060, protocol: SCTP}"])
    func frontends() throws -> String { try cluster.sandbox.succeed(["dump", "frontends"]).output }
    try cluster.apply(service, Kube.slice("signal", []))
    let empty = try frontends()
    try check(empty.contains("\(vip.address):5060/SCTP"), empty)
    for pods in [[pod], []] {
      try cluster.apply(
        Kube.slice("signal", pods, ports: ["{name: \"\", port: 5060, protocol: SCTP}"]))
      let table = try frontends()
      try checkEqual(table.contains("\(pod.address):5060"), !pods.isEmpty, table)
    }
    try checkEqual(modules().count, before.count, "sctp modules")
  },
]

private let vip = Place("172.30.1.1", 80)
private let nodePort = Place(Cluster.nodeAddress, 30080)
private let nodePortHTTP = "{name: http, port: 80, targetPort: 8080, nodePort: 30080}"
