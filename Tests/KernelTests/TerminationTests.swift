import Glibc
import SocketKit

// The cure must not be worse than the complaint: which sockets are ended, and which are not.

let terminationTests: [KernelTest] =
  Variant.allCases.flatMap { rightSockets($0) } + descriptors + crowds

private func rightSockets(_ variant: Variant) -> [KernelTest] {
  let dns = Complaint(variant: variant)
  let other = Complaint(variant: variant, name: "other", number: 11)
  return [
    // cilium PR 48725: it looked for all sockets with the address of the backend.
    e2e("cilium_48564_\(variant)_spares_unconnected_server_and_direct_sockets") { cluster in
      let client = try cluster.livingPod("client")
      let pod = try cluster.livingPod("pod", udp: [53])
      let spare = try cluster.pod("spare", tcp: [], udp: [53])
      try cluster.apply(dns.service, dns.slice([pod]))
      let victim = try client.socket(variant, SK_UDP)
      try victim.connect(dns.vip)
      // They have sent to it, by the service or without.
      let unconnected = try client.socket(variant, SK_UDP)
      try cluster.ask(with: unconnected, to: dns.vip, isConnected: false, "unconnected")
      let direct = try client.socket(variant, SK_UDP)
      try direct.connect(pod.seen(variant, 53))
      try cluster.ask(with: direct, to: pod.seen(variant, 53), isConnected: true, "direct")
      let directSender = try client.socket(variant, SK_UDP)
      try cluster.ask(
        with: directSender, to: pod.seen(variant, 53), isConnected: false, "direct, unconnected")
      // Servers: on the port of the service in the client's pod, and the pod's own.
      let server = try client.socket(variant, SK_UDP)
      try server.bind(
        Place(variant == .v4 ? "0.0.0.0" : variant == .v6 ? "::" : "::ffff:0.0.0.0", 53))
      let replies = try pod.socket(variant, SK_UDP)
      try replies.connect(client.seen(variant, 53))
      let idle = try client.socket(variant, SK_UDP)
      try cluster.apply(dns.slice([spare]))
      try victim.checkEnded("the socket that the service led to the pod")
      try unconnected.checkAlive(nil, "the unconnected socket")
      try direct.checkAlive(pod.seen(variant, 53), "the direct connection")
      try directSender.checkAlive(nil, "the direct sender")
      try server.checkAlive(nil, "the server socket in the client's pod")
      try replies.checkAlive(client.seen(variant, 53), "the pod's own connected socket")
      try idle.checkAlive(nil, "a socket that was never used")
      // They do work.
      try cluster.ask(with: direct, to: pod.seen(variant, 53), isConnected: true, "direct, later")
      try cluster.ask(with: unconnected, to: dns.vip, isConnected: false, "unconnected, later")
      try replies.send("x")
      try check(try server.receive() != nil, "the server hears nothing")
    },
    e2e("cilium_48564_\(variant)_spares_sockets_that_another_service_leads_to_the_pod") { cluster in
      let client = try cluster.livingPod("client")
      let pod = try cluster.pod("pod", tcp: [], udp: [53])
      try cluster.apply(dns.service, dns.slice([pod]), other.service, other.slice([pod]))
      let (one, two) = (try client.socket(variant, SK_UDP), try client.socket(variant, SK_UDP))
      try one.connect(dns.vip)
      try two.connect(other.vip)
      try cluster.apply(dns.slice([]))
      try one.checkEnded("the socket of the service that lost the pod")
      try two.checkAlive(other.vip, "the socket of the other service")
      try cluster.ask(with: two, to: other.vip, isConnected: true, "the other service")
      try cluster.apply(dns.slice([pod]))
      try one.connect(dns.vip)
      try cluster.apply(other.slice([]))
      try two.checkEnded("then the other one's")
      try one.checkAlive(dns.vip, "the first one's")
    },
    // What a socket was connected to before does not count, whether a program ran in between
    // (connect) or not (connect(AF_UNSPEC)).
    e2e("cilium_42658_\(variant)_spares_sockets_that_have_gone_on_elsewhere") { cluster in
      let client = try cluster.livingPod("client")
      let pod = try cluster.pod("pod", tcp: [], udp: [53, 54])
      let away = try cluster.pod("away", tcp: [], udp: [53])
      let direct = pod.seen(variant, 53)
      try cluster.apply(dns.service, dns.slice([pod]), other.service, other.slice([away]))
      func begun() throws -> Socket {
        let socket = try client.socket(variant, SK_UDP)
        try socket.connect(dns.vip)
        return socket
      }
      var spared: [(socket: Socket, peer: Place?, what: String)] = []
      for (peer, what) in [
        (direct, "the pod itself"), (other.vip, "another service"),
        (pod.seen(variant, 54), "another port of the pod"),
      ] {
        for isUnspec in [false, true] {
          let socket = try begun()
          if isUnspec { try socket.disconnect() }
          try socket.connect(peer)
          spared.append((socket, peer, what + (isUnspec ? " by AF_UNSPEC" : "")))
        }
      }
      let disconnected = try begun()
      try disconnected.disconnect()
      spared.append((disconnected, nil, "nothing"))
      let failed = try begun()
      try disconnected.send("who", to: dns.vip)
      // The same port, in another socket.
      let port = try begun().ownName.port
      let heir = try client.socket(variant, SK_UDP)
      try heir.bind(
        Place(variant == .v4 ? "0.0.0.0" : variant == .v6 ? "::" : "::ffff:0.0.0.0", port))
      try heir.connect(direct)
      spared.append((heir, direct, "a socket with the port of one that was closed"))
      let back = try begun()
      try back.connect(other.vip)
      try back.connect(dns.vip)
      try cluster.apply(dns.slice([]))
      for (socket, peer, what) in spared { try socket.checkAlive(peer, what) }
      try failed.checkEnded("the one that stayed")
      try back.checkEnded("the one that came back")
      for (socket, peer, what) in spared where peer != nil {
        try cluster.ask(with: socket, to: peer!, isConnected: true, what)
      }
    },
    // cilium#39470 is the one of `mapped`.
    e2e("cilium_39470_\(variant)_sockets_on_the_node_and_in_pods_are_ended") { cluster in
      let clients = [
        cluster.node, try cluster.livingPod("client1"), try cluster.livingPod("client2"),
      ]
      let pod = try cluster.pod("pod", tcp: [], udp: [53])
      try cluster.apply(dns.service, dns.slice([pod]))
      let sockets = try clients.map { client in
        let socket = try client.socket(variant, SK_UDP)
        try socket.connect(dns.vip)
        return (client.name, socket)
      }
      try cluster.apply(dns.slice([]))
      for (name, socket) in sockets { try socket.checkEnded(name) }
    },
  ]
}

/// A socket is not its descriptor, and not the process that made it.
private let descriptors: [KernelTest] = [
  e2e("cilium_42649_passed_and_duplicated_sockets_are_ended_once_and_rightly") { cluster in
    let dns = Complaint(variant: .v4)
    let client = try cluster.livingPod("client")
    let pods = try (1...2).map { try cluster.pod("pod\($0)", tcp: [], udp: [53]) }
    try cluster.apply(dns.service, dns.slice([pods[0]]))
    func connected() throws -> Socket {
      let socket = try client.socket(.v4, SK_UDP)
      try socket.connect(dns.vip)
      return socket
    }
    // Passed on, and the descriptor that connected is closed.
    var pair: [Int32] = [-1, -1]
    var original: Socket? = try connected()
    try CallFailed.check(sk_pass(original!.descriptor, &pair), "SCM_RIGHTS")
    original = nil
    let copied = try connected()
    let copy = try Socket.taken(from: dup(copied.descriptor))
    let stays = try connected()
    try stays.disconnect()
    try cluster.apply(dns.slice([pods[1]]))
    // It was in the message when its backend went.
    let taken = try Socket.taken(from: sk_take(pair[1]))
    for descriptor in pair { close(descriptor) }
    try taken.checkEnded("the socket in a message")
    try copy.checkEnded("the copy")
    try checkEqual(copied.peerText, "none", "the one it was copied from")
    try stays.checkAlive(nil, "a disconnected one")
    try copied.connect(dns.vip)
    try cluster.ask(with: copy, to: dns.vip, isConnected: true, "by the copy")
  }
]

/// Ten thousand sockets in three namespaces, of which the service led a hundred to the pod that
/// goes.
private let crowds: [KernelTest] = [
  KernelTest("termination_hits_exactly_100_of_10_000_sockets", inVM: false, timeLimit: 120) {
    sandbox in
    let cluster = try Cluster(sandbox)
    let clients = [
      cluster.node, try cluster.livingPod("client1"), try cluster.livingPod("client2"),
    ]
    let pods = try (1...2).map { try cluster.pod("pod\($0)", tcp: [], udp: [53]) }
    let variants = Variant.allCases
    var crowd = Crowd()
    // First the victims: as long as there is one endpoint, it is known who is led where.
    for (place, ended) in [(0, true), (1, false)] {
      for variant in variants {
        let dns = Complaint(variant: variant, name: "dns-\(variant)", number: number(variant))
        try cluster.apply(dns.service, dns.slice([pods[place]], part: "\(place)"))
        // 34 + 33 + 33 = 100 are to be ended, and 1,500 lead to the other pod.
        let count = ended ? (variant == .v4 ? 34 : 33) : 500
        for index in 0..<count {
          try crowd.add(
            clients[index % 3], variant, SK_UDP, connectedTo: dns.vip, peer: dns.vip, isEnded: ended
          )
        }
        if ended {
          for _ in 0..<200 {
            let sender = try crowd.add(clients[1], variant, SK_UDP, peer: nil, isEnded: false)
            try sender.send("who", to: dns.vip)
            let former = try crowd.add(
              clients[2], variant, SK_UDP, connectedTo: dns.vip, peer: nil, isEnded: false)
            try former.disconnect()
          }
          // Both endpoints, so that those already connected stay where they are.
          try cluster.apply(dns.slice([pods[1]], part: "1"))
          try cluster.apply(dns.slice([pods[0]], .terminating, part: "0"))
        }
      }
    }
    try addBystanders(&crowd, clients, pods)
    try checkEqual(crowd.members.count, 10_000, "sockets")
    try checkEqual(crowd.members.count(where: \.isEnded), 100, "sockets to be ended")
    // All three services lose it with one apply.
    let start = sk_milliseconds()
    try cluster.apply(
      variants.map { variant in
        Complaint(variant: variant, name: "dns-\(variant)", number: number(variant))
          .slice([pods[0]], .terminatingNotServing, part: "0")
      }.joined())
    print("the apply took \(sk_milliseconds() - start) ms")
    try crowd.checkAll()
  }
]

/// Each variant has a service of its own, so that the one for mapped clients is an IPv4 one too.
private func number(_ variant: Variant) -> Int {
  switch variant {
  case .v4: 31
  case .v6: 32
  case .mapped: 33
  }
}

/// 7,200 more that are not to be touched.
private func addBystanders(
  _ crowd: inout Crowd, _ clients: [ClusterPod], _ pods: [ClusterPod]
) throws {
  for index in 0..<7_200 {
    let variant = Variant.allCases[index % 3]
    let client = clients[index / 3 % 3]
    let vip = Complaint(variant: variant, number: number(variant)).vip
    let pod = pods[index % 2].seen(variant, 53)
    switch index / 9 % 4 {
    case 0:  // straight to the pod that goes, or to the other one
      try crowd.add(client, variant, SK_UDP, connectedTo: pod, peer: pod, isEnded: false)
    case 1:  // sends to the service, unconnected
      let socket = try crowd.add(client, variant, SK_UDP, peer: nil, isEnded: false)
      try socket.send("who", to: vip)
    case 2:  // was connected to the service
      let socket = try crowd.add(
        client, variant, SK_UDP, connectedTo: vip, peer: nil, isEnded: false)
      try socket.disconnect()
    default:  // never used
      try crowd.add(client, variant, index % 2 == 0 ? SK_UDP : SK_TCP, peer: nil, isEnded: false)
    }
  }
}

private struct Crowd {
  struct Member {
    var socket: Socket
    var peer: Place?
    var isEnded: Bool
  }
  var members: [Member] = []

  @discardableResult
  mutating func add(
    _ client: ClusterPod, _ variant: Variant, _ type: sk_type, connectedTo: Place? = nil,
    peer: Place?, isEnded: Bool
  ) throws -> Socket {
    let socket = try client.socket(variant, type)
    if let connectedTo { try socket.connect(connectedTo) }
    members.append(Member(socket: socket, peer: peer, isEnded: isEnded))
    return socket
  }

  func checkAll() throws {
    var (missed, hit) = (0, 0)
    for member in members {
      let error = -sk_error(member.socket.descriptor)
      let peer = member.socket.peerText
      if member.isEnded {
        if error != ECONNABORTED || peer != "none" { missed += 1 }
      } else if error != 0 || peer != member.peer?.description ?? "none" {
        hit += 1
      }
    }
    try checkEqual([missed, hit], [0, 0], "sockets that were missed, and wrongly hit")
  }
}
