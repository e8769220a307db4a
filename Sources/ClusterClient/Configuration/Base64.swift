/// Base64 of RFC 4648, as kubeconfigs and the header of basic authentication have it.
package enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// - Returns: nil unless the text is padded base64; line ends are left out.
  package static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var word: UInt32 = 0
    var characters = 0
    var padding = 0
    for byte in text {
      if byte == 0x0a || byte == 0x0d { continue }
      characters += 1
      if byte == UInt8(ascii: "=") {
        padding += 1
        word <<= 6
      } else {
        guard padding == 0, let value = value(of: byte) else { return nil }
        word = word << 6 | UInt32(value)
      }
      guard characters % 4 == 0 else { continue }
      guard padding <= 2 else { return nil }
      let all = [word >> 16, word >> 8, word].map { UInt8(truncatingIfNeeded: $0) }
      bytes += all.prefix(3 - padding)
      word = 0
    }
    return characters % 4 == 0 ? bytes : nil
  }

  package static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(start + 3, bytes.count)]
      let word = (0..<3).reduce(UInt32(0)) { sum, place in
        sum << 8 | (place < part.count ? UInt32(part[start + place]) : 0)
      }
      for place in 0..<4 {
        text.append(
          place <= part.count
            ? alphabet[Int(word >> UInt32(18 - 6 * place)) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
