import ManifestText

extension ObjectDecoder {
  mutating func endpoints(_ node: TextNode, _ meta: ObjectMeta) -> Endpoints {
    var endpoints = Endpoints(meta: meta)
    mappings(node, "subsets") { decoder, node in
      var ports: [Endpoints.EndpointPort] = []
      decoder.mappings(node, "ports") { decoder, node in
        if let port = decoder.endpointPort(node) { ports.append(port) }
      }
      decoder.checkPortNames(node)
      var nodeNames: [IPAddress: String] = [:]
      var subset = Endpoints.Subset(
        addresses: decoder.subsetAddresses(node, "addresses", &nodeNames),
        notReadyAddresses: decoder.subsetAddresses(node, "notReadyAddresses", &nodeNames),
        ports: ports)
      subset.nodeNames = nodeNames
      endpoints.subsets.append(subset)
    }
    return endpoints
  }

  private mutating func endpointPort(_ node: TextNode) -> Endpoints.EndpointPort? {
    let name = portName(node)
    let transport = transport(node)
    if node["port"]?.isNull ?? true { missing("port", in: node) }
    guard let port = port(node, "port"), let transport else { return nil }
    return Endpoints.EndpointPort(name: name ?? "", transport: transport, port: port)
  }

  private mutating func subsetAddresses(
    _ subset: TextNode, _ key: String, _ nodeNames: inout [IPAddress: String]
  ) -> [IPAddress] {
    var addresses: [IPAddress] = []
    mappings(subset, key) { decoder, node in
      if node["ip"]?.isNull ?? true { decoder.missing("ip", in: node) }
      let address = decoder.field(node, "ip") { decoder, node in
        decoder.address(node, isBackend: true)
      }
      let nodeName = decoder.string(node, "nodeName")
      guard let address else { return }
      addresses.append(address)
      nodeNames[address] = nodeName
    }
    return addresses
  }
}
