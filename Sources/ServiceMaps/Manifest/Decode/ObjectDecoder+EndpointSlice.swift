import ManifestText

extension ObjectDecoder {
  mutating func endpointSlice(_ node: TextNode, _ meta: ObjectMeta) -> EndpointSlice {
    let type = choice(node, "addressType", EndpointSlice.AddressType.self)
    if node["addressType"].map({ $0.isNull || ($0.kind == .string && $0.utf8.isEmpty) }) ?? true {
      missing("addressType", in: node)
    }
    var slice = EndpointSlice(meta: meta, addressType: type ?? .v4)
    slicePorts(node, &slice)
    if type == .fqdn {
      report(.note, node, "has names instead of addresses (FQDN), which kube-proxy ignores too")
      return slice
    }
    slice.endpoints.reserveCapacity(node["endpoints"]?.count ?? 0)
    mappings(node, "endpoints") { decoder, node in
      if let endpoint = decoder.endpoint(node, type) { slice.endpoints.append(endpoint) }
    }
    return slice
  }

  // MARK: Ports

  private mutating func slicePorts(_ node: TextNode, _ slice: inout EndpointSlice) {
    var names: Set<String> = []
    mappings(node, "ports") { decoder, node in
      let name = decoder.portName(node)
      let transport = decoder.transport(node)
      let port = decoder.port(node, "port")
      if name == nil && (node["name"]?.isNull ?? true) {
        decoder.report(.note, node, "has no name, not even an empty one; ignored, as by kube-proxy")
        return
      }
      if node["port"]?.isNull ?? true {
        decoder.report(.note, node, "has no number; ignored, as by kube-proxy")
        return
      }
      guard let name, let transport, let port else { return }
      if !names.insert(name).inserted {
        decoder.field(node, "name") { decoder, node -> Void? in
          decoder.report(
            .warning, node, "another port is called \(quoted(name)) too; both are used")
          return nil
        }
      }
      slice.ports.append(EndpointSlice.SlicePort(name: name, transport: transport, port: port))
    }
  }

  // MARK: Endpoints

  private mutating func endpoint(
    _ node: TextNode, _ type: EndpointSlice.AddressType?
  ) -> EndpointSlice.Endpoint? {
    var first: IPAddress?
    var index = 0
    let hasAddresses = list(node, "addresses") { decoder, node in
      index += 1
      guard let address = decoder.address(node, isBackend: true) else { return }
      if let type, (address.family == .v4) != (type == .v4) {
        decoder.report(
          .error, node, "\(address) is no \(type.rawValue) address, as addressType says")
      } else if index == 1 {
        first = address
      }
    }
    if !hasAddresses { report(.note, node, "has no address; ignored, as by kube-proxy") }
    // Its other fields are checked, whether there is an address or not.
    var endpoint = EndpointSlice.Endpoint(address: first ?? IPAddress(v4: 0))
    mapping(node, "conditions") { decoder, node -> Void? in
      endpoint.isReady = decoder.boolean(node, "ready") ?? true
      endpoint.isServing = decoder.boolean(node, "serving") ?? true
      endpoint.isTerminating = decoder.boolean(node, "terminating") ?? false
      return nil
    }
    endpoint.nodeName = string(node, "nodeName")
    endpoint.zone = string(node, "zone")
    topology(node, &endpoint)
    mapping(node, "hints") { decoder, node -> Void? in
      endpoint.hintedZones = decoder.names(node, "forZones")
      endpoint.hintedNodes = decoder.names(node, "forNodes")
      return nil
    }
    return first == nil ? nil : endpoint
  }

  /// discovery.k8s.io/v1beta1 has node and zone as labels.
  private mutating func topology(_ node: TextNode, _ endpoint: inout EndpointSlice.Endpoint) {
    guard node["topology"] != nil else { return }
    let labels = stringMap(node, "topology")
    endpoint.nodeName = endpoint.nodeName ?? labels["kubernetes.io/hostname"]
    endpoint.zone = endpoint.zone ?? labels["topology.kubernetes.io/zone"]
  }

  private mutating func names(_ parent: TextNode, _ key: String) -> [String] {
    var names: [String] = []
    mappings(parent, key) { decoder, node in
      if let name = decoder.string(node, "name") { names.append(name) }
    }
    return names
  }
}
