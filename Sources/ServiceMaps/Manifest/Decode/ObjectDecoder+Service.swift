import ManifestText

extension ObjectDecoder {
  /// What `spec.sessionAffinity` may be.
  private enum Affinity: String, CaseIterable {
    case none = "None"
    case clientIP = "ClientIP"
  }

  /// The time-out of a Service with ClientIP affinity that names none (core/v1 defaults).
  private static let defaultAffinityTimeout: UInt32 = 10_800

  mutating func service(_ node: TextNode, _ meta: ObjectMeta) -> Service {
    var service = Service(meta: meta)
    if node["spec"]?.isNull ?? true { missing("spec", in: node) }
    mapping(node, "spec") { decoder, spec -> Void? in
      service.kind = decoder.choice(spec, "type", Service.Kind.self) ?? .clusterIP
      decoder.clusterIPs(spec, &service)
      decoder.families(spec, &service)
      decoder.servicePorts(spec, &service)
      let selector = decoder.stringMap(spec, "selector")
      service.selector = selector.isEmpty ? nil : selector
      decoder.externalAddresses(spec, &service)
      decoder.policies(spec, &service)
      return nil
    }
    mapping(node, "status") { decoder, status -> Void? in
      decoder.mapping(status, "loadBalancer") { decoder, balancer -> Void? in
        decoder.ingress(balancer, &service)
        return nil
      }
    }
    return service
  }

  // MARK: Addresses of the cluster

  private mutating func clusterIPs(_ spec: TextNode, _ service: inout Service) {
    var first: IPAddress?
    let single = field(spec, "clusterIP") { decoder, node -> String? in
      guard let text = decoder.string(node), !text.isEmpty else { return nil }
      if text == "None" {
        service.isHeadless = true
      } else if let address = decoder.address(node) {
        first = address
        service.clusterIPs = [address]
      }
      return text
    }
    var count = 0
    var addresses: [IPAddress] = []
    strings(spec, "clusterIPs") { decoder, node, text in
      count += 1
      if count == 1, let single, text != single, first == nil || IPAddress(text) != first {
        decoder.report(
          .error, node, "must be the same as spec.clusterIP, which is \(quoted(single))")
        return
      }
      if count == 3 { decoder.report(.error, node, "a Service has at most two cluster IPs") }
      if text == "None" {
        if count > 1 || spec["clusterIPs"]?.count != 1 {
          decoder.report(.error, node, "None must stand alone")
        }
        service.isHeadless = true
        return
      }
      // A bad clusterIP was reported where it stands first.
      if count == 1 && single != nil && first == nil { return }
      guard let address = decoder.address(node) else { return }
      if let same = addresses.first(where: { $0.family == address.family }), count == 2 {
        decoder.report(
          .error, node, "\(address) and \(same) are both \(address.family); one of each is allowed")
      }
      addresses.append(address)
    }
    if !addresses.isEmpty { service.clusterIPs = Array(addresses.prefix(2)) }
  }

  private mutating func families(_ spec: TextNode, _ service: inout Service) {
    strings(spec, "ipFamilies") { decoder, node, text in
      guard let family = IPFamily.allCases.first(where: { $0.description == text }) else {
        decoder.report(.error, node, "must be IPv4 or IPv6, not \(quoted(text))")
        return
      }
      if service.ipFamilies.contains(family) {
        decoder.report(.error, node, "\(family) is here twice")
        return
      }
      let index = service.ipFamilies.count
      service.ipFamilies.append(family)
      if index < service.clusterIPs.count, service.clusterIPs[index].family != family {
        decoder.report(
          .error, node, "is \(family), but the cluster IP is \(service.clusterIPs[index])")
      }
    }
    service.ipFamilyPolicy = choice(spec, "ipFamilyPolicy", Service.FamilyPolicy.self)
  }

  // MARK: Ports

  private struct TransportPort: Hashable {
    var transport: TransportProtocol
    var port: Port
  }

  private mutating func servicePorts(_ spec: TextNode, _ service: inout Service) {
    var seen: Set<TransportPort> = []
    let kind = service.kind
    let hasPorts = mappings(spec, "ports") { decoder, node in
      guard let port = decoder.servicePort(node, kind) else { return }
      if !seen.insert(TransportPort(transport: port.transport, port: port.port)).inserted {
        decoder.report(
          .error, node, "another port of this Service is \(port.port)/\(port.transport) too")
      }
      service.ports.append(port)
    }
    if !hasPorts && !service.isHeadless && kind != .externalName {
      missing("ports", in: spec, "a Service needs at least one port")
    }
    checkPortNames(spec)
  }

  private mutating func servicePort(_ node: TextNode, _ kind: Service.Kind) -> Service.ServicePort?
  {
    let name = portName(node)
    let transport = transport(node)
    if node["port"]?.isNull ?? true { missing("port", in: node) }
    let port = port(node, "port")
    let target = field(node, "targetPort") { decoder, node in decoder.targetPort(node) }
    // 0 is what the API takes for "none given".
    let nodePort = optionalPort(node, "nodePort")
    if let nodePort, !(30_000...32_767).contains(nodePort.number) {
      field(node, "nodePort") { decoder, node -> Void? in
        decoder.report(.note, node, "\(nodePort) is outside of the usual range 30000-32767")
        return nil
      }
    }
    guard let transport, let port else { return nil }
    return Service.ServicePort(
      name: name ?? "", transport: transport, port: port, targetPort: target, nodePort: nodePort)
  }

  private mutating func targetPort(_ node: TextNode) -> Service.TargetPort? {
    guard node.kind == .string, let name = node.string else {
      return port(node, remedy: "or the name of a container port").map { .number($0) }
    }
    if NameRules.isServiceName(name) { return .name(name) }
    if let number = Int(name) {
      report(
        .error, node,
        "\(quoted(name)) is no port name, which has a letter; for the number write \(number)"
          + " without quotes")
    } else {
      report(
        .error, node,
        "\(quoted(name)) is no port name: at most 15 of a-z, 0-9 and '-', with a letter")
    }
    return nil
  }

  // MARK: Addresses from outside

  private mutating func externalAddresses(_ spec: TextNode, _ service: inout Service) {
    strings(spec, "externalIPs") { decoder, node, text in
      if text.isEmpty { return }
      if let address = decoder.usableAddress(node, text) { service.externalIPs.append(address) }
    }
    strings(spec, "loadBalancerSourceRanges") { decoder, node, text in
      if let range = IPPrefix(trimmed(text)) {
        service.loadBalancerSourceRanges.append(range)
      } else {
        decoder.report(.warning, node, "\(quoted(text)) is no address range; ignored")
      }
    }
    service.externalName = string(spec, "externalName").flatMap { $0.isEmpty ? nil : $0 }
    if service.kind == .externalName, service.externalName == nil,
      spec["externalName"].map({ $0.isNull || $0.kind == .string }) ?? true
    {
      missing("externalName", in: spec, "a Service of type ExternalName needs one")
    }
  }

  private mutating func ingress(_ balancer: TextNode, _ service: inout Service) {
    mappings(balancer, "ingress") { decoder, node in
      let mode = decoder.string(node, "ipMode")
      let address = decoder.field(node, "ip") { decoder, node -> IPAddress? in
        guard let text = decoder.string(node), !text.isEmpty else { return nil }
        return decoder.usableAddress(node, text)
      }
      guard let address else { return }
      let isVIP = mode == nil || mode == "VIP"
      if !isVIP && mode != "Proxy" {
        decoder.report(.warning, node, "has an unknown ipMode \(quoted(mode ?? "")); ignored")
      }
      service.loadBalancerIngress.append(Service.Ingress(address: address, isVIP: isVIP))
    }
  }

  /// An address that a Service may be reached at; any other is ignored with a warning.
  private mutating func usableAddress(_ node: TextNode, _ text: String) -> IPAddress? {
    guard let address = IPAddress(text) else {
      report(.warning, node, "\(quoted(text)) is no IP address; ignored")
      return nil
    }
    let isLocal = address.isLoopback ? "is a loopback address" : nil
    guard let reason = address.unusable ?? isLocal else { return address }
    report(.warning, node, "\(address) \(reason); ignored")
    return nil
  }

  // MARK: Policies

  private mutating func policies(_ spec: TextNode, _ service: inout Service) {
    if choice(spec, "sessionAffinity", Affinity.self) == .clientIP {
      service.affinityTimeout = affinityTimeout(spec)
    }
    let cluster = Service.TrafficPolicy.cluster
    service.internalTrafficPolicy =
      choice(spec, "internalTrafficPolicy", Service.TrafficPolicy.self) ?? cluster
    service.externalTrafficPolicy =
      choice(spec, "externalTrafficPolicy", Service.TrafficPolicy.self) ?? cluster
    service.publishNotReadyAddresses = boolean(spec, "publishNotReadyAddresses") ?? false
    service.allocateLoadBalancerNodePorts = boolean(spec, "allocateLoadBalancerNodePorts") ?? true
    service.healthCheckNodePort = optionalPort(spec, "healthCheckNodePort")
  }

  private mutating func affinityTimeout(_ spec: TextNode) -> UInt32 {
    mapping(spec, "sessionAffinityConfig") { decoder, config in
      decoder.mapping(config, "clientIP") { decoder, clientIP in
        decoder.field(clientIP, "timeoutSeconds") { decoder, node -> UInt32? in
          if let seconds = node.integer, (1...86_400).contains(seconds) { return UInt32(seconds) }
          let written = String(decoding: node.utf8, as: UTF8.self)
          decoder.report(
            .error, node,
            "must be a number from 1 to 86400, not \(node.kind == .integer ? written : shown(node))"
          )
          return nil
        }
      }
    } ?? ObjectDecoder.defaultAffinityTimeout
  }
}

private func trimmed(_ text: String) -> Substring {
  func isSpace(_ character: Character) -> Bool { character.isWhitespace }
  var rest = text.drop(while: isSpace)
  while let last = rest.last, isSpace(last) { rest.removeLast() }
  return rest
}
