import ServiceMaps
import Testing

/// Which Service gets which clusterIPs (pkg/registry/core/service/storage/alloc.go).
@Suite struct ClusterIPTests {
  static let ranges = cidrs("172.30.0.0/16,fd00:172:30::/112")

  private func families(
    _ cidrs: ServiceCIDRs = ClusterIPTests.ranges, _ change: (inout Service) -> Void
  ) -> [IPFamily]? {
    var known = KnownObjects()
    let result = known.merge(manifests(service("default/web", change)), cidrs: cidrs)
    if result.isRefused { return nil }
    return known[serviceID("default/web")]?.clusterIPs.map(\.family)
  }

  @Test func familiesAsTheAPIServerChoosesThem() {
    let only4 = cidrs("172.30.0.0/16")
    let only6 = cidrs("fd00:172:30::/112")
    #expect(families { _ in } == [.v4])
    #expect(families(only6) { _ in } == [.v6])
    #expect(families { $0.ipFamilies = [.v6] } == [.v6])
    #expect(families(only4) { $0.ipFamilies = [.v6] } == nil)
    #expect(families { $0.ipFamilyPolicy = .preferDualStack } == [.v4, .v6])
    #expect(families(only4) { $0.ipFamilyPolicy = .preferDualStack } == [.v4])
    #expect(families(only6) { $0.ipFamilyPolicy = .preferDualStack } == [.v6])
    #expect(families { $0.ipFamilyPolicy = .requireDualStack } == [.v4, .v6])
    #expect(families(only4) { $0.ipFamilyPolicy = .requireDualStack } == nil)
    #expect(families { $0.ipFamilies = [.v6, .v4] } == [.v6, .v4])
    #expect(
      families {
        $0.ipFamilies = [.v6]
        $0.ipFamilyPolicy = .requireDualStack
      } == [.v6, .v4])
    #expect(
      families {
        $0.ipFamilies = [.v6, .v4]
        $0.ipFamilyPolicy = .singleStack
      } == [.v6])
    #expect(families { $0.isHeadless = true } == [])
    #expect(families { $0.kind = .externalName } == [])
    #expect(families { $0.kind = .nodePort } == [.v4])
  }

  @Test func explicitOnesAreCompleted() {
    #expect(
      families {
        $0.clusterIPs = [ip("fd00:172:30::5")]
        $0.ipFamilyPolicy = .preferDualStack
      } == [.v6, .v4])
    #expect(families { $0.clusterIPs = [ip("fd00:172:30::5")] } == [.v6])
    #expect(
      families {
        $0.clusterIPs = [ip("172.30.0.5")]
        $0.ipFamilies = [.v6]
      } == nil)
  }

  @Test func keptWhenOmitted() {
    var known = KnownObjects()
    func apply(_ change: @escaping (inout Service) -> Void) -> [IPAddress] {
      let result = known.merge(
        manifests(service("default/web", change)), cidrs: ClusterIPTests.ranges)
      #expect(!result.isRefused, "\(result.diagnostics)")
      return known[serviceID("default/web")]!.clusterIPs
    }
    let assigned = apply { _ in }
    #expect(apply { $0.ports[0].port = port(81) } == assigned)
    // Explicit ones stay as well, and so do both of two.
    let explicit = [ip("172.30.0.7"), ip("fd00:172:30::7")]
    #expect(apply { $0.clusterIPs = explicit } == explicit)
    #expect(apply { _ in } == explicit)
    #expect(apply { $0.clusterIPs = [explicit[0]] } == explicit)
    // Families restrict what stays, and change the order.
    #expect(apply { $0.ipFamilies = [.v6, .v4] } == [explicit[1], explicit[0]])
    #expect(apply { $0.ipFamilyPolicy = .singleStack } == [explicit[1]])
    let both = apply { $0.ipFamilyPolicy = .requireDualStack }
    #expect(both[0] == explicit[1] && both[1].family == .v4 && both.count == 2)
    #expect(apply { $0.ipFamilies = [.v4] } == [both[1]])
    // Headless and ExternalName give them back.
    #expect(apply { $0.isHeadless = true } == [])
    #expect(known[serviceID("default/web")]!.assignedClusterIPs == [])
    #expect(apply { _ in } == assigned)
    #expect(apply { $0.kind = .externalName } == [])
  }

  @Test func oneAddressForOneService() {
    var known = KnownObjects()
    let a = service("default/a") { $0.clusterIPs = [ip("172.30.0.7")] }
    let b = service("default/b") { $0.clusterIPs = [ip("172.30.0.7")] }
    let both = known.merge(manifests(b, a), cidrs: ClusterIPTests.ranges)
    #expect(
      both.diagnostics.map(\.description) == [
        "test.yaml:1: document 1: Service default/b: spec.clusterIPs[0]: 172.30.0.7 is already "
          + "allocated to Service default/a"
      ])
    #expect(known.isEmpty)
    #expect(!known.merge(manifests(a), cidrs: ClusterIPTests.ranges).isRefused)
    #expect(known.merge(manifests(b), cidrs: ClusterIPTests.ranges).isRefused)
    // Not with `prune`, or when the owner gives it up in the same input, or is gone.
    let c = service("default/a") { $0.clusterIPs = [ip("172.30.0.8")] }
    var pruned = known
    #expect(!pruned.merge(manifests(b), prune: true, cidrs: ClusterIPTests.ranges).isRefused)
    #expect(!known.merge(manifests(b, c), cidrs: ClusterIPTests.ranges).isRefused)

    // An assigned one is as taken as an explicit one.
    _ = known.merge(manifests(service("default/x")), cidrs: ClusterIPTests.ranges)
    let assigned = known[serviceID("default/x")]!.clusterIPs[0]
    let thief = service("default/thief") { $0.clusterIPs = [assigned] }
    let result = known.merge(manifests(thief, service("default/x")), cidrs: ClusterIPTests.ranges)
    #expect(
      result.diagnostics.map(\.message) == ["\(assigned) is already allocated to Service default/x"]
    )
    _ = known.deleteService(name("default/x"))
    #expect(!known.merge(manifests(thief), cidrs: ClusterIPTests.ranges).isRefused)
  }

  @Test(arguments: [
    // 256 are left, the last one is the broadcast address.
    ("172.30.0.0/23", 255, "172.30.1.0"), ("172.30.0.0/24", 239, "172.30.0.16"),
    ("172.30.0.0/28", 14, "172.30.0.1"), ("172.30.0.0/30", 2, "172.30.0.1"),
    ("172.30.0.0/31", 0, ""), ("172.30.0.0/32", 0, ""),
    ("fd00:172:30::/119", 256, "fd00:172:30::100"), ("fd00:172:30::/126", 3, "fd00:172:30::1"),
    ("172.30.0.0/30,172.31.0.0/30", 4, "172.30.0.1"),
  ]) func rangesAreUsedUpAndNoMore(_ text: String, _ size: Int, _ lowest: String) {
    let ranges = cidrs(text)
    var known = KnownObjects()
    let services = (0..<size).map { service("default/web-\($0)") }
    let full = known.merge(manifests(services), cidrs: ranges)
    #expect(!full.isRefused, "\(full.diagnostics)")
    let given = known.objects.values.flatMap(\.clusterIPs)
    #expect(Set(given).count == size && given.allSatisfy(ranges.contains))
    #expect(given.min()?.description ?? "" == lowest)
    let more = known.merge(manifests(service("default/more")), cidrs: ranges)
    #expect(
      more.diagnostics.map(\.description) == [
        "test.yaml:1: document 1: Service default/more: spec.clusterIP: no "
          + "\(ranges.defaultFamily) address is left in the service CIDRs \(ranges)"
      ])
    #expect(known.count == size)
  }

  @Test func outsideIsOneNote() {
    var known = KnownObjects()
    let result = known.merge(
      manifests(
        (1...9).map { i in
          service("default/web-\(i)") { $0.clusterIPs = [ip("192.0.2.\(i)")] }
        }))
    #expect(result.diagnostics.count == 1)
    #expect(result.diagnostics[0].severity == .note)
  }
}
