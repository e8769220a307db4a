import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `dump sockets`, with sockets of every kind.
let socketDumpTests: [KernelTest] =
  Variant.allCases.map { variant in
    KernelTest("dump_sockets_\(variant)_shows_every_kind_of_socket") { sandbox in
      let vips = [variant.vip(1), variant.vip(2)]
      let tcp = try Pods(variant, SK_TCP, 1...1)
      let udp = try Pods(variant, SK_UDP, 1...2)
      try sandbox.attach([
        frontend(vips[0], .tcp, tcp.places), frontend(vips[0], .udp, [udp.places[0]]),
        frontend(vips[1], .udp, of: "test/dns", portName: "dns", [udp.places[1]]),
      ])
      try checkEqual(try sandbox.sockets(), [], "sockets before there is one")
      let connections = try [SK_TCP, SK_UDP].map { type in
        let socket = try Socket(variant, type)
        try socket.connect(vips[0])
        return socket
      }
      let writer = try Socket(variant, SK_UDP)
      for vip in vips { try writer.send("x", to: vip) }
      let direct = try Socket(variant, SK_UDP)
      try direct.connect(tcp.seen(tcp.places[0]))
      let expected = [
        row(connections[0], vips[0], .tcp, tcp.places[0], "test/web:80"),
        row(connections[1], vips[0], .udp, udp.places[0], "test/web:80"),
        row(writer, vips[0], .udp, udp.places[0], "test/web:80", "UNCONN"),
        row(writer, vips[1], .udp, udp.places[1], "test/dns:dns", "UNCONN"),
      ]
      try checkEqual(try sandbox.sockets(), try expected.map { try $0() }.sorted(), "sockets")

      // TCP: the other side goes first.
      let (_, accepted) = try tcp.accept()
      _ = shutdown(accepted.descriptor, Int32(SHUT_WR))
      sk_sleep(20)
      try check(
        try sandbox.sockets().contains(
          row(connections[0], vips[0], .tcp, tcp.places[0], "test/web:80", "CLOSE-WAIT")()),
        "no CLOSE-WAIT")
      withExtendedLifetime((tcp, udp, connections, writer, direct, accepted)) {}
    }
  } + [
    KernelTest("dump_sockets_shows_all_processes_that_share_a_socket") { sandbox in
      let (vip, pods) = (Variant.v4.vip(1), try Pods(.v4, SK_TCP, 1...1))
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let client = try Socket(.v4, SK_TCP)
      try client.connect(vip)
      let copy = fcntl(client.descriptor, F_DUPFD_CLOEXEC, 0)
      defer { close(copy) }
      let children = try (1...2).map { _ in try CallFailed.check(sk_fork_idle(), "fork") }
      defer { for child in children { kill(child, SIGKILL) } }
      let processes = [getpid()] + children
      let shared = try row(client, vip, .tcp, pods.places[0], "test/web:80", processes: processes)()
      try checkEqual(try sandbox.sockets(), [shared], "sockets")
      try checkEqual(try sandbox.sockets(["--pid", "\(children[1])"]), [shared], "of one child")
      for child in children {
        kill(child, SIGKILL)
        _ = sk_wait_child(child, 5000)
      }
      let alone = try row(client, vip, .tcp, pods.places[0], "test/web:80")()
      try checkEqual(try sandbox.sockets(), [alone], "after the children")
      withExtendedLifetime((pods, client)) {}
      try checkEqual(try sandbox.sockets(["--pid", "\(children[1])"]), [], "of a dead child")
    },
    KernelTest("dump_sockets_shows_two_services_with_one_pod_and_filters") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let (web, api) = (Variant.v4.vip(1), Variant.v4.vip(2, port: 443))
      try sandbox.attach([
        frontend(web, .tcp, of: "test/web", portName: "http", [pods.places[0]]),
        frontend(api, .tcp, of: "test/api", [pods.places[0]]),
        frontend(Variant.v4.vip(3), .tcp, of: "default/web", portName: "http", [pods.places[1]]),
      ])
      let clients = try [web, api, Variant.v4.vip(3)].map { vip in
        let client = try Socket(.v4, SK_TCP)
        try client.connect(vip)
        return client
      }
      let rows = [
        try row(clients[0], web, .tcp, pods.places[0], "test/web:http")(),
        try row(clients[1], api, .tcp, pods.places[0], "test/api:443")(),
        try row(clients[2], Variant.v4.vip(3), .tcp, pods.places[1], "default/web:http")(),
      ]
      for (options, expected) in [
        ([], [0, 1, 2]), (["--service", "test/web"], [0]), (["--service", "web"], [2]),
        (["--service", "test/web:http"], [0]), (["--service", "test/web:80"], [0]),
        (["--service", "test/web:https"], []), (["--service", "test/api:443"], [1]),
        (["--service", "test/api", "--service", "web"], [1, 2]),
        (["--backend", "10.0.0.1"], [0, 1]), (["--backend", "10.0.0.1:8080"], [0, 1]),
        (["--backend", "10.0.0.1:8081"], []), (["--pid", "\(getpid())"], [0, 1, 2]),
        (["--pid", "1"], []), (["--backend", "10.0.0.1", "--service", "test/api"], [1]),
      ] {
        try checkEqual(
          try sandbox.sockets(options), expected.map { rows[$0] }.sorted(), "with \(options)")
      }
      let json = try sandbox.succeed(["dump", "sockets", "-o", "json", "--service", "test/api"])
      try check(json.output.contains(#""service":"test/api","portName":"""#), json.all)
      try check(json.output.contains(#""processes":[{"pid":\#(getpid()),"#), json.all)
      let yaml = try sandbox.succeed(["dump", "sockets", "-o", "yaml", "--service", "test/api"])
      try check(yaml.output.hasPrefix("sockets:\n- cookie: "), yaml.all)
      withExtendedLifetime((pods, clients)) {}
    },
    KernelTest("dump_sockets_marks_backends_that_are_gone_or_kept") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let vip = Variant.v4.vip(1)
      let dataplane = try sandbox.attach([frontend(vip, .tcp, [pods.places[0]])])
      let client = try Socket(.v4, SK_TCP)
      try client.connect(vip)
      func expect(_ label: String, _ mark: String, line: Int = #line) throws {
        let expected = try row(client, vip, .tcp, pods.places[0], label, mark: mark)()
        try checkEqual(try sandbox.sockets(), [expected], "sockets", line: line)
      }
      func serve(_ frontends: [Frontend], kept: [KeptEndpoint] = []) throws {
        try dataplane.tables.commit(
          dataplane.tables.prepare(ServiceTable(frontends: frontends, keptEndpoints: kept)))
      }
      try expect("test/web:80", "")
      let next = try frontend(vip, .tcp, [pods.places[1]])
      let leaving = KeptEndpoint(service: next.service, backend: try backend(pods.places[0]))
      try serve([next], kept: [leaving])
      try expect("test/web:80", " kept")
      try serve([next])
      try expect("test/web:80", " gone")
      // The service goes as well; another one has its id soon, perhaps even the VIP.
      try serve([])
      try expect("-", " gone")
      try serve([frontend(Variant.v4.vip(2), .tcp, of: "test/other", [pods.places[1]])])
      try expect("-", " gone")
      withExtendedLifetime((pods, client)) {}
    },
    KernelTest("dump_sockets_forgets_sockets_that_are_closed_or_disconnected") { sandbox in
      let pods = try Pods(.v4, SK_UDP, 1...2)
      let (vip, other) = (Variant.v4.vip(1), Variant.v4.vip(2))
      try sandbox.attach([
        frontend(vip, .udp, [pods.places[0]]),
        frontend(other, .udp, of: "test/other", [pods.places[1]]),
      ])
      let client = try Socket(.v4, SK_UDP)
      try client.connect(vip)
      try checkEqual(try sandbox.sockets().count, 1, "connected")
      // No program runs when it is disconnected.
      try client.disconnect()
      try checkEqual(try sandbox.sockets(), [], "disconnected")
      try client.send("x", to: other)
      try checkEqual(try sandbox.sockets(["--service", "test/other"]).count, 1, "after sendto")
      try client.connect(vip)
      try checkEqual(try sandbox.sockets().count, 2, "connected again")
      try client.connect(pods.places[0])
      try checkEqual(
        try sandbox.sockets(["--service", "test/web"]), [], "connected to the pod itself")
      do {
        let brief = try (1...50).map { _ in try Socket(.v4, SK_UDP) }
        for socket in brief { try socket.connect(vip) }
        try checkEqual(try sandbox.sockets(["--service", "test/web"]).count, 50, "many")
        withExtendedLifetime(brief) {}
      }
      try checkEqual(try sandbox.sockets(["--service", "test/web"]), [], "closed")
      withExtendedLifetime((pods, client)) {}
    },
    KernelTest("dump_sockets_shows_sockets_that_no_process_has") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...1)
      let vip = Variant.v4.vip(1)
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      var ends: [Int32] = [-1, -1]
      do {
        let client = try Socket(.v4, SK_TCP)
        try client.connect(vip)
        try CallFailed.check(sk_pass(client.descriptor, &ends), "SCM_RIGHTS")
      }
      try checkEqual(
        try sandbox.sockets(), ["- - - -> 172.30.0.1:80/TCP -> 10.0.0.1:8080 test/web:80 -"],
        "in flight")
      for end in ends { close(end) }
      for _ in 0..<100 {
        if try sandbox.sockets().isEmpty { break }
        sk_sleep(10)
      }
      try checkEqual(try sandbox.sockets(), [], "thrown away")
      withExtendedLifetime(pods) {}
    },
    KernelTest("dump_sockets_names_pods_and_the_host") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...1)
      let vip = Variant.v4.vip(1)
      try sandbox.attach(
        ServiceTable(frontends: [frontend(vip, .tcp, pods.places)]),
        settings: KernelTables.Settings(
          hostNetworkNamespace: KernelTables.Settings.ownNetworkNamespace))
      let client = try Socket(.v4, SK_TCP)
      try client.connect(vip)
      func expect(_ place: String) throws {
        let expected = try row(client, vip, .tcp, pods.places[0], "test/web:80", place: place)()
        try checkEqual(try sandbox.sockets(), [expected], "sockets")
      }
      try expect("host")
      let uid = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
      let container = String(repeating: "0123456789abcdef", count: 4)
      _ = try sandbox.makeCgroup("kubepods")
      _ = try sandbox.makeCgroup("kubepods/pod\(uid)")
      try Sandbox.join(try sandbox.makeCgroup("kubepods/pod\(uid)/\(container)"))
      try expect("pod:\(uid)/0123456789ab")
      withExtendedLifetime((pods, client)) {}
    },
    KernelTest("dump_sockets_shows_mptcp") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...1)
      let vip = Variant.v4.vip(1)
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let client: Socket
      do { client = try Socket(.v4, SK_MPTCP) } catch {
        print("no MPTCP here")
        return
      }
      try client.connect(vip)
      let expected = try row(client, vip, .tcp, pods.places[0], "test/web:80")()
      try checkEqual(try sandbox.sockets(), [expected], "sockets")
      withExtendedLifetime((pods, client)) {}
    },
  ]

extension Sandbox {
  /// The lines of `dump sockets`, without their ages, which are small.
  fileprivate func sockets(_ options: [String] = []) throws -> [String] {
    try succeed(["dump", "sockets"] + options).output.split(separator: "\n").map { line in
      let words = line.split(separator: " ").map(String.init)
      let ages = words.filter { $0.hasPrefix("age=") }
      try check(
        ages.count == 1 && ages[0].dropFirst(4).dropLast().allSatisfy(\.isNumber)
          && ages[0].hasSuffix("s"), "the age in '\(line)'")
      return words.filter { !$0.hasPrefix("age=") }.joined(separator: " ")
    }.sorted()
  }
}

/// The line of a socket, once it is known where it is bound.
private func row(
  _ socket: Socket, _ vip: Place, _ transport: TransportProtocol, _ pod: Place, _ label: String,
  _ state: String = "ESTAB", processes: [Int32] = [getpid()], place: String? = nil,
  mark: String = ""
) -> () throws -> String {
  {
    var info = stat()
    try CallFailed.check(stat("/proc/self/ns/net", &info) == 0 ? 0 : -errno, "stat")
    let name = try Disk.read("/proc/self/comm").filter { $0 != "\n" }
    let users = processes.map { "\($0)/\(name)" }.joined(separator: ",")
    return "\(place ?? "net:[\(info.st_ino)]") \(users) \(text(try socket.ownName)) -> "
      + "\(text(vip))/\(transport) -> \(text(pod)) \(label) \(state)\(mark)"
  }
}

private func text(_ place: Place) -> String {
  let address = place.canonical.address
  return address.contains(":") ? "[\(address)]:\(place.port)" : "\(address):\(place.port)"
}
