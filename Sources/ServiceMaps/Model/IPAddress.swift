/// The family of an address, and of everything that is kept apart by family.
public enum IPFamily: UInt8, Hashable, Comparable, Sendable, CaseIterable, CustomStringConvertible {
  case v4 = 4
  case v6 = 6

  public static func < (a: IPFamily, b: IPFamily) -> Bool { a.rawValue < b.rawValue }

  /// As the Kubernetes API spells it in `spec.ipFamilies`.
  public var description: String { self == .v4 ? "IPv4" : "IPv6" }
}

/// An IPv4 or IPv6 address, ordered IPv4 first and then by its bytes.
///
/// The value is kept in host byte order; only `Entries/` converts to the wire.
public struct IPAddress: Hashable, Comparable, Sendable {
  public let family: IPFamily
  /// The first 8 bytes of an IPv6 address; 0 for IPv4.
  public let high: UInt64
  /// The last 8 bytes of an IPv6 address, or the 4 bytes of an IPv4 address.
  public let low: UInt64

  public init(v4 value: UInt32) {
    family = .v4
    high = 0
    low = UInt64(value)
  }

  public init(v6High high: UInt64, low: UInt64) {
    family = .v6
    self.high = high
    self.low = low
  }

  public static func < (a: IPAddress, b: IPAddress) -> Bool {
    if a.family != b.family { return a.family < b.family }
    return a.high != b.high ? a.high < b.high : a.low < b.low
  }

  /// 4 or 16 bytes, the first one first.
  public var bytes: [UInt8] {
    func half(_ value: UInt64) -> [UInt8] {
      stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
    }
    return family == .v4 ? Array(half(low).suffix(4)) : half(high) + half(low)
  }

  /// nil unless there are 4 or 16 bytes.
  public init?(bytes: [UInt8]) {
    func value(_ part: some Sequence<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
    switch bytes.count {
    case 4: self.init(v4: UInt32(truncatingIfNeeded: value(bytes)))
    case 16: self.init(v6High: value(bytes.prefix(8)), low: value(bytes.suffix(8)))
    default: return nil
    }
  }

  /// 127.0.0.0/8 or ::1.
  public var isLoopback: Bool {
    family == .v4 ? low >> 24 == 127 : high == 0 && low == 1
  }

  /// 0.0.0.0 or ::.
  public var isUnspecified: Bool { high == 0 && low == 0 }

  /// 169.254.0.0/16 or fe80::/10.
  public var isLinkLocal: Bool {
    family == .v4 ? low >> 16 == 0xa9fe : high >> 54 == 0x3fa
  }

  /// 224.0.0.0/4 or ff00::/8.
  public var isMulticast: Bool {
    family == .v4 ? low >> 28 == 0xe : high >> 56 == 0xff
  }
}

extension IPAddress {
  /// Reads an address the way kube-proxy does (`netutils.ParseIPSloppy`): leading zeros
  /// in IPv4 numbers are allowed and decimal, and IPv4-mapped IPv6 text is IPv4.
  ///
  /// Zones (`fe80::1%eth0`) and any other decoration are refused.
  public init?(_ text: some StringProtocol) {
    var bytes = [UInt8](text.utf8)
    guard bytes.count <= 60 else { return nil }
    if !bytes.contains(UInt8(ascii: ":")) {
      guard let value = IPAddress.parseV4(bytes[...]) else { return nil }
      self.init(v4: value)
      return
    }
    var tail: [UInt16] = []
    if let lastColon = bytes.lastIndex(of: UInt8(ascii: ":")),
      bytes[lastColon...].contains(UInt8(ascii: "."))
    {
      guard let value = IPAddress.parseV4(bytes[(lastColon + 1)...]) else { return nil }
      tail = [UInt16(value >> 16), UInt16(value & 0xffff)]
      bytes.removeSubrange((lastColon + 1)...)
      // "::1.2.3.4" keeps its "::", "1:2:3.4.5.6" loses the colon before the IPv4 part.
      if !bytes.suffix(2).elementsEqual([UInt8(ascii: ":"), UInt8(ascii: ":")]) {
        bytes.removeLast()
      }
    }
    guard let words = IPAddress.parseV6(bytes, tail: tail) else { return nil }
    var high: UInt64 = 0
    var low: UInt64 = 0
    for i in 0..<4 {
      high = high << 16 | UInt64(words[i])
      low = low << 16 | UInt64(words[i + 4])
    }
    if high == 0 && low >> 32 == 0xffff {
      self.init(v4: UInt32(truncatingIfNeeded: low))
    } else {
      self.init(v6High: high, low: low)
    }
  }

  private static func parseV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
    var value: UInt32 = 0
    var parts = 0
    for part in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      guard !part.isEmpty, part.count <= 16 else { return nil }
      var number = 0
      for byte in part {
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        number = number * 10 + Int(byte - UInt8(ascii: "0"))
        guard number <= 255 else { return nil }
      }
      value = value << 8 | UInt32(number)
      parts += 1
      guard parts <= 4 else { return nil }
    }
    return parts == 4 ? value : nil
  }

  private static func parseV6(_ bytes: [UInt8], tail: [UInt16]) -> [UInt16]? {
    func words(_ slice: ArraySlice<UInt8>) -> [UInt16]? {
      if slice.isEmpty { return [] }
      var result: [UInt16] = []
      for part in slice.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
        guard (1...4).contains(part.count) else { return nil }
        var number: UInt16 = 0
        for byte in part {
          guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
          number = number << 4 | UInt16(digit)
        }
        result.append(number)
      }
      return result
    }
    let colon = UInt8(ascii: ":")
    var gap: Int?
    for i in bytes.indices.dropLast() where bytes[i] == colon && bytes[i + 1] == colon {
      if gap != nil { return nil }
      gap = i
    }
    guard let gap else {
      guard let all = words(bytes[...]), all.count + tail.count == 8 else { return nil }
      return all + tail
    }
    guard let before = words(bytes[..<gap]), let after = words(bytes[(gap + 2)...]) else {
      return nil
    }
    let count = before.count + after.count + tail.count
    guard count <= 7 else { return nil }
    return before + Array(repeating: 0, count: 8 - count) + after + tail
  }
}

extension IPAddress: CustomStringConvertible {
  /// Canonical text: dotted quad, or RFC 5952 (lower case, longest run of zeros as `::`).
  public var description: String {
    if family == .v4 {
      return "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
    }
    var words: [UInt16] = []
    for shift in stride(from: 48, through: 0, by: -16) {
      words.append(UInt16(truncatingIfNeeded: high >> UInt64(shift)))
    }
    for shift in stride(from: 48, through: 0, by: -16) {
      words.append(UInt16(truncatingIfNeeded: low >> UInt64(shift)))
    }
    var best = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8 && words[end] == 0 { end += 1 }
      if end - start > best.count && end - start > 1 { best = start..<end }
      start = max(end, start + 1)
    }
    func text(_ range: Range<Int>) -> String {
      words[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    if best.isEmpty { return text(0..<8) }
    return text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
  }
}
