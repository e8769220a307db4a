public import CServiceABI

/// The wire types of one family, and the conversions between them and the model.
///
/// Wire structs hold addresses and ports in network byte order, model values in host byte order;
/// this folder is the only place where one becomes the other.
public protocol WireFamily: Sendable {
  associatedtype Key: Sendable
  associatedtype WireFrontend: Sendable
  associatedtype WireSlot: Sendable

  static var family: IPFamily { get }
  /// Where in `Frontend` the word lies that names service port and list, in bytes.
  static var targetOffset: Int { get }
  /// Where in `Frontend` the kind lies, in bytes.
  static var kindOffset: Int { get }

  static func key(_ key: FrontendKey) -> Key
  static func frontendKey(_ key: Key) -> FrontendKey?
  static func frontend(_ record: FrontendRecord) -> WireFrontend
  /// nil when the record is not one that socklb wrote.
  static func record(_ frontend: WireFrontend) -> FrontendRecord?
  static func slot(_ slot: Slot) -> WireSlot
  static func slot(_ slot: WireSlot) -> Slot?
}

/// IPv4: 8-byte keys, 16-byte slots.
public enum WireV4: WireFamily {
  public static var family: IPFamily { .v4 }
  public static var targetOffset: Int { MemoryLayout<svc_frontend4>.offset(of: \.target) ?? 0 }
  public static var kindOffset: Int { MemoryLayout<svc_frontend4>.offset(of: \.kind) ?? 0 }

  public static func key(_ key: FrontendKey) -> svc_key4 {
    svc_key4(
      addr_be: UInt32(truncatingIfNeeded: key.address.low).bigEndian,
      port_be: key.port.number.bigEndian, protocol: key.transport.rawValue, zero: 0)
  }

  public static func frontendKey(_ key: svc_key4) -> FrontendKey? {
    makeKey(IPAddress(v4: UInt32(bigEndian: key.addr_be)), key.port_be, key.protocol)
  }

  public static func frontend(_ record: FrontendRecord) -> svc_frontend4 {
    let key = key(record.key)
    return svc_frontend4(
      addr_be: key.addr_be, port_be: key.port_be, protocol: key.protocol, zero_key: 0,
      target: record.target, kind: record.kind.wire.rawValue, zero: 0)
  }

  public static func record(_ frontend: svc_frontend4) -> FrontendRecord? {
    let address = IPAddress(v4: UInt32(bigEndian: frontend.addr_be))
    return makeRecord(
      makeKey(address, frontend.port_be, frontend.protocol), frontend.kind, frontend.target)
  }

  public static func slot(_ slot: Slot) -> svc_slot4 {
    svc_slot4(
      addr_be: UInt32(truncatingIfNeeded: slot.backend.address.low).bigEndian,
      port_be: slot.backend.port.number.bigEndian, zero: 0, endpoint: slot.endpoint,
      generation: slot.generation)
  }

  public static func slot(_ slot: svc_slot4) -> Slot? {
    guard let port = Port(UInt16(bigEndian: slot.port_be)) else { return nil }
    let backend = Backend(address: IPAddress(v4: UInt32(bigEndian: slot.addr_be)), port: port)
    return Slot(backend: backend, endpoint: slot.endpoint, generation: slot.generation)
  }
}

/// IPv6: 20-byte keys, 32-byte slots.
public enum WireV6: WireFamily {
  public static var family: IPFamily { .v6 }
  public static var targetOffset: Int { MemoryLayout<svc_frontend6>.offset(of: \.target) ?? 0 }
  public static var kindOffset: Int { MemoryLayout<svc_frontend6>.offset(of: \.kind) ?? 0 }

  public static func key(_ key: FrontendKey) -> svc_key6 {
    svc_key6(
      addr_be: words(key.address), port_be: key.port.number.bigEndian,
      protocol: key.transport.rawValue, zero: 0)
  }

  public static func frontendKey(_ key: svc_key6) -> FrontendKey? {
    makeKey(address(key.addr_be), key.port_be, key.protocol)
  }

  public static func frontend(_ record: FrontendRecord) -> svc_frontend6 {
    let key = key(record.key)
    return svc_frontend6(
      addr_be: key.addr_be, port_be: key.port_be, protocol: key.protocol, zero_key: 0,
      kind: record.kind.wire.rawValue, target: record.target)
  }

  public static func record(_ frontend: svc_frontend6) -> FrontendRecord? {
    makeRecord(
      makeKey(address(frontend.addr_be), frontend.port_be, frontend.protocol), frontend.kind,
      frontend.target)
  }

  public static func slot(_ slot: Slot) -> svc_slot6 {
    svc_slot6(
      addr_be: words(slot.backend.address), port_be: slot.backend.port.number.bigEndian, zero: 0,
      endpoint: slot.endpoint, generation: slot.generation, zero2: 0)
  }

  public static func slot(_ slot: svc_slot6) -> Slot? {
    guard let port = Port(UInt16(bigEndian: slot.port_be)) else { return nil }
    return Slot(
      backend: Backend(address: address(slot.addr_be), port: port), endpoint: slot.endpoint,
      generation: slot.generation)
  }

  private typealias Words = (UInt32, UInt32, UInt32, UInt32)

  private static func words(_ address: IPAddress) -> Words {
    func word(_ half: UInt64, _ shift: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: half >> shift).bigEndian
    }
    return (
      word(address.high, 32), word(address.high, 0), word(address.low, 32), word(address.low, 0)
    )
  }

  private static func address(_ words: Words) -> IPAddress {
    func half(_ a: UInt32, _ b: UInt32) -> UInt64 {
      UInt64(UInt32(bigEndian: a)) << 32 | UInt64(UInt32(bigEndian: b))
    }
    return IPAddress(v6High: half(words.0, words.1), low: half(words.2, words.3))
  }
}

private func makeKey(_ address: IPAddress, _ port: UInt16, _ transport: UInt8) -> FrontendKey? {
  guard let port = Port(UInt16(bigEndian: port)),
    let transport = TransportProtocol(rawValue: transport)
  else { return nil }
  return FrontendKey(address: address, port: port, transport: transport)
}

private func makeRecord(_ key: FrontendKey?, _ kind: UInt32, _ target: UInt64) -> FrontendRecord? {
  guard let key, let kind = FrontendKind(wire: svc_kind(rawValue: kind)) else { return nil }
  return FrontendRecord(
    key: key, kind: kind, service: UInt32(truncatingIfNeeded: target >> 32),
    list: UInt32(truncatingIfNeeded: target))
}

extension FrontendRecord {
  /// The word the data plane reads: `service << 32 | list`.
  public var target: UInt64 { UInt64(service) << 32 | UInt64(list) }
}

extension FrontendKind {
  public var wire: svc_kind {
    switch self {
    case .clusterIP: SVC_KIND_CLUSTER_IP
    case .nodePort: SVC_KIND_NODE_PORT
    case .externalIP: SVC_KIND_EXTERNAL_IP
    case .loadBalancer: SVC_KIND_LOAD_BALANCER
    case .hostPort: SVC_KIND_HOST_PORT
    }
  }

  init?(wire: svc_kind) {
    guard let kind = Self.allCases.first(where: { $0.wire == wire }) else { return nil }
    self = kind
  }
}
