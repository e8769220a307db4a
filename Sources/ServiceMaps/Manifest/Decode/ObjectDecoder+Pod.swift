import ManifestText

extension ObjectDecoder {
  mutating func pod(_ node: TextNode, _ meta: ObjectMeta) -> Pod {
    var pod = Pod(meta: meta)
    pod.isTerminating = !(node["metadata"]?["deletionTimestamp"]?.isNull ?? true)
    mapping(node, "spec") { decoder, spec -> Void? in
      pod.usesHostNetwork = decoder.boolean(spec, "hostNetwork") ?? false
      pod.nodeName = decoder.string(spec, "nodeName").flatMap { $0.isEmpty ? nil : $0 }
      decoder.mappings(spec, "containers") { decoder, container in
        decoder.containerPorts(container, &pod)
      }
      decoder.mappings(spec, "initContainers") { decoder, container in
        // Only a sidecar runs on beside the containers.
        if decoder.string(container, "restartPolicy") == "Always" {
          decoder.containerPorts(container, &pod)
        }
      }
      return nil
    }
    mapping(node, "status") { decoder, status -> Void? in
      let phase = decoder.string(status, "phase")
      pod.isFinished = phase == "Failed" || phase == "Succeeded"
      decoder.podAddresses(status, &pod)
      decoder.readiness(status, &pod)
      return nil
    }
    return pod
  }

  private mutating func containerPorts(_ container: TextNode, _ pod: inout Pod) {
    mappings(container, "ports") { decoder, node in
      let name = decoder.field(node, "name") { decoder, node -> String? in
        guard let name = decoder.string(node) else { return nil }
        if !name.isEmpty, !NameRules.isServiceName(name) {
          decoder.report(
            .error, node,
            "\(quoted(name)) is no port name: at most 15 of a-z, 0-9 and '-', with a letter")
        }
        return name
      }
      let transport = decoder.transport(node)
      if node["containerPort"]?.isNull ?? true { decoder.missing("containerPort", in: node) }
      let number = decoder.port(node, "containerPort")
      let hostPort = decoder.optionalPort(node, "hostPort")
      let hostIP = decoder.hostIP(node)
      guard let transport, let number else { return }
      pod.ports.append(
        Pod.ContainerPort(
          name: name ?? "", transport: transport, port: number, hostPort: hostPort,
          hostIP: hostIP))
    }
  }

  /// nil: all addresses of the host, however that is written.
  private mutating func hostIP(_ port: TextNode) -> IPAddress? {
    field(port, "hostIP") { decoder, node in
      guard let text = decoder.string(node), !text.isEmpty else { return nil }
      guard let address = IPAddress(text) else {
        decoder.report(.error, node, "\(quoted(text)) is no IP address")
        return nil
      }
      return address.isUnspecified ? nil : address
    }
  }

  private mutating func podAddresses(_ status: TextNode, _ pod: inout Pod) {
    func add(_ address: IPAddress?) {
      guard let address, !pod.addresses.contains(where: { $0.family == address.family })
      else { return }
      pod.addresses.append(address)
    }
    mappings(status, "podIPs") { decoder, node in
      add(decoder.field(node, "ip") { decoder, node in decoder.podAddress(node) })
    }
    let single = field(status, "podIP") { decoder, node in decoder.podAddress(node) }
    if pod.addresses.isEmpty { add(single) }
  }

  private mutating func podAddress(_ node: TextNode) -> IPAddress? {
    if node.kind == .string && node.utf8.isEmpty { return nil }
    return address(node, isBackend: true)
  }

  private mutating func readiness(_ status: TextNode, _ pod: inout Pod) {
    var ready: Bool?
    let hasConditions = mappings(status, "conditions") { decoder, node in
      let type = decoder.string(node, "type")
      let status = decoder.string(node, "status")
      if type == "Ready" { ready = status == "True" }
    }
    if hasConditions { pod.isReady = ready ?? false }
  }
}
