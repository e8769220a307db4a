import ManifestText

extension ServiceDescription {
  /// - Returns: UTF-8 text; every line is ended. YAML has the members of the JSON form.
  public func render(as format: DumpFormat = .text) -> [UInt8] {
    switch format {
    case .text: return Array(text.utf8)
    case .json: return Array("\(json)\n".utf8)
    case .yaml:
      guard let root = parseManifest(Array(json.utf8)).documents.first?.root else { return [] }
      return prettyYAML(of: root)
    }
  }

  /// The lines of `kubectl describe service`, and then what only socklb knows.
  private var text: String {
    var rows = ServiceRows()
    rows.add("Name", service.meta.name.name)
    rows.add("Namespace", service.meta.name.namespace)
    rows.add("Labels", service.meta.labels.map { "\($0.key)=\($0.value)" }.sorted())
    rows.add("Annotations", service.meta.annotations.map { "\($0.key): \($0.value)" }.sorted())
    rows.add(
      "Selector",
      (service.selector ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: ","))
    rows.add("Type", service.kind.rawValue)
    addAddresses(to: &rows)
    for port in ports { add(port, to: &rows) }
    rows.add("Session Affinity", service.affinityTimeout == nil ? "None" : "ClientIP")
    if service.hasExternalPolicy {
      rows.add("External Traffic Policy", service.externalTrafficPolicy.rawValue)
    }
    if service.kind != .externalName {
      rows.add("Internal Traffic Policy", service.internalTrafficPolicy.rawValue)
    }
    if let port = service.healthCheckNodePort { rows.add("HealthCheck NodePort", "\(port)") }
    let ranges = service.loadBalancerSourceRanges.map { "\($0)" }
    if !ranges.isEmpty { rows.add("LoadBalancer Source Ranges", ranges.joined(separator: ",")) }
    if let seconds = service.affinityTimeout { rows.add("Affinity Timeout", "\(seconds)s") }
    rows.add("Algorithm", algorithm.rawValue)
    if service.ports.contains(where: { $0.transport == .udp }) {
      rows.add("UDP Choice", udpChoice.rawValue)
    }
    rows.add("Terminate", "\(termination)")
    return rows.text + frontendsText
  }

  private func addAddresses(to rows: inout ServiceRows) {
    let isName = service.kind == .externalName
    if !isName { rows.add("IP Family Policy", familyPolicy.rawValue) }
    rows.add("IP Families", families.map { "\($0)" }.joined(separator: ","))
    let addresses = service.isHeadless ? ["None"] : isName ? [] : clusterIPs
    rows.add("IP", addresses.first ?? "")
    rows.add("IPs", addresses.joined(separator: ","))
    if !service.externalIPs.isEmpty {
      rows.add("External IPs", service.externalIPs.map { "\($0)" }.joined(separator: ","))
    }
    if let name = service.externalName { rows.add("External Name", name) }
    if service.kind == .loadBalancer {
      let ingress = service.loadBalancerIngress.map {
        "\($0.address) (\($0.isVIP ? "VIP" : "Proxy"))"
      }
      rows.add(
        "LoadBalancer Ingress",
        ingress.isEmpty ? "<pending>" : ingress.joined(separator: ", "))
    }
  }

  private func add(_ port: ServicePort, to rows: inout ServiceRows) {
    let name = port.name.isEmpty ? "<unset>" : port.name
    rows.add("Port", "\(name)  \(port.port)/\(port.transport)")
    rows.add("TargetPort", "\(port.targetPort.text)/\(port.transport)")
    if let nodePort = port.nodePort {
      rows.add("NodePort", "\(name)  \(nodePort)/\(port.transport)")
    }
    // kubectl shows three; the rest is below.
    let more = port.endpoints.count - 3
    rows.add(
      "Endpoints",
      port.endpoints.prefix(3).map { "\($0)" }.joined(separator: ",")
        + (more > 0 ? " + \(more) more..." : ""))
  }

  // MARK: What socklb adds

  private var frontendsText: String {
    if let unserved { return "Frontends:  none; \(unserved)\n" }
    if groups.isEmpty { return "Frontends:  none\n" }
    var text = "Frontends:\n"
    for group in groups {
      for frontend in group.frontends { text += line(frontend, group.portName) }
      text += section("In use", inUse(group))
      text += section("Left out", group.leftOut.map(line))
    }
    text += "Counters:\n"
    for port in ports {
      text += "  \(port.name.isEmpty ? "<unset>" : port.name)  \(port.port)/\(port.transport)"
      text += "  \(port.counters.translated) translated, \(port.counters.refused) refused\n"
      for (backend, translated) in given(port) {
        text += "    \(backend)  \(translated)\n"
      }
    }
    return text
  }

  private func line(_ frontend: ServedAddress, _ portName: String) -> String {
    var text = "  \(frontend.key)  \(frontend.kind.rawValue)"
    if !portName.isEmpty { text += "  \(portName)" }
    if !frontend.sourceRanges.isEmpty {
      text += "  from " + frontend.sourceRanges.map { "\($0)" }.joined(separator: ", ")
    }
    if let other = frontend.leftTo { text += "  left to \(other), which has it too" }
    return text + "\n"
  }

  private func inUse(_ group: FrontendGroup) -> [String] {
    if !group.inUse.isEmpty { return group.inUse.map { "\($0)" } }
    switch group.whenEmpty {
    case .refuse: return ["none; connections are refused"]
    case .drop: return ["none on this node; connections fail as unreachable"]
    }
  }

  private func line(_ endpoint: LeftOutEndpoint) -> String {
    let place =
      endpoint.port.map { "\(Backend(address: endpoint.address, port: $0))" }
      ?? "\(endpoint.address)"
    return "\(place)  \(endpoint.reason.text)"
  }

  /// `    In use:    …` with further lines below the first.
  private func section(_ title: String, _ lines: [String]) -> String {
    lines.enumerated().map { i, line in
      let label = i == 0 ? "\(title):" : ""
      return "    \(label)\(String(repeating: " ", count: 11 - label.count))\(line)\n"
    }.joined()
  }

  // MARK: Facts that the manifest may leave open

  var clusterIPs: [String] { service.clusterIPs.map { "\($0)" } }

  var families: [IPFamily] {
    if service.kind == .externalName { return [] }
    if !service.clusterIPs.isEmpty { return service.clusterIPs.map(\.family) }
    return service.ipFamilies.isEmpty ? [.v4] : service.ipFamilies
  }

  var familyPolicy: Service.FamilyPolicy {
    service.ipFamilyPolicy ?? (families.count == 2 ? .requireDualStack : .singleStack)
  }
}

/// Titles and values in two columns, as kubectl aligns them.
private struct ServiceRows {
  private var rows: [(title: String, value: String)] = []

  mutating func add(_ title: String, _ value: String) {
    // kubectl leaves an address that is not there empty.
    rows.append(("\(title):", value.isEmpty && title != "IP" ? "<none>" : value))
  }

  mutating func add(_ title: String, _ values: [String]) {
    add(title, values.first ?? "")
    for value in values.dropFirst() { rows.append(("", value)) }
  }

  var text: String {
    let width = rows.reduce(0) { max($0, $1.title.count) } + 2
    return rows.map { title, value in
      value.isEmpty
        ? "\(title)\n"
        : "\(title)\(String(repeating: " ", count: width - title.count))\(value)\n"
    }.joined()
  }
}

extension Service {
  /// Where the API server sets `externalTrafficPolicy` (pkg/api/v1/service/util.go).
  var hasExternalPolicy: Bool {
    kind.hasNodePorts || (kind == .clusterIP && !externalIPs.isEmpty)
  }
}

extension Service.TargetPort {
  var text: String {
    switch self {
    case .number(let port): "\(port)"
    case .name(let name): name
    }
  }
}
