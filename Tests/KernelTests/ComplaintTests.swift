import Glibc
import SocketKit

// What users of other load balancers complained of, played again; the name of each test says
// where. These are about sockets whose backend goes away.

let complaintTests: [KernelTest] =
  Variant.allCases.flatMap { endedSockets($0) } + Variant.allCases.flatMap { oneWaySenders($0) }
  + policies

private let refusalNames = "cilium_45184_47378"

/// A service for one UDP and one TCP port, as seen by clients of a variant.
struct Complaint {
  let variant: Variant
  var annotations: [String] = []
  var name = "dns"
  var number = 10

  private var family: String { variant == .v6 ? "IPv6" : "IPv4" }
  private var address: String { variant == .v6 ? "fd00:172:30::\(number)" : "172.30.0.\(number)" }

  /// As a client's socket writes it.
  var vip: Place { Place(variant == .mapped ? "::ffff:" + address : address, 53) }

  var service: String {
    Kube.service(
      name, address, ports: ["{name: dns, port: 53, protocol: UDP}", "{name: dns-tcp, port: 53}"],
      annotations: annotations, spec: ["ipFamilies: [\(family)]"])
  }

  func slice(_ pods: [ClusterPod], _ condition: Kube.Condition = .ready, part: String = "1")
    -> String
  {
    Kube.slice(
      name, pods, condition,
      ports: ["{name: dns, port: 53, protocol: UDP}", "{name: dns-tcp, port: 53}"], suffix: part,
      family: family)
  }
}

/// Connected sockets of clients that wait for answers.
private func endedSockets(_ variant: Variant) -> [KernelTest] {
  let dns = Complaint(variant: variant)
  return [
    // nginx's resolver connects a UDP socket once and keeps it.
    e2e("calico_4509_\(variant)_nginx_style_resolver_follows_a_rolled_dns_deployment") { cluster in
      let client = try cluster.livingPod("client")
      let old = try (1...2).map { try cluster.pod("old\($0)", tcp: [], udp: [53]) }
      let new = try (1...2).map { try cluster.pod("new\($0)", tcp: [], udp: [53]) }
      try cluster.apply(dns.service, dns.slice(old))
      let resolver = try client.socket(variant, SK_UDP)
      try resolver.connect(dns.vip)
      for _ in 0..<3 {
        let pod = try cluster.ask(with: resolver, to: dns.vip, isConnected: true, "before")
        try check(pod.hasPrefix("old"), "\(pod) answered")
      }
      try cluster.apply(dns.slice(new))
      try resolver.checkEnded("after the rollout")
      let asked = old.map(\.asked)
      // The application connects the same socket again, and others a new one.
      for socket in [resolver, try client.socket(variant, SK_UDP)] {
        try socket.connect(dns.vip)
        try checkEqual(try socket.peerName, dns.vip, "getpeername")
        let pod = try cluster.ask(with: socket, to: dns.vip, isConnected: true, "after")
        try check(pod.hasPrefix("new"), "\(pod) answered")
      }
      try checkEqual(old.map(\.asked), asked, "questions to the old pods")
      try cluster.apply(dns.slice(new))
      try resolver.checkAlive(dns.vip, "after an apply that changes nothing")
    },
    e2e("cilium_48096_\(variant)_only_the_sockets_of_the_replaced_pod_are_ended") { cluster in
      let client = try cluster.livingPod("client")
      let pods = try (1...4).map { try cluster.pod("pod\($0)", tcp: [], udp: [53]) }
      let new = try cluster.pod("new", tcp: [], udp: [53])
      try cluster.apply(dns.service, dns.slice(pods))
      var sockets: [(socket: Socket, pod: String)] = []
      while Set(sockets.map(\.pod)).count < 4 || sockets.count < 20 {
        let socket = try client.socket(variant, SK_UDP)
        try socket.connect(dns.vip)
        let pod = try cluster.ask(with: socket, to: dns.vip, isConnected: true, "a new socket")
        sockets.append((socket, pod))
        try check(sockets.count < 500, "only \(Set(sockets.map(\.pod)))")
      }
      let gone = pods[2]
      try cluster.apply(dns.slice(pods.filter { $0 !== gone } + [new]))
      for (socket, pod) in sockets {
        if pod == gone.name {
          try socket.checkEnded("a socket of \(pod)")
        } else {
          try socket.checkAlive(dns.vip, "a socket of \(pod)")
          let again = try cluster.ask(with: socket, to: dns.vip, isConnected: true, "later")
          try checkEqual(again, pod, "who answers later")
        }
      }
    },
    e2e("calico_4509_\(variant)_a_terminating_pod_keeps_its_sockets_until_it_stops_serving") {
      cluster in
      let client = try cluster.livingPod("client")
      let old = try cluster.pod("old", tcp: [53], udp: [53])
      let new = try cluster.pod("new", tcp: [53], udp: [53])
      try cluster.apply(dns.service, dns.slice([old]))
      let resolver = try client.socket(variant, SK_UDP)
      try resolver.connect(dns.vip)
      let sender = try client.socket(variant, SK_UDP)
      func both(_ pod: String, _ what: String) throws {
        try checkEqual(
          try cluster.ask(with: resolver, to: dns.vip, isConnected: true, what), pod, what)
        try checkEqual(
          try cluster.ask(with: sender, to: dns.vip, isConnected: false, what), pod, what)
      }
      try both("old", "ready")
      try cluster.apply(dns.slice([old], .terminating), dns.slice([new], part: "2"))
      try both("old", "terminating and still serving")
      let fresh = try client.socket(variant, SK_UDP)
      try fresh.connect(dns.vip)
      try checkEqual(
        try cluster.ask(with: fresh, to: dns.vip, isConnected: true, "fresh"), "new", "a new one")
      try cluster.apply(dns.slice([old], .terminatingNotServing))
      try resolver.checkEnded("no longer serving")
      try fresh.checkAlive(dns.vip, "the socket to the new pod")
      try checkEqual(
        try cluster.ask(with: sender, to: dns.vip, isConnected: false, "moved"), "new", "moved")
    },
    e2e("calico_4509_\(variant)_sockets_end_when_a_pod_is_unready_or_its_service_deleted") {
      cluster in
      let client = try cluster.livingPod("client")
      let pods = try (1...2).map { try cluster.pod("pod\($0)", tcp: [], udp: [53]) }
      func connected() throws -> Socket {
        let socket = try client.socket(variant, SK_UDP)
        try socket.connect(dns.vip)
        return socket
      }
      try cluster.apply(dns.service, dns.slice(pods))
      for way in ["unready", "slice deleted", "service deleted"] {
        let socket = try connected()
        switch way {
        case "unready": try cluster.apply(dns.slice(pods, .notReady))
        case "slice deleted": try cluster.delete(dns.slice(pods))
        default: try cluster.delete(dns.service)
        }
        try socket.checkEnded(way)
        try cluster.apply(dns.service, dns.slice(pods))
        try connected().checkAlive(dns.vip, "after it came back")
      }
    },
    e2e("\(refusalNames)_\(variant)_kept_sockets_are_refused_when_no_endpoint_is_left") { cluster in
      let client = try cluster.livingPod("client")
      let pod = try cluster.pod("pod", tcp: [53], udp: [53])
      try cluster.apply(dns.service, dns.slice([pod]))
      let (resolver, sender) = (
        try client.socket(variant, SK_UDP), try client.socket(variant, SK_UDP)
      )
      try resolver.connect(dns.vip)
      try sender.send("who", to: dns.vip)
      try cluster.apply(dns.slice([]))
      for _ in 0..<3 {
        try checkEqual(sender.sendError("who", to: dns.vip), refused, "sendto")
        try checkEqual(resolver.connectError(dns.vip), refused, "connect of the old socket")
        for type in [SK_UDP, SK_TCP] {
          let socket = try client.socket(variant, type)
          try checkEqual(socket.connectError(dns.vip), refused, "connect of a new one")
        }
      }
    },
  ]
}

/// statsd and the like: nobody answers, so nobody notices a black hole.
private func oneWaySenders(_ variant: Variant) -> [KernelTest] {
  let statsd = Complaint(variant: variant, name: "statsd", number: 20)
  return [
    e2e("k8s_139628_\(variant)_connected_statsd_sender_hears_that_its_backend_went") { cluster in
      let client = try cluster.livingPod("client")
      let (old, new) = (
        try cluster.pod("old", tcp: [], udp: [53]), try cluster.pod("new", tcp: [], udp: [53])
      )
      try cluster.apply(statsd.service, statsd.slice([old]))
      let sender = try client.socket(variant, SK_UDP)
      try sender.connect(statsd.vip)
      for _ in 0..<10 { try sender.send("requests:1|c") }
      try eventually {
        try cluster.answerAll(); return old.asked == 10
      }
      try cluster.apply(statsd.slice([new]))
      // It reads nothing: the very next datagram must not be lost in silence.
      do {
        try sender.send("requests:1|c")
        throw Failure("a datagram to a backend that is gone was taken")
      } catch let error as CallFailed {
        try check([ECONNABORTED, EDESTADDRREQ].contains(error.code), "\(error)")
      }
      // The error that waits at the socket is told once, to whoever asks first.
      try check([0, -ECONNABORTED].contains(sk_error(sender.descriptor)), "SO_ERROR")
      try sender.connect(statsd.vip)
      for _ in 0..<10 { try sender.send("requests:1|c") }
      try eventually {
        try cluster.answerAll(); return new.asked == 10
      }
      try checkEqual(old.asked, 10, "datagrams to the old pod")
    },
    e2e("k8s_139628_\(variant)_unconnected_statsd_sender_moves_at_the_next_datagram") { cluster in
      let client = try cluster.livingPod("client")
      let pods = try (1...3).map { try cluster.pod("pod\($0)", tcp: [], udp: [53]) }
      try cluster.apply(statsd.service, statsd.slice([pods[0]]))
      let sender = try client.socket(variant, SK_UDP)
      for (number, pod) in (pods + [pods[0]]).enumerated() {
        if number > 0 { try cluster.apply(statsd.slice([pod])) }
        let before = pods.map(\.asked)
        for _ in 0..<10 { try sender.send("requests:1|c", to: statsd.vip) }
        try eventually {
          try cluster.answerAll(); return pods.map(\.asked).reduce(0, +) == before.reduce(10, +)
        }
        for (other, count) in zip(pods, before) {
          try checkEqual(other.asked - count, other === pod ? 10 : 0, "datagrams to \(other.name)")
        }
      }
    },
  ]
}

/// What is to be ended is the owner's choice.
private let policies: [KernelTest] = [
  e2e("termination_tcp_is_left_alone_unless_asked_for") { cluster in
    for (annotations, ended) in [
      ([], [SK_UDP]), (["socklb.io/terminate: \"tcp,udp\""], [SK_UDP, SK_TCP]),
      (["socklb.io/terminate: tcp"], [SK_TCP]), (["socklb.io/terminate: none"], []),
      (["socklb.io/terminate: udp"], [SK_UDP]),
    ] as [([String], [sk_type])] {
      for variant in Variant.allCases {
        try checkPolicy(cluster, variant, annotations, ended)
      }
    }
  },
  e2e("termination_follows_the_option_of_attach") { cluster in
    try cluster.sandbox.succeed(["detach"])
    try cluster.attach(options: ["--terminate", "tcp,udp"])
    try checkPolicy(cluster, .v4, [], [SK_UDP, SK_TCP])
    try checkPolicy(cluster, .v6, ["socklb.io/terminate: none"], [])
  },
]

/// A service loses its endpoint: sockets of these types are ended, and no others.
private func checkPolicy(
  _ cluster: Cluster, _ variant: Variant, _ annotations: [String], _ ended: [sk_type]
) throws {
  let dns = Complaint(variant: variant, annotations: annotations)
  let client = try cluster.livingPod("client")
  let pod = try cluster.pod("pod", tcp: [53], udp: [53])
  try cluster.apply(dns.service, dns.slice([pod]))
  let sockets = try [SK_UDP, SK_TCP].map { type in
    let socket = try client.socket(variant, type)
    try socket.connect(dns.vip)
    return (type, socket)
  }
  try cluster.apply(dns.slice([]))
  for (type, socket) in sockets {
    let what = "\(annotations), \(variant), \(type == SK_TCP ? "TCP" : "UDP")"
    if ended.contains(type) {
      try socket.checkEnded(what)
    } else {
      try socket.checkAlive(dns.vip, what)
    }
  }
  try cluster.delete(dns.service, dns.slice([]))
}

/// Waits until something is so.
func eventually(
  seconds: Int = 2, line: Int = #line, file: String = #fileID, _ body: () throws -> Bool
) throws {
  let end = sk_milliseconds() + seconds * 1000
  repeat {
    if try body() { return }
    sk_sleep(2)
  } while sk_milliseconds() < end
  throw Failure("it did not come so within \(seconds) s (\(file):\(line))")
}
