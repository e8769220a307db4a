/// Bytes of text being written. Dumps have tens of megabytes, so numbers and addresses are
/// written digit by digit instead of as strings of their own.
struct OutputBuffer {
  private(set) var bytes: [UInt8] = []

  mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

  mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  mutating func append(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }

  mutating func append(number: some FixedWidthInteger & UnsignedInteger) {
    var rest = UInt64(number)
    if rest < 10 {
      bytes.append(48 + UInt8(truncatingIfNeeded: rest))
      return
    }
    var divisor: UInt64 = 10
    while rest / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      bytes.append(48 + UInt8(truncatingIfNeeded: rest / divisor))
      rest %= divisor
      divisor /= 10
    }
  }

  /// The canonical text of `IPAddress.description`.
  mutating func append(_ address: IPAddress) {
    guard address.family == .v4 else {
      append(address.description)
      return
    }
    append(number: UInt8(truncatingIfNeeded: address.low >> 24))
    append(".")
    append(number: UInt8(truncatingIfNeeded: address.low >> 16))
    append(".")
    append(number: UInt8(truncatingIfNeeded: address.low >> 8))
    append(".")
    append(number: UInt8(truncatingIfNeeded: address.low))
  }

  /// `10.0.0.1:80` or `[fd00::1]:80`.
  mutating func append(_ address: IPAddress, _ port: Port) {
    if address.family == .v6 { append("[") }
    append(address)
    if address.family == .v6 { append("]") }
    append(":")
    append(number: port.number)
  }

  /// `10.96.0.1:80/TCP`.
  mutating func append(_ key: FrontendKey) {
    append(key.address, key.port)
    append("/")
    append(key.transport.description)
  }

  mutating func append(_ name: NamespacedName) {
    append(name.namespace)
    append("/")
    append(name.name)
  }

  /// A JSON string, which is a double-quoted YAML scalar as well.
  mutating func append(quoted text: String) {
    append("\"")
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0..<32:
        let digits = Array("0123456789abcdef".utf8)
        append("\\u00")
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      default: bytes.append(byte)
      }
    }
    append("\"")
  }

  mutating func append(quoted name: NamespacedName) {
    append(quoted: "\(name.namespace)/\(name.name)")
  }
}
