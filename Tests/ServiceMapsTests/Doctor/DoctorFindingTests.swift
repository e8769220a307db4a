import ServiceMaps
import Testing

/// What `doctor` concludes from what it has looked at.
@Suite struct DoctorFindingTests {
  // MARK: Kernel

  @Test func aMissingFeatureIsAFailureUnlessACommandAloneNeedsIt() {
    for feature in KernelFeature.allCases {
      let there = feature.finding(.there)
      #expect(there.verdict == .ok)
      #expect(there.message == "\(feature.name) (Linux \(feature.since))")
      let missing = feature.finding(.missing)
      #expect(missing.verdict == (feature.onlyFor == nil ? .failure : .warning))
      #expect(missing.message.contains(feature.name))
      #expect(missing.remedy?.contains("Linux \(feature.since)") == true)
      // A probe that failed says nothing about the kernel.
      let unknown = feature.finding(.inconclusive("Cannot allocate memory"))
      #expect(unknown.verdict == .warning)
      #expect(unknown.message.contains("Cannot allocate memory"))
    }
  }

  @Test func settingsThatCostTimeAreWarnings() {
    let slow = KernelSettings(compiler: "0", statistics: "1").findings
    #expect(slow.map(\.verdict) == [.warning, .warning])
    #expect(slow[0].remedy?.contains("bpf_jit_enable=1") == true)
    #expect(slow[1].remedy?.contains("bpf_stats_enabled=0") == true)
    #expect(
      KernelSettings(compiler: "1", statistics: "0").findings.allSatisfy { $0.verdict == .ok })
    // What cannot be read is not guessed.
    #expect(KernelSettings().findings.count == 1)
  }

  // MARK: kube-proxy

  @Test func chainsOfTheKubeletAreNotThoseOfKubeProxy() {
    for chain in [
      "KUBE-SERVICES", "KUBE-SVC-ABC", "KUBE-SEP-X", "KUBE-NODEPORTS", "KUBE-PROXY-CANARY",
    ] {
      #expect(OtherProxy.isOwn(chain: chain), "\(chain)")
    }
    for chain in [
      "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-FIREWALL", "KUBE-MARK-DROP", "INPUT",
    ] {
      #expect(!OtherProxy.isOwn(chain: chain), "\(chain)")
    }
  }

  @Test func rulesWithoutKubeProxyAreLeftOver() {
    var found = OtherProxy()
    #expect(found.findings.map(\.verdict) == [.ok])
    found.rules = [
      .init(place: "iptables (nft)", names: ["KUBE-SVC-A", "KUBE-SVC-B"], command: "nft")
    ]
    found.virtualServers = 1
    found.hasInterface = true
    let left = found.findings
    #expect(left.map(\.verdict) == [.warning, .warning])
    #expect(
      left[0].message.hasPrefix(
        "left over from kube-proxy, iptables (nft): 2 names such as KUBE-SVC-A"))
    #expect(left[0].remedy?.contains("kube-proxy --cleanup") == true)
    #expect(left[1].message.contains("1 virtual server, and the interface kube-ipvs0"))
    // While it runs, its rules are no leftovers.
    found.processes = [812]
    let running = found.findings
    #expect(running[0].message == "kube-proxy runs (process 812)")
    #expect(
      running.dropFirst().allSatisfy {
        $0.message.hasPrefix("rules of kube-proxy") && $0.remedy == nil
      })
  }

  @Test func whatCouldNotBeLookedAtIsSaid() {
    var found = OtherProxy()
    found.obstacles = [
      .init("rules of nftables: Operation not permitted", remedy: "look at it with `nft`")
    ]
    #expect(found.findings.map(\.verdict) == [.warning])
    #expect(found.findings[0].message.hasPrefix("not looked at: rules of nftables"))
  }

  // MARK: Room

  @Test func roomIsAWarningFromFourFifthsOn() {
    func fill(_ used: Int, limit: Int) -> [Finding] {
      MapFill(uses: [.init("frontends of IPv4", used: used, room: 10, limit: limit)]).findings
    }
    #expect(fill(80, limit: 100).map(\.verdict) == [.ok])
    #expect(fill(81, limit: 100).map(\.verdict) == [.warning])
    #expect(fill(81, limit: 100)[0].message == "81 of 100 frontends of IPv4: 81 %")
    #expect(fill(81, limit: 100)[0].remedy?.contains("--max-frontends") == true)
    #expect(fill(100, limit: 100)[0].message.hasPrefix("the maps are full: 100 frontends of IPv4"))
    #expect(fill(0, limit: 0).map(\.verdict) == [.ok])
  }

  @Test func roomIsAgainstWhatMapsMayGrowTo() {
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 4, frontends: 4, backends: 4))
    for id in 0..<4 {
      state.services[UInt32(id)] = ServiceRecord(
        name: ServicePortName(service: name("a/b\(id)"), port: "", transport: .tcp))
    }
    #expect(MapFill([state], limits: nil).findings.map(\.verdict) == [.warning])
    #expect(
      MapFill([state], limits: Capacities(services: 100, frontends: 100, backends: 100)).findings
        .map(\.verdict) == [.ok])
  }

  @Test func recordsOfSockets() {
    #expect(MapFill.sockets(records: 8, capacity: 10, setFull: 0).verdict == .ok)
    #expect(MapFill.sockets(records: 9, capacity: 10, setFull: 0).verdict == .warning)
  }

  // MARK: Clocks

  @Test func clocksThatAgreeAreOneLine() {
    var facts = ClockFacts(wall: 1_800_000_000, monotonic: 5_000_000_000, sinceBoot: 5_000_001_000)
    facts.lastChange = 1_800_000_000
    facts.lastAffinity = 4_999_999_999
    #expect(facts.findings.map(\.verdict) == [.ok])
    #expect(facts.findings[0].message == "clocks agree with what is recorded")
    facts.sinceBoot += 90_000_000_000
    #expect(facts.findings[0].message.contains("slept for 90 s"))
  }

  @Test func aClockBehindTheHistoryIsAWarning() {
    var facts = ClockFacts(wall: 1_800_000_000, monotonic: 0, sinceBoot: 0)
    facts.lastChange = 1_800_003_600
    #expect(facts.findings.map(\.verdict) == [.warning])
    #expect(facts.findings[0].message.contains("is behind the last change"))
    facts.lastChange = nil
    facts.lastGrowth = 1_800_003_600
    #expect(facts.findings.map(\.verdict) == [.warning])
  }

  @Test func clocksThatCannotBe() {
    var facts = ClockFacts(wall: 0, monotonic: 10_000_000_000, sinceBoot: 10_000_000_000)
    facts.lastAffinity = 70_000_000_000
    #expect(facts.findings.map(\.verdict) == [.failure])
    #expect(facts.findings[0].message.contains("60 s in the future"))
    // In a time namespace the comparison means nothing; ages are wrong, and that is said.
    facts.offset = -86_400
    #expect(facts.findings.map(\.verdict) == [.warning])
    facts = ClockFacts(wall: 0, monotonic: 2, sinceBoot: 1)
    #expect(facts.findings.map(\.verdict) == [.failure])
    // There each clock has an offset of its own.
    facts.offset = 86_400
    #expect(facts.findings.map(\.verdict) == [.warning])
  }

  // MARK: Clients

  private func frontend(_ address: String, _ service: String, _ backends: [Backend]) -> Frontend {
    Frontend(
      key: FrontendKey(address: ip(address), port: port(80), transport: .tcp), kind: .clusterIP,
      service: ServicePortName(service: name(service), port: "http", transport: .tcp),
      backends: backends)
  }

  @Test func aServiceWithClientsAndNoEndpointIsSeen() {
    let table = ServiceTable(frontends: [
      frontend("10.96.0.1", "shop/web", [backend("10.0.0.1", 80)]),
      frontend("10.96.0.2", "shop/empty", []), frontend("10.96.0.3", "shop/quiet", []),
      // Reachable by one of its addresses: not empty.
      frontend("10.96.0.4", "shop/half", []),
      frontend("10.96.0.5", "shop/half", [backend("10.0.0.1", 80)]),
    ])
    func counters(_ refused: [String: UInt64]) -> [ServicePortName: ServiceCounters] {
      Dictionary(
        uniqueKeysWithValues: refused.map {
          (
            ServicePortName(service: name($0), port: "http", transport: .tcp),
            ServiceCounters(refused: $1)
          )
        })
    }
    let quiet = ClientCheck.findings(table, counters(["shop/half": 3, "shop/web": 1]))
    #expect(quiet.map(\.verdict) == [.ok])
    #expect(
      quiet[0].message == "2 of 4 service ports have no endpoint, and nobody has asked for them")
    let found = ClientCheck.findings(table, counters(["shop/empty": 12, "shop/half": 3]))
    #expect(found.map(\.verdict) == [.warning])
    #expect(found[0].message == "shop/empty:http has no endpoint, and has refused 12 times")
    #expect(found[0].remedy?.hasPrefix("`socklb describe service shop/empty`") == true)
  }

  @Test func manyOfThemAreCounted() {
    let names = (0..<15).map { "shop/s\($0)" }
    let table = ServiceTable(
      frontends: names.enumerated().map { frontend("10.96.0.\($0)", $1, []) })
    let counters = Dictionary(
      uniqueKeysWithValues: table.frontends.enumerated().map {
        ($1.service, ServiceCounters(refused: UInt64($0 + 1)))
      })
    let found = ClientCheck.findings(table, counters)
    #expect(found.count == 11)
    #expect(found[0].message.contains("has refused 15 times"))
    #expect(found[10].message == "5 more have no endpoint and refused somebody")
  }
}
