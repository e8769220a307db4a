/// Bytes of text being written. Dumps have tens of megabytes, so numbers and addresses are
/// written digit by digit instead of as strings of their own.
package struct OutputBuffer {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

  package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  package mutating func append(_ other: OutputBuffer) { bytes.append(contentsOf: other.bytes) }

  package mutating func append(_ text: ArraySlice<UInt8>) { bytes.append(contentsOf: text) }

  /// With zeros in front.
  package mutating func append(sixDigits number: UInt32) {
    var divisor: UInt32 = 100_000
    while divisor > 0 {
      bytes.append(48 + UInt8(truncatingIfNeeded: number / divisor % 10))
      divisor /= 10
    }
  }

  package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  package mutating func append(_ character: Unicode.Scalar) {
    bytes.append(UInt8(ascii: character))
  }

  package mutating func append(number: some FixedWidthInteger & UnsignedInteger) {
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
  package mutating func append(_ address: IPAddress) {
    guard address.family == .v4 else {
      append(v6: address)
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

  /// RFC 5952: the first of the longest runs of two or more zero words is `::`.
  private mutating func append(v6 address: IPAddress) {
    func word(_ i: Int) -> UInt16 {
      let half = i < 4 ? address.high : address.low
      return UInt16(truncatingIfNeeded: half >> UInt64(48 - 16 * (i & 3)))
    }
    var gap = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8 && word(end) == 0 { end += 1 }
      if end - start >= 2 && end - start > gap.count { gap = start..<end }
      start = end + 1
    }
    var i = 0
    while i < 8 {
      if i == gap.lowerBound && !gap.isEmpty {
        append("::")
        i = gap.upperBound
        continue
      }
      if i > 0 && i != gap.upperBound { append(":") }
      append(hexadecimal: word(i))
      i += 1
    }
  }

  private mutating func append(hexadecimal word: UInt16) {
    var shift: UInt16 = word >= 0x1000 ? 12 : word >= 0x100 ? 8 : word >= 0x10 ? 4 : 0
    while true {
      append(digit: UInt8(truncatingIfNeeded: word >> shift & 15))
      if shift == 0 { return }
      shift -= 4
    }
  }

  private mutating func append(digit: UInt8) {
    bytes.append(digit < 10 ? 48 + digit : 87 + digit)
  }

  /// `10.0.0.1:80` or `[fd00::1]:80`.
  package mutating func append(_ address: IPAddress, _ port: Port) {
    if address.family == .v6 { append("[") }
    append(address)
    if address.family == .v6 { append("]") }
    append(":")
    append(number: port.number)
  }

  /// `10.96.0.1:80/TCP`.
  package mutating func append(_ key: FrontendKey) {
    append(key.address, key.port)
    append("/")
    append(key.transport.description)
  }

  package mutating func append(_ name: NamespacedName) {
    append(name.namespace)
    append("/")
    append(name.name)
  }

  /// A JSON string, which is a double-quoted YAML scalar as well.
  package mutating func append(quoted text: String) {
    append("\"")
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0..<32:
        append("\\u00")
        append(digit: byte >> 4)
        append(digit: byte & 15)
      default: bytes.append(byte)
      }
    }
    append("\"")
  }

  package mutating func append(quoted name: NamespacedName) {
    append(quoted: "\(name.namespace)/\(name.name)")
  }
}
