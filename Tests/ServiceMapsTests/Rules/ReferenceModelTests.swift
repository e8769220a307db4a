import ServiceMaps
import Testing

/// The product and the reference model say the same of random Services and slices.
@Suite struct ReferenceModelTests {
  private static func options(_ node: Reference.Node) -> CompileOptions {
    var options = CompileOptions(
      node: NodeIdentity(
        name: node.name, zone: node.zone, addresses: node.addresses.map { ip($0.text) }),
      localhostNodePorts: node.servesLocalhost)
    if node.isPrimaryOnly { options.nodePortAddresses = .primary }
    if !node.ranges.isEmpty {
      options.nodePortAddresses = right(
        NodePortAddresses(node.ranges.map(\.text).joined(separator: ",")))
    }
    return options
  }

  /// The answer of the product, in the words of the reference model.
  private static func answer(_ table: ServiceTable) -> Reference.Answer {
    Reference.Answer(
      entries: Set(
        table.frontends.map { frontend in
          Reference.Entry(
            place: "\(frontend.key.address) \(frontend.key.port) \(frontend.key.transport)",
            kind: frontend.kind.rawValue,
            backends: frontend.backends.map { "\($0.address) \($0.port)" }.sorted(),
            isDropped: frontend.whenEmpty == .drop,
            sources: frontend.sourceRanges.map(\.description).sorted())
        }), guarded: Set(table.guardedAddresses.map(\.description)),
      kept: Set(
        table.keptEndpoints.map {
          "\($0.service.port) \($0.service.transport) \($0.backend.address) \($0.backend.port)"
        }))
  }

  /// 4 × 10,000 cases. How often each rule decided something is counted, so that the cases
  /// cannot become ones in which nothing happens.
  @Test(arguments: 0..<4) func sameAnswers(_ part: Int) throws {
    var seen: [String: Int] = [:]
    var failures = 0
    for seed in (part * 10_000)..<((part + 1) * 10_000) where failures < 3 {
      var random = SeededGenerator(seed: UInt64(seed))
      let made = RandomCase(&random)
      let manifest = made.manifest
      let decoded = decodeManifests([ManifestFile(name: "case", bytes: Array(manifest.utf8))])
      #expect(!decoded.hasErrors, "seed \(seed): \(decoded.diagnostics)\n\(manifest)")
      var known = KnownObjects()
      let changes = known.merge(decoded.objects)
      #expect(!changes.isRefused, "seed \(seed): \(changes.diagnostics)\n\(manifest)")
      let options = Self.options(made.given)
      let table = TableCompiler(options: options).compile(known).table
      let expected = Reference.answer(made.service, made.slices, made.node)
      let found = Self.answer(table)
      if found != expected {
        failures += 1
        Issue.record(
          """
          seed \(seed)
          only the reference: \(expected.entries.subtracting(found.entries))
          only the product:   \(found.entries.subtracting(expected.entries))
          guarded: \(expected.guarded) and \(found.guarded)
          kept: \(expected.kept) and \(found.kept)
          node: \(made.node)
          \(manifest)
          """)
      }
      #expect(table.frontends.count == found.entries.count, "seed \(seed): one key twice")
      if !expected.kept.isEmpty { seen["kept", default: 0] += 1 }
      for entry in expected.entries {
        seen[entry.kind, default: 0] += 1
        if entry.isDropped { seen["dropped", default: 0] += 1 }
        if !entry.sources.isEmpty { seen["restricted", default: 0] += 1 }
        if entry.backends.isEmpty { seen["empty", default: 0] += 1 }
        if entry.backends.count > 1 { seen["several", default: 0] += 1 }
      }
    }
    for what in [
      "ClusterIP", "NodePort", "ExternalIP", "LoadBalancer", "dropped", "restricted", "empty",
      "several", "kept",
    ] {
      #expect(seen[what, default: 0] > 500, "\(what): \(seen)")
    }
  }
}
