/// An address range in CIDR notation.
public struct IPPrefix: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The first address of the range (host bits cleared).
  public let base: IPAddress
  /// How many leading bits count: 0…32 or 0…128.
  public let length: Int

  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPAddress(parts[0]),
      (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
      let length = Int(parts[1]), length <= (address.family == .v4 ? 32 : 128)
    else { return nil }
    self.init(address, length: length)
  }

  public init(_ address: IPAddress, length: Int) {
    self.length = length
    if address.family == .v4 {
      let mask: UInt64 = length == 0 ? 0 : (0xffff_ffff << UInt64(32 - length)) & 0xffff_ffff
      base = IPAddress(v4: UInt32(address.low & mask))
    } else {
      let highMask: UInt64 = length == 0 ? 0 : length >= 64 ? .max : .max << UInt64(64 - length)
      let lowMask: UInt64 =
        length <= 64 ? 0 : length == 128 ? .max : .max << UInt64(128 - length)
      base = IPAddress(v6High: address.high & highMask, low: address.low & lowMask)
    }
  }

  public var family: IPFamily { base.family }

  public func contains(_ address: IPAddress) -> Bool {
    address.family == family && IPPrefix(address, length: length).base == base
  }

  /// By first address, wider ranges first.
  public static func < (a: IPPrefix, b: IPPrefix) -> Bool {
    a.base != b.base ? a.base < b.base : a.length < b.length
  }

  public var description: String { "\(base)/\(length)" }
}
