import ServiceMaps
import Testing

/// What must hold for any input, tried on random ones. The seed is in the message of a failure.
@Suite struct KnownObjectsPropertyTests {
  static let ranges = cidrs("172.30.0.0/24,fd00:172:30::/120")

  /// Services that mostly leave their addresses to be assigned, slices and Pods.
  static func objects(_ random: inout SeededGenerator) -> [KubernetesObject] {
    var objects: [KubernetesObject] = []
    for i in 0..<Int.random(in: 1...30, using: &random) {
      objects.append(
        service("default/service-\(i)") { service in
          if random.chance(10) { service.clusterIPs = [IPAddress(v4: 0xac1e_0000 + UInt32(i) + 1)] }
          if random.chance(10) { service.isHeadless = service.clusterIPs.isEmpty }
          if random.chance(30) { service.ipFamilyPolicy = .preferDualStack }
          if random.chance(10) { service.kind = .externalName }
          if random.chance(20) { service.externalIPs = [ip("192.168.0.\(i % 3 + 1)")] }
          if random.chance(20) { service.selector = ["app": "app-\(i % 3)"] }
        })
    }
    for i in 0..<Int.random(in: 0...30, using: &random) {
      objects.append(
        slice(
          "default/slice-\(i)", of: "service-\(Int.random(in: 0..<30, using: &random))",
          (0..<3).map { _ in "10.0.0.\(Int.random(in: 1...9, using: &random))" }
        ) { slice in
          for j in slice.endpoints.indices {
            slice.endpoints[j].isReady = random.chance(60)
            slice.endpoints[j].isTerminating = random.chance(30)
          }
        })
    }
    for i in 0..<Int.random(in: 0...10, using: &random) {
      objects.append(
        pod("default/pod-\(i)", ["10.1.0.\(i)", "fd00:10::\(i)"], labels: ["app": "app-\(i % 3)"]))
    }
    return objects
  }

  @Test func orderOfDocumentsDoesNotMatter() {
    for seed in 0..<300 {
      var random = SeededGenerator(seed: UInt64(seed))
      let input = manifests(KnownObjectsPropertyTests.objects(&random))
      var known = KnownObjects()
      _ = known.merge(input, cidrs: Self.ranges)
      let compiled = TableCompiler().compile(known)
      for _ in 0..<5 {
        var shuffled = KnownObjects()
        _ = shuffled.merge(input.shuffled(using: &random), cidrs: Self.ranges)
        #expect(shuffled == known, "seed \(seed)")
        #expect(shuffled.encode() == known.encode(), "seed \(seed)")
        #expect(TableCompiler().compile(shuffled) == compiled, "seed \(seed)")
      }
    }
  }

  @Test func applyingAgainChangesNothing() {
    for seed in 0..<300 {
      var random = SeededGenerator(seed: UInt64(seed))
      let input = manifests(KnownObjectsPropertyTests.objects(&random))
      var known = KnownObjects()
      let first = known.merge(input, cidrs: Self.ranges)
      #expect(first.changes.allSatisfy { $0.action == .created }, "seed \(seed)")
      let before = known
      for prune in [false, true] {
        let again = known.merge(input, prune: prune, cidrs: Self.ranges)
        #expect(!again.isChange && again.changes.count == input.count, "seed \(seed)")
        #expect(known == before, "seed \(seed)")
      }
    }
  }

  /// A long life of applies and deletes: no address is ever in two Services, and no Service
  /// loses one it still omits.
  @Test func addressesAreUniqueAndKept() {
    for seed in 0..<60 {
      var random = SeededGenerator(seed: UInt64(seed))
      var known = KnownObjects()
      for _ in 0..<20 {
        let objects = KnownObjectsPropertyTests.objects(&random)
        let before = known
        let prune = random.chance(20)
        let result = known.merge(manifests(objects), prune: prune, cidrs: Self.ranges)
        if result.isRefused {
          #expect(known == before, "seed \(seed)")
          continue
        }
        let all = known.objects.values.flatMap(\.clusterIPs)
        #expect(Set(all).count == all.count, "seed \(seed)")
        for known in known.objects.values where known.object.kind == .service {
          guard case .service(let service) = known.object else { continue }
          let wants = !service.isHeadless && service.kind != .externalName
          #expect(known.clusterIPs.isEmpty != wants, "seed \(seed)")
          if wants, service.clusterIPs.isEmpty, let old = before[known.object.id]?.clusterIPs.first
          {
            #expect(known.clusterIPs.contains(old), "seed \(seed)")
          }
        }
        if prune { #expect(known.count == objects.count, "seed \(seed)") }
        if random.chance(50), let victim = objects.randomElement(using: &random) {
          _ = known.delete(manifests(victim))
          #expect(known[victim.id] == nil)
        }
      }
    }
  }

  @Test func storedAndReadIsTheSame() throws {
    for seed in 0..<100 {
      var random = SeededGenerator(seed: UInt64(seed))
      let known = known(KnownObjectsPropertyTests.objects(&random))
      let objects = Dictionary(
        uniqueKeysWithValues: known.objects.values.map { ($0.json, $0.object) })
      #expect(try KnownObjects(decoding: known.encode()) { objects[$0] } == known, "seed \(seed)")
    }
  }

  @Test func tableIsSortedAndUnique() {
    for seed in 0..<300 {
      var random = SeededGenerator(seed: UInt64(seed))
      let table = TableCompiler().compile(known(KnownObjectsPropertyTests.objects(&random))).table
      let keys = table.frontends.map(\.key)
      #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed)")
      for frontend in table.frontends {
        let backends = frontend.backends
        #expect(zip(backends, backends.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed)")
        #expect(
          backends.allSatisfy { $0.address.family == frontend.key.address.family },
          "seed \(seed)")
      }
    }
  }
}
