/// The ranges from which Services without a clusterIP get one (`--service-cidr`).
public struct ServiceCIDRs: Hashable, Sendable, CustomStringConvertible {
  public var prefixes: [IPPrefix]

  public init(_ prefixes: [IPPrefix]) { self.prefixes = prefixes }

  /// Comma-separated prefixes; nil when one of them is none, or there are none.
  public init?(_ text: String) {
    var prefixes: [IPPrefix] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let prefix = IPPrefix(part) else { return nil }
      prefixes.append(prefix)
    }
    guard !prefixes.isEmpty else { return nil }
    self.init(prefixes)
  }

  /// 10.96.0.0/12 (kubeadm's default) and fd00:10:96::/112.
  public static let standard = ServiceCIDRs([
    IPPrefix(IPAddress(v4: 0x0a60_0000), length: 12),
    IPPrefix(IPAddress(v6High: 0xfd00_0010_0096_0000, low: 0), length: 112),
  ])

  /// None: Services have the addresses that somebody else has given them, and no others.
  public static let none = ServiceCIDRs([IPPrefix]())

  public func has(_ family: IPFamily) -> Bool { prefixes.contains { $0.family == family } }

  public func contains(_ address: IPAddress) -> Bool {
    prefixes.contains { $0.contains(address) }
  }

  /// The family of a Service that does not ask for one: IPv4 where there is a range for it.
  public var defaultFamily: IPFamily { has(.v4) || prefixes.isEmpty ? .v4 : .v6 }

  public var description: String {
    prefixes.map { "\($0)" }.joined(separator: ",")
  }
}

extension IPPrefix {
  /// The addresses of a service range that may be given out, as distances from its base.
  ///
  /// The first 256 are left for hand-picked clusterIPs. A range of fewer than 512 addresses
  /// leaves as many as Kubernetes' static band does, max(16, size/16), and one of fewer than 64
  /// only its base address. The last address of an IPv4 range (broadcast) is never given out.
  /// IPv6 ranges are used up to 2^62 addresses.
  var allocatableOffsets: Range<UInt64> {
    let hostBits = min((family == .v4 ? 32 : 128) - length, 62)
    let size = UInt64(1) << UInt64(hostBits)
    let end = family == .v4 ? size - 1 : size
    let start: UInt64 = size >= 512 ? 256 : size >= 64 ? max(16, size / 16) : 1
    return start < end ? start..<end : end..<end
  }

  /// The address `offset` after the base.
  func address(at offset: UInt64) -> IPAddress {
    family == .v4
      ? IPAddress(v4: UInt32(truncatingIfNeeded: base.low | offset))
      : IPAddress(v6High: base.high, low: base.low | offset)
  }
}
