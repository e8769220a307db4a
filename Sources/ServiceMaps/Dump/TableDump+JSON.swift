extension TableDump {
  /// An object with one key per view, `"frontends"` being the contract that programs rely on.
  /// One entry per line, so that it can be read and compared line by line.
  func json(_ view: DumpView) -> [UInt8] {
    var output = OutputBuffer()
    output.reserve(table.frontends.count * 640)
    output.append("{")
    switch view {
    case .frontends: appendFrontendsJSON(to: &output)
    case .services: appendServicesJSON(to: &output)
    case .backends: appendBackendsJSON(to: &output)
    case .counters: appendCountersJSON(to: &output)
    case .all:
      appendFrontendsJSON(to: &output)
      output.append(",")
      appendServicesJSON(to: &output)
      output.append(",")
      appendBackendsJSON(to: &output)
      output.append(",")
      appendCountersJSON(to: &output)
    }
    output.append("}\n")
    return output.bytes
  }

  private func appendFrontendsJSON(to output: inout OutputBuffer) {
    output.appendArray("frontends", table.frontends) { frontend, output in
      output.append(#"{"address":""#)
      output.append(frontend.key.address)
      output.append(#"","port":"#)
      output.append(number: frontend.key.port.number)
      output.append(#","protocol":""#)
      output.append(frontend.key.transport.description)
      output.append(#"","kind":""#)
      output.append(frontend.kind.rawValue)
      output.append(#"","service":"#)
      output.append(quoted: frontend.service.service)
      output.append(#","portName":"#)
      output.append(quoted: frontend.service.port)
      output.append(jsonAffinity: frontend.affinityTimeout)
      output.append(jsonSpecialties: frontend)
      output.append(#","backends":["#)
      for i in frontend.backends.indices {
        output.append(i == 0 ? #"{"address":""# : #",{"address":""#)
        output.append(frontend.backends[i].address)
        output.append(#"","port":"#)
        output.append(number: frontend.backends[i].port.number)
        output.append("}")
      }
      output.append("]}")
    }
  }

  private func appendServicesJSON(to output: inout OutputBuffer) {
    output.appendArray("services", summaries) { summary, output in
      output.append(jsonIdentity: summary.name)
      output.append(#","kinds":["#)
      output.append(summary.kinds.map { "\"\($0.rawValue)\"" }.joined(separator: ","))
      output.append(#"],"frontends":["#)
      for (i, key) in summary.frontends.enumerated() {
        output.append(i == 0 ? #"{"address":""# : #",{"address":""#)
        output.append(key.address)
        output.append(#"","port":"#)
        output.append(number: key.port.number)
        output.append("}")
      }
      output.append("]")
      output.append(jsonAffinity: summary.affinityTimeout)
      output.append(#","backendCount":"#)
      output.append(number: UInt(summary.backends.count))
      output.append("}")
    }
  }

  private func appendBackendsJSON(to output: inout OutputBuffer) {
    let pairs = table.frontends.lazy.flatMap { frontend in
      frontend.backends.lazy.map { (frontend, $0) }
    }
    output.append("\"backends\":[")
    var isFirst = true
    output.appendElements(pairs, &isFirst) { pair, output in
      let (frontend, backend) = pair
      output.append(jsonIdentity: frontend.service)
      output.append(#","frontend":{"address":""#)
      output.append(frontend.key.address)
      output.append(#"","port":"#)
      output.append(number: frontend.key.port.number)
      output.append(#"},"address":""#)
      output.append(backend.address)
      output.append(#"","port":"#)
      output.append(number: backend.port.number)
      output.append("}")
    }
    output.appendElements(table.keptEndpoints, &isFirst) { endpoint, output in
      output.append(jsonIdentity: endpoint.service)
      output.append(#","frontend":null,"address":""#)
      output.append(endpoint.backend.address)
      output.append(#"","port":"#)
      output.append(number: endpoint.backend.port.number)
      output.append(#","state":"kept"}"#)
    }
    output.append(isFirst ? "]" : "\n]")
  }

  private func appendCountersJSON(to output: inout OutputBuffer) {
    output.appendArray("counters", counted(summaries)) { entry, output in
      output.append(jsonIdentity: entry.name)
      output.append(#","translated":"#)
      output.append(number: entry.counters.translated)
      output.append(#","refused":"#)
      output.append(number: entry.counters.refused)
      output.append(#","backends":["#)
      for (index, entry) in entry.backends.enumerated() {
        output.append(index == 0 ? #"{"address":""# : #",{"address":""#)
        output.append(entry.backend.address)
        output.append(#"","port":"#)
        output.append(number: entry.backend.port.number)
        output.append(#","translated":"#)
        output.append(number: entry.translated)
        output.append("}")
      }
      output.append("]}")
    }
  }
}

extension OutputBuffer {
  /// `"name":[` one element per line `]`; `[]` without elements.
  fileprivate mutating func appendArray<Elements: Sequence>(
    _ name: String, _ elements: Elements,
    _ append: (Elements.Element, inout OutputBuffer) -> Void
  ) {
    self.append("\"\(name)\":[")
    var isFirst = true
    appendElements(elements, &isFirst, append)
    self.append(isFirst ? "]" : "\n]")
  }

  fileprivate mutating func appendElements<Elements: Sequence>(
    _ elements: Elements, _ isFirst: inout Bool,
    _ append: (Elements.Element, inout OutputBuffer) -> Void
  ) {
    for element in elements {
      self.append(isFirst ? "\n" : ",\n")
      isFirst = false
      append(element, &self)
    }
  }

  /// `{"service":"namespace/name","portName":"http","protocol":"TCP"`, left open.
  fileprivate mutating func append(jsonIdentity name: ServicePortName) {
    append(#"{"service":"#)
    append(quoted: name.service)
    append(#","portName":"#)
    append(quoted: name.port)
    append(#","protocol":""#)
    append(name.transport.description)
    append("\"")
  }

  fileprivate mutating func append(jsonAffinity timeout: UInt32?) {
    append(#","sessionAffinity":"#)
    guard let timeout else {
      append("null")
      return
    }
    append(#"{"timeoutSeconds":"#)
    append(number: timeout)
    append("}")
  }

  /// What most frontends do not have, and then there is no key of it.
  fileprivate mutating func append(jsonSpecialties frontend: Frontend) {
    if frontend.algorithm != .random {
      append(#","algorithm":""#)
      append(frontend.algorithm.rawValue)
      append("\"")
    }
    if frontend.udpChoice != .socket {
      append(#","udpChoice":""#)
      append(frontend.udpChoice.rawValue)
      append("\"")
    }
    if frontend.termination != .standard {
      append(#","terminate":""#)
      append(frontend.termination.description)
      append("\"")
    }
    if frontend.whenEmpty != .refuse {
      append(#","whenEmpty":""#)
      append(frontend.whenEmpty.rawValue)
      append("\"")
    }
    if !frontend.sourceRanges.isEmpty {
      append(#","sourceRanges":["#)
      append(frontend.sourceRanges.map { "\"\($0)\"" }.joined(separator: ","))
      append("]")
    }
  }
}
