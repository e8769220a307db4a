import CServiceABI
import ServiceMaps
import Testing

@Suite struct SocketDumpTests {
  /// 10.96.0.10:53/UDP → 10.0.0.1 (listed, id 0) and 10.0.0.2 (kept, id 1); id 2 is free again.
  static let state: FamilyState = {
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 8, frontends: 8, backends: 8))
    let dns = ServicePortName(service: name("kube-system/kube-dns"), port: "dns", transport: .udp)
    state.services[3] = ServiceRecord(name: dns)
    state.frontends[0] = FrontendRecord(
      key: FrontendKey(address: ip("10.96.0.10"), port: port(53), transport: .udp),
      kind: .clusterIP, service: 3, list: 0)
    state.lists[0] = SlotRange(base: 0, count: 1)
    state.slots = [Slot(backend: backend("10.0.0.1", 53), endpoint: 0, generation: 5)]
    state.endpoints = [
      EndpointRecord(generation: 5, service: 3), EndpointRecord(generation: 6, service: 3),
      EndpointRecord(generation: 8, service: nil),
    ]
    state.kept[KeptRecord(service: 3, backend: backend("10.0.0.2", 53))] = 1
    return state
  }()

  /// So many seconds after boot, on a kernel with HZ=250.
  static func clocks(_ seconds: UInt64) -> KernelClocks {
    KernelClocks(jiffies: 1 << 32 - 75_000 + seconds * 250, nanoseconds: seconds * 1_000_000_000)
  }

  static func flow(
    to address: String = "10.0.0.1", vip: String = "10.96.0.10", service: UInt32 = 3,
    endpoint: UInt32 = 0, generation: UInt32 = 5, connected: Bool = true,
    _ transport: TransportProtocol = .udp
  ) -> SocketFlow {
    SocketFlow(
      vip: backend(vip, 53), backend: backend(address, 53), transport: transport,
      isConnected: connected, service: service, endpoint: endpoint, generation: generation,
      namespace: 7, since: clocks(100).units)
  }

  static func user(
    _ cookie: UInt64, _ pid: UInt32, named command: String = "dig", state: UInt8 = 1,
    local: String = "10.0.0.9", namespace: UInt64 = 7, _ flow: SocketFlow?
  ) -> SocketUser {
    SocketUser(
      cookie: cookie, process: SocketProcess(pid: pid, command: command),
      namespace: NetworkNamespace(cookie: namespace, inode: UInt32(4_026_531_840 + namespace)),
      localAddress: ip(local), localPort: 40_000, state: state, flow: flow)
  }

  static func dump(
    _ users: [SocketUser], _ records: [SocketRecord] = [], _ places: SocketPlaces = .init()
  ) -> SocketDump {
    SocketDump(
      users: users, records: records, states: [state], places: places, now: clocks(292))
  }

  static let oneLine = """
    net:[4026531847] 12/dig 10.0.0.9:40000 -> 10.96.0.10:53/UDP -> 10.0.0.1:53 \
    kube-system/kube-dns:dns ESTAB age=3m12s

    """

  @Test func oneSocketIsOneLine() {
    #expect(Self.dump([Self.user(1, 12, Self.flow())]).string() == Self.oneLine)
  }

  @Test func processesOfOneSocketShareALine() {
    // At two descriptors, in two processes; the same name with a blank and a line end.
    let users = [
      Self.user(1, 13, named: "my app\n", Self.flow()), Self.user(1, 12, Self.flow()),
      Self.user(1, 12, Self.flow()),
    ]
    #expect(
      Self.dump(users).string()
        == Self.oneLine.replacing("12/dig", with: "12/dig,13/my_app_"))
  }

  @Test func flowsOfOneSocketAreLinesInOrder() {
    let users = [
      Self.user(1, 12, Self.flow(vip: "10.96.0.11", connected: false)),
      Self.user(1, 12, Self.flow(connected: false)),
    ]
    let lines = Self.dump(users).string().split(separator: "\n").map(String.init)
    #expect(lines == Self.dump(users.reversed()).string().split(separator: "\n").map(String.init))
    #expect(lines.count == 2)
    #expect(lines[0].contains(" -> 10.96.0.10:53/UDP -> ") && lines[0].contains(" UNCONN "))
    #expect(lines[1].contains(" -> 10.96.0.11:53/UDP -> "))
  }

  @Test func recordsWithoutAProcess() {
    let record = SocketRecord(cookie: 1, flow: Self.flow())
    #expect(
      Self.dump([], [record]).string()
        == "- - - -> 10.96.0.10:53/UDP -> 10.0.0.1:53 kube-system/kube-dns:dns - age=3m12s\n")
    // A process has it, and it has been disconnected.
    #expect(Self.dump([Self.user(1, 12, nil)], [record]).rows.isEmpty)
    #expect(Self.dump([Self.user(1, 12, Self.flow())], [record]).string() == Self.oneLine)
    // Another socket tells what the namespace is.
    let rows = Self.dump([Self.user(2, 12, nil)], [record]).rows
    #expect(rows.map(\.place) == ["net:[4026531847]"])
    #expect(Self.dump([], [record], SocketPlaces(hostCookie: 7)).rows[0].place == "host")
  }

  @Test func namesAreTheFlowsOwn() {
    func said(_ flow: SocketFlow) -> String {
      let row = Self.dump([Self.user(1, 12, flow)]).rows[0]
      return "\(row.label) \(row.backendState.rawValue)"
    }
    #expect(said(Self.flow()) == "kube-system/kube-dns:dns listed")
    let kept = Self.flow(to: "10.0.0.2", endpoint: 1, generation: 6)
    #expect(said(kept) == "kube-system/kube-dns:dns kept")
    // The endpoint went; the VIP is still that service's.
    #expect(said(Self.flow(generation: 4)) == "kube-system/kube-dns:dns gone")
    #expect(said(Self.flow(endpoint: 2, generation: 7)) == "kube-system/kube-dns:dns gone")
    // An id that nobody has yet.
    #expect(said(Self.flow(endpoint: 99)) == "kube-system/kube-dns:dns gone")
    // The VIP went, or is another's now: the id may be, too.
    #expect(said(Self.flow(vip: "10.96.0.99", generation: 4)) == "- gone")
    #expect(said(Self.flow(service: 2, generation: 4)) == "- gone")
    // There is the endpoint, so the VIP was a node port that went.
    #expect(said(Self.flow(vip: "10.96.0.99")) == "kube-system/kube-dns:dns listed")
    #expect(said(Self.flow(.tcp)) == "kube-system/kube-dns:dns listed")
    #expect(said(Self.flow(vip: "fd00::1")) == "- gone")
  }

  @Test func placesHaveTheirBestName() {
    let user = Self.user(1, 12, Self.flow())
    let inode: UInt32 = 4_026_531_847
    func place(_ places: SocketPlaces) -> String { Self.dump([user], [], places).rows[0].place }
    #expect(place(SocketPlaces(hostCookie: 7, names: [inode: "blue"])) == "host")
    #expect(place(SocketPlaces(hostCookie: 8, names: [inode: "blue"])) == "netns:blue")
    #expect(place(SocketPlaces(hostInode: inode)) == "host")
    #expect(place(SocketPlaces(hostCookie: 8, hostInode: inode)) == "net:[4026531847]")
    let pod = PodOfProcess(uid: "u", container: "0123456789abcdef")
    #expect(place(SocketPlaces(hostCookie: 7, pods: [12: pod])) == "pod:u/0123456789ab")
    #expect(place(SocketPlaces(pods: [12: PodOfProcess(uid: "u")])) == "pod:u")
  }

  @Test func statesAreThoseOfSS() {
    func state(_ number: UInt8, _ flow: SocketFlow) -> String? {
      Self.dump([Self.user(1, 12, state: number, flow)]).rows[0].state
    }
    let tcp = Self.flow(.tcp)
    #expect(
      (1...12).map { state($0, tcp) } == [
        "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE",
        "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "state-12",
      ])
    #expect(state(1, Self.flow()) == "ESTAB")
    #expect(state(7, Self.flow(connected: false)) == "UNCONN")
    // It is connected, to somewhere else.
    #expect(state(1, Self.flow(connected: false)) == "UNCONN")
  }

  @Test(arguments: [
    (0, "0s"), (59, "59s"), (60, "1m0s"), (192, "3m12s"), (3599, "59m59s"), (3600, "1h0m"),
    (7_530, "2h5m"), (86_399, "23h59m"), (86_400, "1d0h"), (356_400, "4d3h"),
    (40_000_000, "462d23h"),
  ])
  func ages(_ seconds: UInt64, _ text: String) {
    // A unit later: the flow was stamped at the beginning of one.
    var now = Self.clocks(100 + seconds)
    now.jiffies += 16
    let dump = SocketDump(
      users: [Self.user(1, 12, Self.flow())], states: [Self.state], now: now)
    #expect(dump.string().hasSuffix(" age=\(text)\n"))
  }

  @Test func ageWrapsAndDoesNotGoBelowZero() {
    #expect(Self.clocks(99).age(since: Self.clocks(100).units) == 0)
    // Units have begun anew a minute ago, after eight years.
    let late = Self.clocks(257_698_400)
    #expect(late.units == 972)
    #expect(late.age(since: .max - 277) == 80)
  }

  @Test(arguments: [100, 250, 300, 1000] as [UInt64], [1, 60, 280, 320, 3600, 40_000_000])
  func frequencyIsFound(_ frequency: UInt64, _ seconds: UInt64) {
    // The jiffies began a little later than the clock.
    let jiffies = 1 << 32 - 300 * frequency + seconds * frequency - frequency / 50
    let clocks = KernelClocks(jiffies: jiffies, nanoseconds: seconds * 1_000_000_000)
    #expect(clocks.frequency == frequency)
  }

  @Test func frequencyFiveMinutesAfterBoot() {
    #expect(KernelClocks(jiffies: 1 << 32, nanoseconds: 300_000_000_000).frequency == 250)
  }

  @Test func otherFormats() {
    let user = Self.user(1, 12, named: "a \"b\"", Self.flow())
    let places = SocketPlaces(
      hostCookie: 7, pods: [12: PodOfProcess(uid: "u", container: "0123456789abcdef")])
    #expect(
      Self.dump([user], [], places).string(as: .json) == """
        {"sockets":[
        {"cookie":1,"processes":[{"pid":12,"command":"a \\"b\\""}],"pod":{"uid":"u","containerID":"0123456789abcdef"},"networkNamespace":{"name":"host","inode":4026531847,"cookie":7},"protocol":"UDP","local":{"address":"10.0.0.9","port":40000},"vip":{"address":"10.96.0.10","port":53},"backend":{"address":"10.0.0.1","port":53},"service":"kube-system/kube-dns","portName":"dns","state":"ESTAB","backendState":"listed","ageSeconds":192}
        ]}

        """)
    let record = SocketRecord(cookie: 1, flow: Self.flow(vip: "10.96.0.99", generation: 4))
    #expect(
      Self.dump([], [record]).string(as: .yaml) == """
        sockets:
        - cookie: 1
          processes: []
          pod: null
          networkNamespace: null
          protocol: "UDP"
          local: null
          vip:
            address: "10.96.0.99"
            port: 53
          backend:
            address: "10.0.0.1"
            port: 53
          service: null
          portName: null
          state: null
          backendState: "gone"
          ageSeconds: 192

        """)
    let yaml = Self.dump([user]).string(as: .yaml)
    #expect(yaml.contains("  processes:\n  - pid: 12\n    command: \"a \\\"b\\\"\"\n  pod: null\n"))
    #expect(yaml.contains("  networkNamespace:\n    name: null\n    inode: 4026531847\n"))
    #expect(Self.dump([]).string() == "")
    #expect(Self.dump([]).string(as: .json) == "{\"sockets\":[]}\n")
    #expect(Self.dump([]).string(as: .yaml) == "sockets: []\n")
  }

  @Test func filters() {
    let users = [
      Self.user(1, 12, Self.flow()),
      Self.user(2, 13, Self.flow(to: "10.0.0.2", endpoint: 1, generation: 6)),
      Self.user(3, 14, Self.flow(vip: "10.96.0.99", generation: 4)),
    ]
    let dump = Self.dump(users)
    func cookies(
      _ services: [String] = [], _ backends: [String] = [], pids: Set<UInt32> = []
    ) -> [UInt64] {
      dump.filtered(
        SocketDump.Filter(
          services: services.map { right(SocketServiceFilter($0)) },
          backends: backends.map { right(SocketBackendFilter($0)) }, pids: pids)
      ).rows.map(\.cookie)
    }
    #expect(cookies() == [1, 2, 3])
    #expect(cookies(["kube-system/kube-dns"]) == [1, 2])
    #expect(cookies(["kube-system/kube-dns:dns"]) == [1, 2])
    #expect(cookies(["kube-system/kube-dns:53"]) == [1, 2])
    #expect(cookies(["kube-system/kube-dns:metrics"]) == [])
    #expect(cookies(["kube-dns", "kube-system/other"]) == [])
    #expect(cookies([], ["10.0.0.2"]) == [2])
    #expect(cookies([], ["10.0.0.2:53", "10.0.0.1:54"]) == [2])
    #expect(cookies([], [], pids: [12, 14]) == [1, 3])
    #expect(cookies(["kube-system/kube-dns"], ["10.0.0.1"], pids: [12, 13, 14]) == [1])
  }

  @Test(arguments: ["", "/", "a/", "/a", "a/b/c", "a/b:", ":http", "a/b:c:d"])
  func noServices(_ text: String) { #expect(SocketServiceFilter(text) == nil) }

  @Test(arguments: [
    "", "web", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x", "10.0.0.256", "[::1",
    "[10.0.0.1]:80", "[::1]:", "::1%lo",
  ])
  func noBackends(_ text: String) { #expect(SocketBackendFilter(text) == nil) }

  @Test func backendsWithPorts() {
    #expect(SocketBackendFilter("fd00::1") == SocketBackendFilter(address: ip("fd00::1")))
    #expect(SocketBackendFilter("[fd00::1]") == SocketBackendFilter(address: ip("fd00::1")))
    let filter = SocketBackendFilter(address: ip("fd00::1"), port: port(80))
    #expect(SocketBackendFilter("[fd00::1]:80") == filter)
    #expect(SocketBackendFilter("::ffff:10.0.0.1") == SocketBackendFilter(address: ip("10.0.0.1")))
  }
}

extension SocketDump {
  fileprivate func string(as format: DumpFormat = .text) -> String {
    String(decoding: render(as: format), as: UTF8.self)
  }
}
