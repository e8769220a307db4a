public import CServiceABI

// The records that are the same for both families.

extension EndpointRecord {
  public var wire: svc_endpoint {
    svc_endpoint(generation: generation, service: service.map { $0 + 1 } ?? 0)
  }

  public init(wire: svc_endpoint) {
    self.init(generation: wire.generation, service: wire.service == 0 ? nil : wire.service - 1)
  }
}

extension ServiceRecord {
  public var wire: svc_service {
    var record = svc_service()
    WireText.fill(&record.namespace_name, name.service.namespace)
    WireText.fill(&record.name, name.service.name)
    WireText.fill(&record.port_name, name.port)
    record.protocol = UInt32(name.transport.rawValue)
    if let affinityTimeout {
      record.affinity = SVC_AFFINITY_CLIENT_IP.rawValue
      record.affinity_timeout = affinityTimeout
    }
    return record
  }

  /// nil when the record is not one that socklb wrote.
  public init?(wire: svc_service) {
    guard let number = UInt8(exactly: wire.protocol),
      let transport = TransportProtocol(rawValue: number)
    else { return nil }
    self.init(
      name: ServicePortName(
        service: NamespacedName(
          namespace: WireText.read(wire.namespace_name), name: WireText.read(wire.name)),
        port: WireText.read(wire.port_name), transport: transport),
      affinityTimeout: wire.affinity == SVC_AFFINITY_CLIENT_IP.rawValue
        ? wire.affinity_timeout : nil)
  }
}
