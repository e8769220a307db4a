extension TableDump {
  /// The keys and values of the JSON form as block YAML. Strings are quoted, so that no reader
  /// takes an address or a port named `on` for something else.
  func yaml(_ view: DumpView) -> [UInt8] {
    var output = OutputBuffer()
    output.reserve(table.frontends.count * 640)
    switch view {
    case .frontends: appendFrontendsYAML(to: &output)
    case .services: appendServicesYAML(to: &output)
    case .backends: appendBackendsYAML(to: &output)
    case .counters: appendCountersYAML(to: &output)
    case .all:
      appendFrontendsYAML(to: &output)
      appendServicesYAML(to: &output)
      appendBackendsYAML(to: &output)
      appendCountersYAML(to: &output)
    }
    return output.bytes
  }

  private func appendFrontendsYAML(to output: inout OutputBuffer) {
    output.append(table.frontends.isEmpty ? "frontends: []\n" : "frontends:\n")
    for frontend in table.frontends {
      output.append("- ")
      output.append(yamlAddress: frontend.key.address, frontend.key.port, indent: "  ")
      output.append("  protocol: \(frontend.key.transport)\n")
      output.append("  kind: \(frontend.kind.rawValue)\n  service: ")
      output.append(quoted: frontend.service.service)
      output.append("\n  portName: ")
      output.append(quoted: frontend.service.port)
      output.append("\n")
      output.append(yamlAffinity: frontend.affinityTimeout)
      output.append(yamlSpecialties: frontend)
      output.append(frontend.backends.isEmpty ? "  backends: []\n" : "  backends:\n")
      for backend in frontend.backends {
        output.append("  - ")
        output.append(yamlAddress: backend.address, backend.port, indent: "    ")
      }
    }
  }

  private func appendServicesYAML(to output: inout OutputBuffer) {
    let summaries = summaries
    output.append(summaries.isEmpty ? "services: []\n" : "services:\n")
    for summary in summaries {
      output.append(yamlIdentity: summary.name)
      output.append("  kinds:\n")
      for kind in summary.kinds { output.append("  - \(kind.rawValue)\n") }
      output.append("  frontends:\n")
      for key in summary.frontends {
        output.append("  - ")
        output.append(yamlAddress: key.address, key.port, indent: "    ")
      }
      output.append(yamlAffinity: summary.affinityTimeout)
      output.append("  backendCount: \(summary.backends.count)\n")
    }
  }

  private func appendBackendsYAML(to output: inout OutputBuffer) {
    let isEmpty =
      table.frontends.allSatisfy(\.backends.isEmpty) && table.keptEndpoints.isEmpty
    output.append(isEmpty ? "backends: []\n" : "backends:\n")
    for frontend in table.frontends {
      for backend in frontend.backends {
        output.append(yamlIdentity: frontend.service)
        output.append("  frontend:\n    ")
        output.append(yamlAddress: frontend.key.address, frontend.key.port, indent: "    ")
        output.append("  ")
        output.append(yamlAddress: backend.address, backend.port, indent: "  ")
      }
    }
    for endpoint in table.keptEndpoints {
      output.append(yamlIdentity: endpoint.service)
      output.append("  frontend: null\n  ")
      output.append(yamlAddress: endpoint.backend.address, endpoint.backend.port, indent: "  ")
      output.append("  state: kept\n")
    }
  }

  private func appendCountersYAML(to output: inout OutputBuffer) {
    let services = counted(summaries)
    output.append(services.isEmpty ? "counters: []\n" : "counters:\n")
    for service in services {
      output.append(yamlIdentity: service.name)
      output.append("  translated: \(service.counters.translated)\n")
      output.append("  refused: \(service.counters.refused)\n")
      output.append(service.backends.isEmpty ? "  backends: []\n" : "  backends:\n")
      for (backend, translated) in service.backends {
        output.append("  - ")
        output.append(yamlAddress: backend.address, backend.port, indent: "    ")
        output.append("    translated: \(translated)\n")
      }
    }
  }
}

extension OutputBuffer {
  /// `address: "10.0.0.1"` and `port: 80` on two lines, the first where the cursor is.
  fileprivate mutating func append(yamlAddress address: IPAddress, _ port: Port, indent: String) {
    append("address: \"")
    append(address)
    append("\"\n")
    append(indent)
    append("port: ")
    append(number: port.number)
    append("\n")
  }

  /// The first three keys of a list element.
  fileprivate mutating func append(yamlIdentity name: ServicePortName) {
    append("- service: ")
    append(quoted: name.service)
    append("\n  portName: ")
    append(quoted: name.port)
    append("\n  protocol: \(name.transport)\n")
  }

  fileprivate mutating func append(yamlAffinity timeout: UInt32?) {
    if let timeout {
      append("  sessionAffinity:\n    timeoutSeconds: \(timeout)\n")
    } else {
      append("  sessionAffinity: null\n")
    }
  }

  fileprivate mutating func append(yamlSpecialties frontend: Frontend) {
    if frontend.algorithm != .random { append("  algorithm: \(frontend.algorithm.rawValue)\n") }
    if frontend.udpChoice != .socket { append("  udpChoice: \(frontend.udpChoice.rawValue)\n") }
    if frontend.termination != .standard {
      append("  terminate: \"\(frontend.termination)\"\n")
    }
    if frontend.whenEmpty != .refuse { append("  whenEmpty: \(frontend.whenEmpty.rawValue)\n") }
    if frontend.sourceRanges.isEmpty { return }
    append("  sourceRanges:\n")
    for range in frontend.sourceRanges { append("  - \"\(range)\"\n") }
  }
}
