import ManifestText

extension ObjectDecoder {
  // MARK: Metadata

  /// nil when the object has no name, and so no identity.
  mutating func metadata(_ object: TextNode, _ kind: ObjectKind) -> ObjectMeta? {
    guard let node = object["metadata"], !node.isNull else {
      missing("metadata", in: object)
      return nil
    }
    return mapping(object, "metadata") { decoder, node in
      let name = decoder.name(node, kind)
      var namespace = ""
      if kind != .node {
        namespace =
          decoder.field(node, "namespace") { decoder, node in
            decoder.namespace(node)
          } ?? "default"
      }
      let meta = ObjectMeta(
        name: NamespacedName(namespace: namespace, name: name ?? ""),
        labels: decoder.stringMap(node, "labels"),
        annotations: decoder.stringMap(node, "annotations"),
        creationTimestamp: decoder.string(node, "creationTimestamp"))
      return name == nil ? nil : meta
    }
  }

  private mutating func name(_ metadata: TextNode, _ kind: ObjectKind) -> String? {
    guard let node = metadata["name"], !node.isNull, node.kind != .string || !node.utf8.isEmpty
    else {
      missing("name", in: metadata)
      return nil
    }
    return field(metadata, "name") { decoder, node in
      guard let name = decoder.string(node) else { return nil }
      if kind == .service, !NameRules.isLabel(name) {
        decoder.report(
          .error, node,
          "\(quoted(name)) is no DNS label: at most 63 of a-z, 0-9 and '-', not '-' at either end")
      } else if kind != .service, !NameRules.isSubdomain(name) {
        decoder.report(
          .error, node,
          "\(quoted(name)) is no DNS name: at most 253 of a-z, 0-9, '-' and '.',"
            + " each part beginning and ending with a letter or digit")
      }
      return name
    }
  }

  private mutating func namespace(_ node: TextNode) -> String? {
    guard let name = string(node), !name.isEmpty else { return nil }
    if !NameRules.isLabel(name) {
      report(
        .error, node,
        "\(quoted(name)) is no DNS label: at most 63 of a-z, 0-9 and '-', not '-' at either end")
    }
    return name
  }

  // MARK: Ports

  /// A member that is a port number.
  mutating func port(_ parent: TextNode, _ key: String, remedy: String = "") -> Port? {
    field(parent, key) { decoder, node in decoder.port(node, remedy: remedy) }
  }

  mutating func port(_ node: TextNode, remedy: String = "") -> Port? {
    if let number = node.integer, let port = Port(number) { return port }
    let isQuoted = node.kind == .string && Int(node.string ?? "").flatMap { Port($0) } != nil
    let hint = isQuoted ? "; leave out the quotes" : remedy.isEmpty ? "" : "; \(remedy)"
    let written =
      node.kind == .integer ? String(decoding: node.utf8.prefix(60), as: UTF8.self) : shown(node)
    report(.error, node, "must be a number from 1 to 65535, not \(written)\(hint)")
    return nil
  }

  /// A port number of which 0 means that there is none.
  mutating func optionalPort(_ parent: TextNode, _ key: String) -> Port? {
    field(parent, key) { decoder, node in
      node.integer == 0 ? nil : decoder.port(node)
    }
  }

  /// The member `protocol`; TCP if there is none.
  mutating func transport(_ parent: TextNode) -> TransportProtocol? {
    guard let node = parent["protocol"], !node.isNull else { return .tcp }
    return field(parent, "protocol") { decoder, node in
      guard let name = decoder.string(node) else { return nil }
      if name.isEmpty { return .tcp }
      if let transport = TransportProtocol(name: name) { return transport }
      let remedy = TransportProtocol(name: name.uppercased()) == nil ? "" : "; write it in capitals"
      decoder.report(.error, node, "must be TCP, UDP or SCTP, not \(quoted(name))\(remedy)")
      return nil
    }
  }

  /// The member `name` of a port of a Service, a slice or an Endpoints object.
  mutating func portName(_ parent: TextNode) -> String? {
    field(parent, "name") { decoder, node in
      guard let name = decoder.string(node) else { return nil }
      if !name.isEmpty, !NameRules.isLabel(name) {
        decoder.report(.error, node, "\(quoted(name)) is no DNS label of a-z, 0-9 and '-'")
      }
      return name
    }
  }

  /// Says of ports what must hold between them: a name each, unless there is only one, and no
  /// name twice.
  mutating func checkPortNames(_ parent: TextNode, _ key: String = "ports") {
    guard let ports = parent[key], ports.kind == .sequence, ports.count > 1 else { return }
    var seen: Set<String> = []
    list(parent, key) { decoder, port in
      guard port.kind == .mapping else { return }
      guard let name = port["name"]?.string, !name.isEmpty else {
        if port["name"].map({ $0.isNull || $0.kind == .string }) ?? true {
          decoder.missing("name", in: port, "with more than one port each needs a name")
        }
        return
      }
      if seen.insert(name).inserted { return }
      decoder.field(port, "name") { decoder, node -> Void? in
        decoder.report(.error, node, "another port is called \(quoted(name)) too")
        return nil
      }
    }
  }

  // MARK: Addresses

  /// An address that something can be reached at.
  ///
  /// - Parameter isBackend: warns of addresses that are unlikely to be meant for an endpoint.
  mutating func address(_ node: TextNode, isBackend: Bool = false) -> IPAddress? {
    guard node.kind == .string else {
      expect(.string, node)
      return nil
    }
    guard let address = IPAddress(utf8: node.utf8) else {
      report(.error, node, "\(quoted(node.string ?? "")) is no IP address")
      return nil
    }
    if let reason = address.unusable {
      report(.error, node, "\(address) \(reason); nothing can be reached there")
      return nil
    }
    if isBackend && (address.isLoopback || address.isLinkLocal) {
      let name = address.isLoopback ? "loopback" : "link-local"
      report(.warning, node, "\(address) is a \(name) address; Kubernetes does not allow it here")
    }
    return address
  }
}

extension IPAddress {
  /// Why no traffic can be sent to this address.
  var unusable: String? {
    if isUnspecified { return "is the unspecified address" }
    return isMulticast ? "is a multicast address" : nil
  }
}
