import Glibc
import SocketKit

/// One node of a cluster, with pods that have network namespaces of their own.
///
/// The sandbox's network namespace is the node. A bridge joins it with its pods and, so that
/// their pods can answer, with those of other nodes. No namespace has a route out.
final class Cluster {
  static let nodeName = "node-1"
  static let nodeAddress = "192.168.0.11"
  static let otherNode = "node-2"

  let sandbox: Sandbox
  /// A client on the node itself.
  let node: ClusterPod
  private var pods: [ClusterPod] = []

  /// Sets up the node and attaches.
  init(_ sandbox: Sandbox) throws {
    self.sandbox = sandbox
    let namespace = try CallFailed.check(sk_own_network(), "the node's namespace")
    node = ClusterPod("node", Self.nodeName, Self.nodeAddress, "fd00:192::11", namespace)
    try ip([
      "link add cni0 type bridge", "link set cni0 up", "address add 10.244.0.1/16 dev cni0",
      "address add \(Self.nodeAddress)/24 dev cni0",
      "address add fd00:244::1/64 dev cni0 nodad", "address add fd00:192::11/64 dev cni0 nodad",
    ])
    try attach()
  }

  func attach(options: [String] = []) throws {
    try sandbox.succeed(
      ["attach", "--cgroup", sandbox.cgroup, "--node-name", Self.nodeName, "--node-ip"]
        + [Self.nodeAddress + ",fd00:192::11"] + options)
  }

  func apply(_ manifests: String..., viewOf node: String = Cluster.nodeName) throws {
    try sandbox.succeed(["apply", "-f", "-", "--node-name", node], input: manifests.joined())
  }

  /// Repeats something for as long as the command runs, and once more then.
  func apply(_ manifests: String, while body: () throws -> Void) throws {
    let process = try sandbox.start(["apply", "-f", "-"], input: manifests)
    while process.ended == nil { try body() }
    try checkEqual(process.ended, 0, "apply")
    try body()
  }

  func delete(_ manifests: String...) throws {
    try sandbox.succeed(["delete", "-f", "-"], input: manifests.joined())
  }

  // MARK: Pods

  /// Starts a pod that says its name at these ports.
  func pod(
    _ name: String, on nodeName: String = Cluster.nodeName, tcp: [Int] = [8080], udp: [Int] = []
  ) throws -> ClusterPod {
    let number = pods.count + 1
    let subnet = nodeName == Self.nodeName ? 1 : 2
    let namespace = try CallFailed.check(sk_new_network(), "a network namespace")
    let pod = ClusterPod(
      name, nodeName, "10.244.\(subnet).\(number)", "fd00:244::\(subnet):\(number)", namespace)
    try join(pod, "10.244.0.1", prefix: 16)
    try pod.serve(tcp: tcp, udp: udp)
    pods.append(pod)
    return pod
  }

  /// A pod on the host network of this node, or of another one with this address.
  func hostPod(
    _ name: String, otherNode: String? = nil, tcp: [Int] = [8080], udp: [Int] = []
  ) throws -> ClusterPod {
    let pod: ClusterPod
    if let otherNode {
      let namespace = try CallFailed.check(sk_new_network(), "a network namespace")
      pod = ClusterPod(name, Self.otherNode, otherNode, "fd00:192::12", namespace)
      try join(pod, Self.nodeAddress, prefix: 24)
    } else {
      pod = ClusterPod(name, Self.nodeName, node.address, node.address6, try node.sameNamespace())
    }
    try pod.serve(tcp: tcp, udp: udp)
    pods.append(pod)
    return pod
  }

  /// A link from the bridge into a pod.
  private func join(_ pod: ClusterPod, _ gateway: String, prefix: Int) throws {
    let link = "veth\(pods.count + 1)"
    let namespace = "/proc/\(getpid())/fd/\(pod.namespace)"
    try ip([
      "link add \(link) type veth peer name eth0 netns \(namespace)",
      "link set \(link) master cni0 up",
    ])
    try pod.inside {
      try CallFailed.check(sk_loopback_up(), "loopback")
      try ip([
        "address add \(pod.address)/\(prefix) dev eth0",
        "address add \(pod.address6)/64 dev eth0 nodad", "link set eth0 up",
        "route add default via \(gateway)",
        // To a VIP that nobody serves there is no route, as on the node: the client hears of it
        // at once, and not by ICMP messages, of which the kernel sends only so many.
        "route add throw 172.30.0.0/16",
      ])
    }
  }

  /// Runs commands of iproute2 in the namespace that this process is in.
  private func ip(_ commands: [String]) throws {
    guard let tool = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].first(where: Disk.exists) else {
      throw Failure("there is no ip command: install iproute2")
    }
    let (input, output) = (sandbox.directory + "/ip-input", sandbox.directory + "/ip-output")
    try Disk.write(commands.joined(separator: "\n") + "\n", to: input)
    let process = try Process([tool, "-batch", "-"], input: input, output: output, errors: output)
    let code = process.wait(seconds: 10)
    let said = try Disk.read(output)
    try check(code == 0, "ip \(commands): \(said)")
  }

  /// Lets every pod answer whoever asked it.
  func answerAll() throws { for pod in pods { try pod.answer() } }

  // MARK: Clients

  /// What a client came to: which pod answered, and whom it saw; or errno.
  struct Answer: Equatable {
    var pod = ""
    var source = ""
    var error: Int32 = 0
  }

  /// Asks from a pod, with a new socket, who is at an address.
  func ask(_ client: ClusterPod, _ to: Place, _ type: sk_type = SK_TCP) throws -> Answer {
    let variant: Variant = to.address.contains(":") ? .v6 : .v4
    let socket = try client.inside { try Socket(variant, type) }
    if case let error = socket.connectError(to), error != 0 { return Answer(error: error) }
    if type == SK_UDP {
      do { try socket.send("who") } catch let error as CallFailed {
        return Answer(error: error.code)
      }
    }
    for _ in 0..<500 {
      for pod in pods { try pod.answer() }
      do {
        if let reply = try socket.receive(within: 1) {
          let words = reply.text.split(separator: " ").map(String.init)
          guard words.count == 2 else { throw Failure("'\(reply.text)' came from \(to)") }
          return Answer(pod: words[0], source: words[1])
        }
      } catch let error as CallFailed {
        return Answer(error: error.code)
      }
    }
    return Answer(error: ETIMEDOUT)
  }

  /// All these pods answer at the address, and no other one.
  func checkReached(
    _ to: Place, _ type: sk_type = SK_TCP, from clients: [ClusterPod], _ expected: [ClusterPod],
    line: Int = #line, file: String = #fileID
  ) throws {
    let names = Set(expected.map(\.name))
    for client in clients {
      var seen: Set<String> = []
      var tries = 0
      while tries < 5 || seen != names {
        let answer = try ask(client, to, type)
        tries += 1
        let what = "\(client.name) to \(to), try \(tries)"
        try check(
          names.contains(answer.pod), "\(what): \(answer), expected one of \(names)", line: line,
          file: file)
        seen.insert(answer.pod)
        try check(tries < 200, "\(what): only \(seen) of \(names)", line: line, file: file)
      }
    }
  }

  /// Nobody answers at the address; with an errno: this is what a client gets.
  func checkFails(
    _ to: Place, _ type: sk_type = SK_TCP, from clients: [ClusterPod], _ error: Int32? = nil,
    times: Int = 1, line: Int = #line, file: String = #fileID
  ) throws {
    for client in clients {
      for _ in 0..<times {
        let answer = try ask(client, to, type)
        let what = "\(client.name) to \(to): \(answer)"
        try check(answer.pod.isEmpty && answer.error != 0, what, line: line, file: file)
        if let error { try checkEqual(answer.error, error, what, line: line, file: file) }
      }
    }
  }
}

/// A network namespace with an address, and servers in it that say who they are.
final class ClusterPod {
  let name: String
  let nodeName: String
  let address: String
  let address6: String
  fileprivate let namespace: Int32
  private var servers: [(socket: Socket, type: sk_type)] = []
  /// What runs in the pod.
  var processes: [Process] = []
  /// How many datagrams and connections came to its servers.
  private(set) var asked = 0

  fileprivate init(
    _ name: String, _ nodeName: String, _ address: String, _ address6: String, _ namespace: Int32
  ) {
    self.name = name
    self.nodeName = nodeName
    self.address = address
    self.address6 = address6
    self.namespace = namespace
  }

  deinit { close(namespace) }

  fileprivate func sameNamespace() throws -> Int32 {
    let copy = fcntl(namespace, F_DUPFD_CLOEXEC, 0)
    return try CallFailed.check(copy < 0 ? -errno : copy, "dup")
  }

  /// Runs something in the pod's network namespace.
  func inside<T>(_ body: () throws -> T) throws -> T {
    let before = try CallFailed.check(sk_own_network(), "the own namespace")
    defer { close(before) }
    try CallFailed.check(sk_enter_network(namespace), "entering \(name)")
    let result = Result { try body() }
    try CallFailed.check(sk_enter_network(before), "leaving \(name)")
    return try result.get()
  }

  func serve(tcp: [Int] = [], udp: [Int] = []) throws {
    for (type, ports) in [(SK_TCP, tcp), (SK_UDP, udp)] {
      for port in ports {
        for (variant, own) in [(Variant.v4, address), (.v6, address6)] {
          let socket = try inside { try Socket(variant, type) }
          try socket.bind(Place(own, port))
          if type == SK_TCP { try socket.listen() }
          servers.append((socket, type))
        }
      }
    }
  }

  /// Ends its servers; who asks is refused from now on.
  func stopServing() { servers = [] }

  /// Says its name, and who asked, to all who wait.
  func answer() throws {
    for (socket, type) in servers {
      if type == SK_TCP {
        while let connection = try socket.accept() {
          asked += 1
          try connection.send("\(name) \(try connection.peerName.address)")
        }
      } else {
        while let datagram = try socket.receive(within: 0) {
          asked += 1
          try socket.send("\(name) \(datagram.from.address)", to: datagram.from)
        }
      }
    }
  }
}
