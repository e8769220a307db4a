extension Explanation {
  /// One object; members are always there, and null or empty where there is nothing.
  var value: DescriptionValue {
    .object([
      ("address", .string("\(key.address)")), ("port", .number(UInt64(key.port.number))),
      ("protocol", .string("\(key.transport)")), ("result", .string(result.rawValue)),
      ("why", reason.map { .string($0.rawValue) } ?? .null),
      ("error", reason?.error.map { .string($0) } ?? .null),
      ("service", (service?.service ?? owner).map { .string("\($0)") } ?? .null),
      ("portName", service.map { .string($0.port) } ?? .null),
      ("kind", kind.map { .string($0.rawValue) } ?? .null),
      ("algorithm", .string(algorithm.rawValue)), ("udpChoice", .string(udpChoice.rawValue)),
      ("sourceRanges", .array(sourceRanges.map { .string("\($0)") })),
      ("source", source.map { .string("\($0)") } ?? .null),
      ("sessionAffinity", affinity.map(Self.value) ?? .null),
      (
        "candidates",
        .array(
          candidates.map {
            .object(
              Self.members(of: $0.backend) + [("probability", .share($0.chance, of: $0.outOf))])
          })
      ),
      ("seed", seed.map { .number($0) } ?? .null),
      ("backend", backend.map { .object(Self.members(of: $0)) } ?? .null),
      (
        "leftOut",
        leftOut.map { endpoints in
          .array(
            endpoints.map {
              .object([
                ("address", .string("\($0.address)")),
                ("port", $0.port.map { .number(UInt64($0.number)) } ?? .null),
                ("reason", .string($0.reason.rawValue)),
              ])
            })
        } ?? .null
      ),
      ("drifted", .flag(hasDrifted)), ("mayBeBackend", .flag(mayBeBackend)),
      ("near", .array(near.map(Self.value))),
      (
        "staying",
        .array(
          staying.map {
            .object(
              Self.members(of: $0.backend) + [
                ("connected", .flag($0.isConnected)), ("ageSeconds", .number($0.age)),
              ])
          })
      ),
    ])
  }

  private static func members(of backend: Backend) -> [(String, DescriptionValue)] {
    [
      ("address", .string("\(backend.address)")), ("port", .number(UInt64(backend.port.number))),
    ]
  }

  private static func value(_ affinity: Affinity) -> DescriptionValue {
    .object([
      ("timeoutSeconds", .number(UInt64(affinity.timeout))),
      ("client", affinity.client.map { .number($0.id) } ?? .null),
      ("isCgroup", affinity.client.map { .flag($0.isCgroup) } ?? .null),
      ("ageSeconds", affinity.client?.entry.map { .number($0.age) } ?? .null),
      ("backend", affinity.backend.map { .object(members(of: $0)) } ?? .null),
    ])
  }

  private static func value(_ near: NearMiss) -> DescriptionValue {
    .object([
      ("relation", .string(near.relation.rawValue)), ("service", .string(near.service)),
      ("address", near.key.map { .string("\($0.address)") } ?? .null),
      ("port", near.key.map { .number(UInt64($0.port.number)) } ?? .null),
      ("protocol", near.key.map { .string("\($0.transport)") } ?? .null),
      ("why", near.why.isEmpty ? .null : .string(near.why)),
    ])
  }
}
