public import CServiceABI

/// The wire types of one family, and the conversions between them and the model.
///
/// Wire structs hold addresses and ports in network byte order, model values in host byte order;
/// this folder is the only place where one becomes the other.
public protocol WireFamily: Sendable {
  associatedtype WireFrontend: Sendable
  associatedtype WireGuards: Sendable
  associatedtype WireKept: Sendable
  associatedtype WireRange: Sendable
  associatedtype WireSlot: Sendable

  static var family: IPFamily { get }
  /// Where in `Frontend` the word lies that names service port and list, in bytes.
  static var targetOffset: Int { get }
  /// Where in `Frontend` the flags lie, in bytes.
  static var flagsOffset: Int { get }

  /// What a record begins with; nil when it is no key.
  static func key(of frontend: WireFrontend) -> FrontendKey?
  static func frontend(_ record: FrontendRecord) -> WireFrontend
  /// nil when the record is not one that socklb wrote.
  static func record(_ frontend: WireFrontend) -> FrontendRecord?
  static func slot(_ slot: Slot) -> WireSlot
  static func slot(_ slot: WireSlot) -> Slot?
  static func slots(_ run: SlotRun) -> [WireSlot]
  /// A bit for each way of a bucket of guards that holds no address.
  static func freeWays(in bucket: WireGuards) -> UInt32
  static func kept(_ record: KeptRecord) -> WireKept
  /// nil when the record is not one that socklb wrote.
  static func kept(_ wire: WireKept) -> KeptRecord?
  static func range(_ write: FamilyPlan.RangeWrite) -> WireRange
  static func range(_ wire: WireRange) -> FamilyPlan.RangeWrite
}

/// IPv4: 24-byte frontends, 16-byte slots.
public enum WireV4: WireFamily {
  public typealias WireGuards = svc_guard_bucket4

  public static var family: IPFamily { .v4 }
  public static var targetOffset: Int { MemoryLayout<svc_frontend4>.offset(of: \.target) ?? 0 }
  public static var flagsOffset: Int { MemoryLayout<svc_frontend4>.offset(of: \.flags) ?? 0 }

  public static func key(of frontend: svc_frontend4) -> FrontendKey? {
    guard frontend.zero_key == 0 else { return nil }
    return makeKey(
      IPAddress(v4: UInt32(bigEndian: frontend.addr_be)), frontend.port_be, frontend.protocol)
  }

  public static func frontend(_ record: FrontendRecord) -> svc_frontend4 {
    svc_frontend4(
      addr_be: UInt32(truncatingIfNeeded: record.key.address.low).bigEndian,
      port_be: record.key.port.number.bigEndian, protocol: record.key.transport.rawValue,
      zero_key: 0, target: record.target, flags: record.flags, zero: 0)
  }

  public static func record(_ frontend: svc_frontend4) -> FrontendRecord? {
    makeRecord(key(of: frontend), frontend.flags, frontend.target)
  }

  public static func slot(_ slot: Slot) -> svc_slot4 {
    svc_slot4(
      addr_be: UInt32(truncatingIfNeeded: slot.backend.address.low).bigEndian,
      port_be: slot.backend.port.number.bigEndian, zero: 0, endpoint: slot.endpoint,
      generation: slot.generation)
  }

  public static func slots(_ run: SlotRun) -> [svc_slot4] { run.map { slot($0) } }

  public static func freeWays(in bucket: svc_guard_bucket4) -> UInt32 {
    WireArray.zeros(in: bucket, of: svc_guard4.self)
  }

  public static func slot(_ slot: svc_slot4) -> Slot? {
    guard let port = Port(UInt16(bigEndian: slot.port_be)) else { return nil }
    let backend = Backend(address: IPAddress(v4: UInt32(bigEndian: slot.addr_be)), port: port)
    return Slot(backend: backend, endpoint: slot.endpoint, generation: slot.generation)
  }
}

extension WireV4 {
  public static func kept(_ record: KeptRecord) -> svc_kept4 {
    svc_kept4(
      service: record.service,
      addr_be: UInt32(truncatingIfNeeded: record.backend.address.low).bigEndian,
      port_be: record.backend.port.number.bigEndian, zero: 0)
  }

  public static func kept(_ wire: svc_kept4) -> KeptRecord? {
    guard let port = Port(UInt16(bigEndian: wire.port_be)) else { return nil }
    let address = IPAddress(v4: UInt32(bigEndian: wire.addr_be))
    return KeptRecord(service: wire.service, backend: Backend(address: address, port: port))
  }

  public static func range(_ write: FamilyPlan.RangeWrite) -> svc_range4 {
    svc_range4(
      prefix_length: 32 + UInt32(write.range.length), frontend: write.frontend,
      addr_be: UInt32(truncatingIfNeeded: write.range.base.low).bigEndian)
  }

  public static func range(_ wire: svc_range4) -> FamilyPlan.RangeWrite {
    .init(
      frontend: wire.frontend,
      range: IPPrefix(
        IPAddress(v4: UInt32(bigEndian: wire.addr_be)),
        length: Int(max(wire.prefix_length, 32)) - 32))
  }
}

/// IPv6: 32-byte frontends, 32-byte slots.
public enum WireV6: WireFamily {
  public typealias WireGuards = svc_guard_bucket6

  public static var family: IPFamily { .v6 }
  public static var targetOffset: Int { MemoryLayout<svc_frontend6>.offset(of: \.target) ?? 0 }
  public static var flagsOffset: Int { MemoryLayout<svc_frontend6>.offset(of: \.flags) ?? 0 }

  public static func key(of frontend: svc_frontend6) -> FrontendKey? {
    makeKey(address(frontend.addr_be), frontend.port_be, frontend.protocol)
  }

  public static func frontend(_ record: FrontendRecord) -> svc_frontend6 {
    svc_frontend6(
      addr_be: words(record.key.address), port_be: record.key.port.number.bigEndian,
      protocol: record.key.transport.rawValue, zero_key: 0, flags: record.flags,
      target: record.target)
  }

  public static func record(_ frontend: svc_frontend6) -> FrontendRecord? {
    makeRecord(key(of: frontend), frontend.flags, frontend.target)
  }

  public static func slot(_ slot: Slot) -> svc_slot6 {
    svc_slot6(
      addr_be: words(slot.backend.address), port_be: slot.backend.port.number.bigEndian, zero: 0,
      endpoint: slot.endpoint, generation: slot.generation, zero2: 0)
  }

  public static func slots(_ run: SlotRun) -> [svc_slot6] { run.map { slot($0) } }

  public static func freeWays(in bucket: svc_guard_bucket6) -> UInt32 {
    WireArray.zeros(in: bucket, of: svc_guard6.self)
  }

  public static func slot(_ slot: svc_slot6) -> Slot? {
    guard let port = Port(UInt16(bigEndian: slot.port_be)) else { return nil }
    return Slot(
      backend: Backend(address: address(slot.addr_be), port: port), endpoint: slot.endpoint,
      generation: slot.generation)
  }

  public static func kept(_ record: KeptRecord) -> svc_kept6 {
    svc_kept6(
      service: record.service, addr_be: words(record.backend.address),
      port_be: record.backend.port.number.bigEndian, zero: 0)
  }

  public static func kept(_ wire: svc_kept6) -> KeptRecord? {
    guard let port = Port(UInt16(bigEndian: wire.port_be)) else { return nil }
    return KeptRecord(
      service: wire.service, backend: Backend(address: address(wire.addr_be), port: port))
  }

  public static func range(_ write: FamilyPlan.RangeWrite) -> svc_range6 {
    svc_range6(
      prefix_length: 32 + UInt32(write.range.length), frontend: write.frontend,
      addr_be: words(write.range.base))
  }

  public static func range(_ wire: svc_range6) -> FamilyPlan.RangeWrite {
    .init(
      frontend: wire.frontend,
      range: IPPrefix(
        address(wire.addr_be), length: Int(max(wire.prefix_length, 32)) - 32))
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

/// The source ranges are in a map of their own; whoever reads the maps fills them in.
private func makeRecord(_ key: FrontendKey?, _ flags: UInt32, _ target: UInt64) -> FrontendRecord? {
  guard let key, let kind = FrontendKind(wire: svc_kind(rawValue: flags & UInt32(SVC_KIND_MASK)))
  else { return nil }
  return FrontendRecord(
    key: key, kind: kind,
    whenEmpty: flags & SVC_FRONTEND_DROP.rawValue != 0 ? .drop : .refuse,
    hasPolicy: flags & SVC_FRONTEND_POLICY.rawValue != 0,
    udpChoice: flags & SVC_FRONTEND_PER_DATAGRAM.rawValue != 0 ? .datagram : .socket,
    isTerminated: flags & SVC_FRONTEND_TERMINATE.rawValue != 0,
    service: UInt32(truncatingIfNeeded: target >> 32), list: UInt32(truncatingIfNeeded: target))
}

extension FrontendRecord {
  /// The word the data plane reads: `service << 32 | list`.
  public var target: UInt64 { UInt64(service) << 32 | UInt64(list) }

  /// enum svc_frontend_flags, and the kind.
  public var flags: UInt32 {
    var flags = kind.wire.rawValue
    if whenEmpty == .drop { flags |= SVC_FRONTEND_DROP.rawValue }
    if !sourceRanges.isEmpty { flags |= SVC_FRONTEND_SOURCE_RANGES.rawValue }
    if hasPolicy { flags |= SVC_FRONTEND_POLICY.rawValue }
    if udpChoice == .datagram { flags |= SVC_FRONTEND_PER_DATAGRAM.rawValue }
    if isTerminated { flags |= SVC_FRONTEND_TERMINATE.rawValue }
    return flags
  }
}

extension FrontendKind {
  var wire: svc_kind {
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
