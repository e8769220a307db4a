/// Random Services and slices, as the reference model sees them and as a manifest.
struct RandomCase {
  var service = Reference.Service()
  var slices: [Reference.Slice] = []
  /// As it comes out: from the Node object where there is one, else as given.
  var node = Reference.Node()
  /// What is given beside the manifest.
  var given = Reference.Node()
  var nodeObject: Reference.Node?

  static let ports = [
    Reference.ServicePort(name: "http", transport: "TCP", port: 80),
    Reference.ServicePort(name: "dns", transport: "UDP", port: 53),
    Reference.ServicePort(name: "dns-tcp", transport: "TCP", port: 53),
    Reference.ServicePort(name: "m3ua", transport: "SCTP", port: 80),
  ]

  init(_ random: inout SeededGenerator) {
    makeNode(&random)
    makeService(&random)
    let hints = Hints(&random)
    for i in 0..<Int.random(in: 0...3, using: &random) { makeSlice(i, hints, &random) }
    slices.shuffle(using: &random)
  }

  // MARK: Making

  private mutating func makeNode(_ random: inout SeededGenerator) {
    given.name = random.chance(90) ? "n1" : ""
    given.zone = random.chance(80) ? "z1" : nil
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      given.addresses.append(
        Reference.Address(
          family: random.chance(60) ? 4 : 6, number: 0x4000 + Int.random(in: 0..<32, using: &random)
        ))
    }
    given.isPrimaryOnly = random.chance(15)
    if !given.isPrimaryOnly && random.chance(30) {
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        given.ranges.append(range(0x4000, &random))
      }
    }
    given.servesLocalhost = random.chance(70)
    node = given
    if random.chance(30) {
      var object = Reference.Node(name: random.chance(70) ? "n1" : "n2")
      object.zone = random.chance(70) ? "z2" : nil
      if random.chance(70) { object.addresses = [Reference.Address(family: 4, number: 0x4100)] }
      nodeObject = object
      if object.name == given.name {
        if let zone = object.zone { node.zone = zone }
        if !object.addresses.isEmpty { node.addresses = object.addresses }
      }
    }
  }

  private func range(_ base: Int, _ random: inout SeededGenerator) -> Reference.Range {
    let family = random.chance(60) ? 4 : 6
    if random.chance(10) {
      return Reference.Range(base: Reference.Address(family: family, number: 0), openBits: nil)
    }
    let bits = Int.random(in: 0...5, using: &random)
    let number = ((base + Int.random(in: 0..<32, using: &random)) >> bits) << bits
    return Reference.Range(
      base: Reference.Address(family: family, number: number), openBits: bits)
  }

  private mutating func makeService(_ random: inout SeededGenerator) {
    service.type =
      ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"][
        [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3].randomElement(using: &random)!]
    if random.chance(95) || service.type != "ClusterIP" {
      let families = [[4], [6], [4, 6], [6, 4]][
        [0, 0, 0, 1, 2, 3].randomElement(using: &random)!]
      service.clusterIPs = families.map { Reference.Address(family: $0, number: 0x1001) }
    }
    service.ports = Array(
      RandomCase.ports.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)))
    if service.ports.count == 1 && random.chance(50) { service.ports[0].name = "" }
    for i in service.ports.indices where random.chance(70) {
      service.ports[i].nodePort = 30_000 + service.ports[i].port
      if service.ports[i].name == "m3ua" { service.ports[i].nodePort = 31_000 }
    }
    if service.type == "ClusterIP" || service.type == "ExternalName" {
      for i in service.ports.indices where random.chance(90) { service.ports[i].nodePort = 0 }
    }
    for i in 0..<2 where random.chance(30) {
      service.externalIPs.append(
        Reference.Address(family: random.chance(60) ? 4 : 6, number: 0x2000 + i))
    }
    for i in 0..<2 where random.chance(40) {
      service.ingress.append(
        Reference.Ingress(
          address: Reference.Address(family: random.chance(60) ? 4 : 6, number: 0x3000 + i),
          mode: [nil, "VIP", "Proxy"].randomElement(using: &random)!))
    }
    for _ in 0..<2 where random.chance(30) {
      service.sourceRanges.append(range(0x4000, &random))
    }
    service.internalPolicy = [nil, "Cluster", "Local", "Local"].randomElement(using: &random)!
    service.externalPolicy = [nil, "Cluster", "Local"].randomElement(using: &random)!
    if random.chance(3) { service.labels["service.kubernetes.io/service-proxy-name"] = "" }
  }

  /// How likely an endpoint has hints: the rules ask for all of them.
  private struct Hints {
    var zones: Int
    var nodes: Int

    init(_ random: inout SeededGenerator) {
      zones = [0, 70, 100, 100].randomElement(using: &random)!
      nodes = [0, 0, 70, 100].randomElement(using: &random)!
    }
  }

  private mutating func makeSlice(_ i: Int, _ hints: Hints, _ random: inout SeededGenerator) {
    var slice = Reference.Slice(name: "web-\(i)")
    slice.family = [4, 4, 4, 6, 6, 0][Int.random(in: 0..<6, using: &random)]
    if random.chance(4) { slice.namespace = "other" }
    if random.chance(96) {
      slice.labels["kubernetes.io/service-name"] = random.chance(95) ? "web" : "web2"
    }
    if random.chance(4) { slice.labels["service.kubernetes.io/headless"] = "" }
    for port in service.ports where random.chance(90) {
      slice.ports.append(
        Reference.SlicePort(
          name: random.chance(92) ? port.name : [nil, "", "http"].randomElement(using: &random)!,
          transport: port.transport == "TCP" && random.chance(50)
            ? nil : random.chance(95) ? port.transport : "UDP",
          port: random.chance(95) ? 8080 + Int.random(in: 0...1, using: &random) : nil))
    }
    if slice.family == 0 {
      slices.append(slice)
      return
    }
    let readiness = Int.random(in: 0...3, using: &random)
    for _ in 0..<Int.random(in: 0...4, using: &random) {
      var endpoint = Reference.Endpoint()
      for _ in 0..<[1, 1, 1, 1, 1, 1, 2, 0].randomElement(using: &random)! {
        endpoint.addresses.append(
          Reference.Address(
            family: slice.family, number: 0x5000 + Int.random(in: 1...6, using: &random)))
      }
      let values: [Bool?] = readiness == 0 ? [false] : [nil, true, true, false, false]
      endpoint.ready = values.randomElement(using: &random)!
      endpoint.serving = [nil, true, false].randomElement(using: &random)!
      endpoint.terminating = [nil, false, true].randomElement(using: &random)!
      endpoint.nodeName = [nil, "n1", "n1", "n2", ""].randomElement(using: &random)!
      if random.chance(hints.zones) {
        endpoint.zones = [["z1"], ["z2"], ["z1", "z2"], ["z3"], []].randomElement(using: &random)!
      }
      if random.chance(hints.nodes) {
        endpoint.nodes = [["n1"], ["n2"], ["n2", "n1"], ["n3"], []].randomElement(using: &random)!
      }
      slice.endpoints.append(endpoint)
    }
    slices.append(slice)
  }
}

extension RandomCase {
  // MARK: As a manifest

  /// Everything as one List, in JSON.
  var manifest: String {
    var items = [json(service)] + slices.map(json)
    if let nodeObject { items.append(json(nodeObject)) }
    return
      "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n\(items.joined(separator: ",\n"))]}"
  }

  private func object(_ members: (String, String?)...) -> String {
    "{\(members.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }.joined(separator: ","))}"
  }

  private func list(_ items: [String]) -> String { "[\(items.joined(separator: ","))]" }
  private func quoted(_ text: String) -> String { "\"\(text)\"" }
  private func strings(_ texts: [String]) -> String { list(texts.map(quoted)) }
  private func map(_ texts: [String: String]) -> String {
    "{\(texts.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ","))}"
  }

  private func json(_ service: Reference.Service) -> String {
    let ports = service.ports.map { port in
      object(
        ("name", port.name.isEmpty ? nil : quoted(port.name)),
        ("protocol", quoted(port.transport)), ("port", "\(port.port)"), ("targetPort", "1"),
        ("nodePort", port.nodePort == 0 ? nil : "\(port.nodePort)"))
    }
    let addresses = service.clusterIPs.isEmpty ? ["None"] : service.clusterIPs.map(\.text)
    return object(
      ("apiVersion", quoted("v1")), ("kind", quoted("Service")),
      ("metadata", object(("name", quoted("web")), ("labels", map(service.labels)))),
      (
        "spec",
        object(
          ("type", quoted(service.type)), ("clusterIP", quoted(addresses[0])),
          ("clusterIPs", strings(addresses)), ("ports", list(ports)),
          ("externalName", service.type == "ExternalName" ? quoted("example.org") : nil),
          ("externalIPs", strings(service.externalIPs.map(\.text))),
          ("loadBalancerSourceRanges", strings(service.sourceRanges.map(\.text))),
          ("internalTrafficPolicy", service.internalPolicy.map(quoted)),
          ("externalTrafficPolicy", service.externalPolicy.map(quoted)))
      ),
      (
        "status",
        object(
          (
            "loadBalancer",
            object(
              (
                "ingress",
                list(
                  service.ingress.map {
                    object(("ip", quoted($0.address.text)), ("ipMode", $0.mode.map(quoted)))
                  })
              ))
          ))
      ))
  }

  private func json(_ slice: Reference.Slice) -> String {
    let endpoints = slice.endpoints.map { endpoint in
      object(
        ("addresses", strings(endpoint.addresses.map(\.text))),
        (
          "conditions",
          object(
            ("ready", endpoint.ready.map { "\($0)" }),
            ("serving", endpoint.serving.map { "\($0)" }),
            ("terminating", endpoint.terminating.map { "\($0)" }))
        ),
        ("nodeName", endpoint.nodeName.map(quoted)),
        (
          "hints",
          object(
            ("forZones", endpoint.zones.map { list($0.map { object(("name", quoted($0))) }) }),
            ("forNodes", endpoint.nodes.map { list($0.map { object(("name", quoted($0))) }) }))
        ))
    }
    let ports = slice.ports.map { port in
      object(
        ("name", port.name.map(quoted) ?? "null"), ("protocol", port.transport.map(quoted)),
        ("port", port.port.map { "\($0)" } ?? "null"))
    }
    return object(
      ("apiVersion", quoted("discovery.k8s.io/v1")), ("kind", quoted("EndpointSlice")),
      (
        "metadata",
        object(
          ("name", quoted(slice.name)), ("namespace", quoted(slice.namespace)),
          ("labels", map(slice.labels)))
      ),
      ("addressType", quoted(slice.family == 4 ? "IPv4" : slice.family == 6 ? "IPv6" : "FQDN")),
      ("ports", list(ports)), ("endpoints", list(endpoints)))
  }

  private func json(_ node: Reference.Node) -> String {
    let labels = node.zone.map { ["topology.kubernetes.io/zone": $0] } ?? [:]
    let addresses = node.addresses.map {
      object(("type", quoted("InternalIP")), ("address", quoted($0.text)))
    }
    return object(
      ("apiVersion", quoted("v1")), ("kind", quoted("Node")),
      ("metadata", object(("name", quoted(node.name)), ("labels", map(labels)))),
      ("status", object(("addresses", list(addresses)))))
  }
}
