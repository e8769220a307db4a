extension IPAddress {
  /// As `init(_:)`, for text that is in a byte buffer: the quick way for the endpoints of a
  /// large manifest, of which there may be a million.
  public init?(utf8 text: ArraySlice<UInt8>) {
    var value: UInt32 = 0
    var number: UInt32 = 0
    var digits = 0
    var dots = 0
    for byte in text {
      if byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") && digits < 3 {
        number = number * 10 + UInt32(byte - UInt8(ascii: "0"))
        digits += 1
      } else if byte == UInt8(ascii: ".") && digits > 0 && number <= 255 {
        value = value << 8 | number
        (number, digits) = (0, 0)
        dots += 1
      } else {
        self.init(String(decoding: text, as: UTF8.self))
        return
      }
    }
    guard dots == 3, digits > 0, number <= 255 else { return nil }
    self.init(v4: value << 8 | number)
  }
}
