extension TableDump {
  /// One entry per line, made for grep and awk: fields are separated by one space and hold none,
  /// `namespace/name:port` is in every line, and what is none or empty is written `none` or `-`.
  ///
  /// ```
  /// frontends  10.96.0.10:53/UDP ClusterIP kube-system/kube-dns:dns affinity=none backends=10.0.0.1:53,10.0.0.2:53
  /// services   kube-system/kube-dns:dns UDP ClusterIP frontends=10.96.0.10:53 affinity=none backends=2
  /// backends   10.96.0.10:53/UDP -> 10.0.0.1:53 kube-system/kube-dns:dns
  ///            -/UDP -> 10.0.0.2:53 kube-system/kube-dns:dns kept
  /// counters   kube-system/kube-dns:dns UDP translated=12 refused=0
  ///            kube-system/kube-dns:dns UDP -> 10.0.0.1:53 translated=7
  /// ```
  ///
  /// `all` has the lines of all views, each with the view's name in front.
  func text(_ view: DumpView) -> [UInt8] {
    var output = OutputBuffer()
    output.reserve(table.frontends.reduce(0) { $0 + 128 + 24 * $1.backends.count })
    switch view {
    case .frontends: TableDump.appendFrontends(table, prefix: "", to: &output)
    case .services: TableDump.append(summaries, prefix: "", to: &output)
    case .backends: appendBackends(prefix: "", to: &output)
    case .counters: TableDump.append(counted(summaries), prefix: "", to: &output)
    case .all:
      let summaries = summaries
      TableDump.append(summaries, prefix: "service ", to: &output)
      TableDump.appendFrontends(table, prefix: "frontend ", to: &output)
      appendBackends(prefix: "backend ", to: &output)
      TableDump.append(counted(summaries), prefix: "counters ", to: &output)
    }
    return output.bytes
  }

  private static func appendFrontends(
    _ table: ServiceTable, prefix: String, to output: inout OutputBuffer
  ) {
    for frontend in table.frontends {
      output.append(prefix)
      output.append(frontend)
      output.append("\n")
    }
  }

  private static func append(
    _ summaries: [ServiceSummary], prefix: String, to output: inout OutputBuffer
  ) {
    for summary in summaries {
      output.append(prefix)
      output.append(summary.label)
      output.append(" ")
      output.append(summary.name.transport.description)
      output.append(" ")
      output.append(summary.kinds.map(\.rawValue).joined(separator: ","))
      output.append(" frontends=")
      for (i, key) in summary.frontends.enumerated() {
        if i > 0 { output.append(",") }
        output.append(key.address, key.port)
      }
      output.append(affinity: summary.affinityTimeout)
      output.append(" backends=")
      output.append(number: UInt(summary.backends.count))
      output.append("\n")
    }
  }

  private func appendBackends(prefix: String, to output: inout OutputBuffer) {
    // What the lines of one frontend share is written once.
    var start = OutputBuffer()
    var end = OutputBuffer()
    for frontend in table.frontends where !frontend.backends.isEmpty {
      start.removeAll()
      start.append(prefix)
      start.append(frontend.key)
      start.append(" -> ")
      end.removeAll()
      end.append(" ")
      end.append(label: frontend)
      end.append("\n")
      for backend in frontend.backends {
        output.append(start)
        output.append(backend.address, backend.port)
        output.append(end)
      }
    }
    let labels = table.keptLabels
    for endpoint in table.keptEndpoints {
      output.append(prefix)
      output.append(endpoint, label: labels[endpoint.service])
      output.append("\n")
    }
  }

  private static func append(
    _ counted: [CountedService], prefix: String, to output: inout OutputBuffer
  ) {
    for service in counted {
      func begin() {
        output.append(prefix)
        output.append(service.label)
        output.append(" ")
        output.append(service.name.transport.description)
      }
      begin()
      output.append(" translated=")
      output.append(number: service.counters.translated)
      output.append(" refused=")
      output.append(number: service.counters.refused)
      output.append("\n")
      for (backend, translated) in service.backends {
        begin()
        output.append(" -> ")
        output.append(backend.address, backend.port)
        output.append(" translated=")
        output.append(number: translated)
        output.append("\n")
      }
    }
  }
}

extension ServiceTable {
  /// The number that stands for the name of a port without one, for service ports that have kept
  /// endpoints.
  var keptLabels: [ServicePortName: Port] {
    let wanted = Set(keptEndpoints.lazy.map(\.service).filter { $0.port.isEmpty })
    if wanted.isEmpty { return [:] }
    var result: [ServicePortName: Port] = [:]
    for frontend in frontends where wanted.contains(frontend.service) {
      // Ports of the node have numbers of their own.
      let isOfNode = frontend.kind == .nodePort || frontend.kind == .hostPort
      if isOfNode && result[frontend.service] != nil { continue }
      result[frontend.service] = frontend.key.port
    }
    return result
  }
}

extension OutputBuffer {
  /// The line of a kept endpoint in the `backends` view, without its end. No frontend leads there.
  mutating func append(_ endpoint: KeptEndpoint, label: Port?) {
    append("-/\(endpoint.service.transport) -> ")
    append(endpoint.backend.address, endpoint.backend.port)
    append(" \(endpoint.service.service):")
    append(endpoint.service.port.isEmpty ? label?.description ?? "-" : endpoint.service.port)
    append(" kept")
  }

  /// The line of the `frontends` view, without its end.
  mutating func append(_ frontend: Frontend) {
    append(frontend.key)
    append(" ")
    append(frontend.kind.rawValue)
    append(" ")
    append(label: frontend)
    append(affinity: frontend.affinityTimeout)
    append(specialties: frontend)
    append(" backends=")
    if frontend.backends.isEmpty { append("-") }
    for i in frontend.backends.indices {
      if i > 0 { append(",") }
      append(frontend.backends[i].address, frontend.backends[i].port)
    }
  }

  /// `namespace/name:port`; the number stands for a port without a name.
  fileprivate mutating func append(label frontend: Frontend) {
    append(frontend.service.service)
    append(":")
    if frontend.service.port.isEmpty {
      append(number: frontend.key.port.number)
    } else {
      append(frontend.service.port)
    }
  }

  /// What most frontends do not have: ` algorithm=round-robin`, ` udp-choice=datagram`,
  /// ` terminate=none`, ` empty=drop`, ` from=10.0.0.0/8`.
  fileprivate mutating func append(specialties frontend: Frontend) {
    if frontend.algorithm != .random { append(" algorithm=\(frontend.algorithm.rawValue)") }
    if frontend.udpChoice != .socket { append(" udp-choice=\(frontend.udpChoice.rawValue)") }
    if frontend.termination != .standard { append(" terminate=\(frontend.termination)") }
    if frontend.whenEmpty != .refuse { append(" empty=\(frontend.whenEmpty.rawValue)") }
    for (i, range) in frontend.sourceRanges.enumerated() {
      append(i == 0 ? " from=" : ",")
      append("\(range)")
    }
  }

  /// ` affinity=none` or ` affinity=10800s`.
  fileprivate mutating func append(affinity timeout: UInt32?) {
    append(" affinity=")
    guard let timeout else {
      append("none")
      return
    }
    append(number: timeout)
    append("s")
  }
}
