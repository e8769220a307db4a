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
    record.algorithm = algorithm.wire.rawValue
    if termination.contains(.udp) { record.terminate |= SVC_TERMINATE_UDP.rawValue }
    if termination.contains(.tcp) { record.terminate |= SVC_TERMINATE_TCP.rawValue }
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
    var termination: Termination = []
    if wire.terminate & SVC_TERMINATE_UDP.rawValue != 0 { termination.insert(.udp) }
    if wire.terminate & SVC_TERMINATE_TCP.rawValue != 0 { termination.insert(.tcp) }
    self.init(
      name: ServicePortName(
        service: NamespacedName(
          namespace: WireText.read(wire.namespace_name), name: WireText.read(wire.name)),
        port: WireText.read(wire.port_name), transport: transport),
      affinityTimeout: wire.affinity == SVC_AFFINITY_CLIENT_IP.rawValue
        ? wire.affinity_timeout : nil,
      algorithm: wire.algorithm == SVC_ALGORITHM_ROUND_ROBIN.rawValue ? .roundRobin : .random,
      termination: termination)
  }
}

extension ServiceRecord {
  /// What programs read where a frontend says so.
  public var policy: svc_policy {
    svc_policy(
      affinity_timeout: affinityTimeout ?? 0, algorithm: algorithm.wire.rawValue, next: 0)
  }
}

extension Algorithm {
  var wire: svc_algorithm {
    switch self {
    case .random: SVC_ALGORITHM_RANDOM
    case .roundRobin: SVC_ALGORITHM_ROUND_ROBIN
    }
  }
}

extension svc_source {
  /// nil: the namespace has no address of that family to send from.
  public init(v4: IPAddress?, v6: IPAddress?) {
    self.init()
    if let v4 { addr4_be = UInt32(truncatingIfNeeded: v4.low).bigEndian }
    if let v6 {
      addr6_be = (
        UInt32(truncatingIfNeeded: v6.high >> 32).bigEndian,
        UInt32(truncatingIfNeeded: v6.high).bigEndian,
        UInt32(truncatingIfNeeded: v6.low >> 32).bigEndian,
        UInt32(truncatingIfNeeded: v6.low).bigEndian
      )
    }
  }
}
