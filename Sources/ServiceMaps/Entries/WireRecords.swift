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
    record.protocol = name.transport.rawValue
    record.namespace_length = UInt8(WireText.length(name.service.namespace))
    record.name_length = UInt8(WireText.length(name.service.name))
    record.port_length = UInt8(WireText.length(name.port))
    if !hasLongNames {
      var end = WireText.append(name.service.namespace, to: &record.text, at: 0)
      end = WireText.append(name.service.name, to: &record.text, at: end)
      _ = WireText.append(name.port, to: &record.text, at: end)
    }
    record.algorithm = UInt8(algorithm.wire.rawValue)
    if termination.contains(.udp) { record.terminate |= UInt8(SVC_TERMINATE_UDP.rawValue) }
    if termination.contains(.tcp) { record.terminate |= UInt8(SVC_TERMINATE_TCP.rawValue) }
    if let affinityTimeout {
      record.affinity = UInt8(SVC_AFFINITY_CLIENT_IP.rawValue)
      record.affinity_timeout = affinityTimeout
    }
    return record
  }

  /// The record has no room for them: they stand in `names4` and `names6`.
  public var hasLongNames: Bool {
    WireText.length(name.service.namespace) + WireText.length(name.service.name)
      + WireText.length(name.port) > Int(SVC_TEXT_SIZE)
  }

  /// What stands in `names4` and `names6`; nil when the record itself has room for it.
  public var wireNames: svc_names? {
    guard hasLongNames else { return nil }
    var names = svc_names()
    WireText.fill(&names.namespace_name, name.service.namespace)
    WireText.fill(&names.name, name.service.name)
    WireText.fill(&names.port_name, name.port)
    return names
  }

  /// - Parameter names: what stands in `names4` or `names6`, if anything does.
  /// - Returns: nil when the record is not one that socklb wrote, or is not complete.
  public init?(wire: svc_service, names: svc_names?) {
    guard let transport = TransportProtocol(rawValue: wire.protocol) else { return nil }
    let lengths = [wire.namespace_length, wire.name_length, wire.port_length].map { Int($0) }
    let texts: [String]
    if lengths.reduce(0, +) <= Int(SVC_TEXT_SIZE) {
      texts = WireText.split(wire.text, lengths)
    } else if let names {
      texts = [
        WireText.read(names.namespace_name), WireText.read(names.name),
        WireText.read(names.port_name),
      ]
    } else {
      return nil
    }
    var termination: Termination = []
    if UInt32(wire.terminate) & SVC_TERMINATE_UDP.rawValue != 0 { termination.insert(.udp) }
    if UInt32(wire.terminate) & SVC_TERMINATE_TCP.rawValue != 0 { termination.insert(.tcp) }
    self.init(
      name: ServicePortName(
        service: NamespacedName(namespace: texts[0], name: texts[1]), port: texts[2],
        transport: transport),
      affinityTimeout: UInt32(wire.affinity) == SVC_AFFINITY_CLIENT_IP.rawValue
        ? wire.affinity_timeout : nil,
      algorithm: UInt32(wire.algorithm) == SVC_ALGORITHM_ROUND_ROBIN.rawValue
        ? .roundRobin : .random,
      termination: termination)
  }
}

extension svc_names_key {
  public init(id: UInt32) { self.init(prefix_length: 32, service: id) }
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

  /// Without those that are not known.
  public var addresses: [IPFamily: IPAddress] {
    var result: [IPFamily: IPAddress] = [:]
    if addr4_be != 0 { result[.v4] = IPAddress(v4: UInt32(bigEndian: addr4_be)) }
    let v6 = addr6_be
    if (v6.0 | v6.1 | v6.2 | v6.3) != 0 { result[.v6] = IPAddress(words: v6) }
    return result
  }
}
