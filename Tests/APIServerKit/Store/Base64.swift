/// RFC 4648.
enum Base64 {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)

  /// With the digits for addresses and without padding.
  static func urlText(of bytes: [UInt8]) -> String {
    let digits = digits + Array("-_".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var value = 0
      for index in 0..<3 {
        value = value << 8 | (index < group.count ? Int(group[start + index]) : 0)
      }
      for index in 0...group.count { text.append(digits[value >> (18 - 6 * index) & 63]) }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Of either kind of digits, with or without padding.
  static func bytes(of text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var (value, bits) = (0, 0)
    for digit in text.utf8 where digit != UInt8(ascii: "=") {
      let number: Int
      switch digit {
      case UInt8(ascii: "-"), UInt8(ascii: "+"): number = 62
      case UInt8(ascii: "_"), UInt8(ascii: "/"): number = 63
      default:
        guard let index = digits.firstIndex(of: digit) else { return nil }
        number = index
      }
      value = (value << 6 | number) & 0xFFFF
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(value >> bits & 255))
      }
    }
    return bytes
  }
}
