extension ServiceDescription {
  /// One object; members are always there, and null or empty where there is nothing.
  var json: String { value.text }

  private var value: DescriptionValue {
    .object([
      ("name", .string(service.meta.name.name)),
      ("namespace", .string(service.meta.name.namespace)),
      ("labels", .strings(service.meta.labels)),
      ("annotations", .strings(service.meta.annotations)),
      ("selector", service.selector.map { .strings($0) } ?? .null),
      ("type", .string(service.kind.rawValue)),
      ("headless", .flag(service.isHeadless)),
      ("externalName", service.externalName.map { .string($0) } ?? .null),
      ("ipFamilyPolicy", .string(familyPolicy.rawValue)),
      ("ipFamilies", .array(families.map { .string("\($0)") })),
      ("clusterIPs", .array(clusterIPs.map { .string($0) })),
      ("externalIPs", .array(service.externalIPs.map { .string("\($0)") })),
      (
        "loadBalancerIngress",
        .array(
          service.loadBalancerIngress.map {
            .object([
              ("ip", .string("\($0.address)")), ("ipMode", .string($0.isVIP ? "VIP" : "Proxy")),
            ])
          })
      ),
      (
        "loadBalancerSourceRanges",
        .array(service.loadBalancerSourceRanges.map { .string("\($0)") })
      ),
      (
        "sessionAffinity",
        service.affinityTimeout.map { .object([("timeoutSeconds", .number(UInt64($0)))]) } ?? .null
      ),
      (
        "externalTrafficPolicy",
        service.hasExternalPolicy ? .string(service.externalTrafficPolicy.rawValue) : .null
      ),
      ("internalTrafficPolicy", .string(service.internalTrafficPolicy.rawValue)),
      ("algorithm", .string(algorithm.rawValue)),
      ("udpChoice", .string(udpChoice.rawValue)),
      ("terminate", .string("\(termination)")),
      ("ports", .array(ports.map(value))),
      ("frontendGroups", .array(groups.map(ServiceDescription.value))),
      ("unserved", unserved.map { .string($0) } ?? .null),
    ])
  }

  private func value(_ port: ServicePort) -> DescriptionValue {
    let target: DescriptionValue =
      switch port.targetPort {
      case .number(let number): .number(UInt64(number.number))
      case .name(let name): .string(name)
      }
    return .object([
      ("name", .string(port.name)), ("protocol", .string("\(port.transport)")),
      ("port", .number(UInt64(port.port.number))), ("targetPort", target),
      ("nodePort", port.nodePort.map { .number(UInt64($0.number)) } ?? .null),
      ("endpoints", .array(port.endpoints.map(Self.value))),
      ("translated", .number(port.counters.translated)),
      ("refused", .number(port.counters.refused)),
      (
        "backends",
        .array(
          given(port).map { backend, translated in
            .object([
              ("address", .string("\(backend.address)")),
              ("port", .number(UInt64(backend.port.number))), ("translated", .number(translated)),
            ])
          })
      ),
    ])
  }

  private static func value(_ group: FrontendGroup) -> DescriptionValue {
    .object([
      ("portName", .string(group.portName)),
      (
        "frontends",
        .array(
          group.frontends.map { frontend in
            .object([
              ("address", .string("\(frontend.key.address)")),
              ("port", .number(UInt64(frontend.key.port.number))),
              ("protocol", .string("\(frontend.key.transport)")),
              ("kind", .string(frontend.kind.rawValue)),
              ("sourceRanges", .array(frontend.sourceRanges.map { .string("\($0)") })),
              ("leftTo", frontend.leftTo.map { .string($0) } ?? .null),
            ])
          })
      ),
      ("inUse", .array(group.inUse.map(value))),
      (
        "leftOut",
        .array(
          group.leftOut.map { endpoint in
            .object([
              ("address", .string("\(endpoint.address)")),
              ("port", endpoint.port.map { .number(UInt64($0.number)) } ?? .null),
              ("reason", .string(endpoint.reason.rawValue)),
            ])
          })
      ),
      ("whenEmpty", .string(group.whenEmpty.rawValue)),
    ])
  }

  private static func value(_ backend: Backend) -> DescriptionValue {
    .object([
      ("address", .string("\(backend.address)")), ("port", .number(UInt64(backend.port.number))),
    ])
  }
}

/// A value of the JSON form, with members in the given order.
indirect enum DescriptionValue {
  case null
  case flag(Bool)
  case number(UInt64)
  /// Between 0 and 1, with six digits.
  case share(UInt64, of: UInt64)
  case string(String)
  case array([DescriptionValue])
  case object([(String, DescriptionValue)])

  static func strings(_ map: [String: String]) -> DescriptionValue {
    .object(map.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
  }

  var text: String {
    var output = OutputBuffer()
    write(to: &output)
    return String(decoding: output.bytes, as: UTF8.self)
  }

  private func write(to output: inout OutputBuffer) {
    switch self {
    case .null: output.append("null")
    case .flag(let flag): output.append(flag ? "true" : "false")
    case .number(let number): output.append(number: number)
    case .share(let part, let whole):
      let millionths = whole == 0 ? 0 : (part * 1_000_000 + whole / 2) / whole
      let digits = String(millionths % 1_000_000)
      output.append(number: millionths / 1_000_000)
      output.append("." + String(repeating: "0", count: 6 - digits.count) + digits)
    case .string(let string): output.append(quoted: string)
    case .array(let values):
      output.append("[")
      for (i, value) in values.enumerated() {
        if i > 0 { output.append(",") }
        value.write(to: &output)
      }
      output.append("]")
    case .object(let members):
      output.append("{")
      for (i, (name, value)) in members.enumerated() {
        if i > 0 { output.append(",") }
        output.append(quoted: name)
        output.append(":")
        value.write(to: &output)
      }
      output.append("}")
    }
  }
}
