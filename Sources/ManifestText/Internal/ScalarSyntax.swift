/// How a plain YAML scalar is read: as `sigs.k8s.io/yaml`, and so kubectl, reads it.
enum ScalarSyntax {
  /// Whether a plain scalar that begins with this byte is a string, whatever follows. True of
  /// most; merge keys (`<<`) are looked at elsewhere and so excepted.
  static func isSurelyString(_ first: UInt8) -> Bool {
    switch first | 0x20 {
    case UInt8(ascii: "n"), UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "y"),
      UInt8(ascii: "o"):
      false
    case UInt8(ascii: "a")...UInt8(ascii: "z"): true
    default: false
    }
  }

  /// The kind of a plain scalar. Not-a-number and the infinities are `.float`.
  static func kind(ofPlain text: ArraySlice<UInt8>) -> TextKind {
    guard let first = text.first else { return .null }
    switch first {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"):
      if isPlainDecimal(text) { return .integer }
      if !isDigit(first), isInfinite(text) { return .float }
      return numberKind(text)
    case UInt8(ascii: "."):
      if isInfinite(text) { return .float }
      return isFloat(text) ? .float : .string
    case UInt8(ascii: "~"):
      return text.count == 1 ? .null : .string
    case UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "t"), UInt8(ascii: "T"),
      UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "y"), UInt8(ascii: "Y"),
      UInt8(ascii: "o"), UInt8(ascii: "O"):
      return wordKind(text)
    default:
      return .string
    }
  }

  /// The value of an integer in any of the notations: 80, +80, 0x50, 0b1010000, 0o120, 0120, 8_0.
  static func integer(_ text: ArraySlice<UInt8>) -> Int64? {
    var digits = text[...]
    var isNegative = false
    if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      digits = digits.dropFirst()
    }
    var base: UInt64 = 10
    if digits.count > 1, digits.first == UInt8(ascii: "0") {
      switch digits.dropFirst().first {
      case UInt8(ascii: "x"), UInt8(ascii: "X"): (base, digits) = (16, digits.dropFirst(2))
      case UInt8(ascii: "b"), UInt8(ascii: "B"): (base, digits) = (2, digits.dropFirst(2))
      case UInt8(ascii: "o"), UInt8(ascii: "O"): (base, digits) = (8, digits.dropFirst(2))
      default: (base, digits) = (8, digits.dropFirst())
      }
    }
    var value: UInt64 = 0
    var isEmpty = true
    for byte in digits where byte != UInt8(ascii: "_") {
      guard let digit = digitValue(byte), digit < base else { return nil }
      let (product, tooLarge) = value.multipliedReportingOverflow(by: base)
      let (sum, carry) = product.addingReportingOverflow(digit)
      guard !tooLarge, !carry else { return nil }
      value = sum
      isEmpty = false
    }
    guard !isEmpty else { return nil }
    if isNegative {
      return value <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- value) : nil
    }
    return Int64(exactly: value)
  }

  /// The value of a boolean in any of its spellings.
  static func boolean(_ text: ArraySlice<UInt8>) -> Bool? {
    switch text.first {
    case nil: nil
    case UInt8(ascii: "t"), UInt8(ascii: "T"), UInt8(ascii: "y"), UInt8(ascii: "Y"): true
    case UInt8(ascii: "o"), UInt8(ascii: "O"): text.count == 2
    default: false
    }
  }

  /// `.inf`, `-.inf`, `.nan` and their other spellings: numbers that JSON cannot say.
  static func isInfinite(_ text: ArraySlice<UInt8>) -> Bool {
    infinities.contains(where: text.elementsEqual)
  }

  private static let infinities: [[UInt8]] = [
    ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
    ".nan", ".NaN", ".NAN",
  ].map { Array($0.utf8) }

  /// `null`, and what YAML 1.1 takes for a boolean: in lower case, Capitalised or in UPPER CASE.
  private static func wordKind(_ text: ArraySlice<UInt8>) -> TextKind {
    if text.count > 5 { return .string }
    var word: UInt64 = 0
    var caseBits: UInt64 = 0
    for byte in text {
      word = word << 8 | UInt64(byte)
      caseBits = caseBits << 8 | 0x20
    }
    let kind: TextKind
    switch word | caseBits {
    case 0x6e75_6c6c: kind = .null
    // y, n, on, no, yes, off, true, false
    case 0x79, 0x6e, 0x6f6e, 0x6e6f, 0x79_6573, 0x6f_6666, 0x7472_7565, 0x66_616c_7365:
      kind = .boolean
    default: return .string
    }
    let capitals = ~word & caseBits
    let isCapitalised = capitals == 1 << (8 * UInt64(text.count) - 3)
    return capitals == 0 || isCapitalised || capitals == caseBits ? kind : .string
  }

  /// Digits without a leading zero, few enough for 64 bits: nearly every number there is.
  private static func isPlainDecimal(_ text: ArraySlice<UInt8>) -> Bool {
    if text.count > 18 || (text.count > 1 && text.first == UInt8(ascii: "0")) { return false }
    return text.allSatisfy(isDigit)
  }

  private static func numberKind(_ text: ArraySlice<UInt8>) -> TextKind {
    // Most of what begins with a digit and is no number is an address: two dots, or a colon.
    var dots = 0
    for byte in text {
      if byte == UInt8(ascii: ":") { return .string }
      if byte == UInt8(ascii: ".") { dots += 1 }
      if dots > 1 { return .string }
    }
    if dots == 0 && integer(text) != nil { return .integer }
    let plain = text.contains(UInt8(ascii: "_")) ? text.filter { $0 != 95 }[...] : text
    if isLongDecimal(plain) { return .integer }
    return isFloat(plain) ? .float : .string
  }

  /// A decimal integer that does not fit into 64 bits.
  private static func isLongDecimal(_ text: ArraySlice<UInt8>) -> Bool {
    let digits = text.first.map(isDigit) == false ? text.dropFirst() : text
    return digits.first != UInt8(ascii: "0") && !digits.isEmpty && digits.allSatisfy(isDigit)
  }

  /// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
  private static func isFloat(_ text: ArraySlice<UInt8>) -> Bool {
    var rest = text
    func digits() -> Int {
      let count = rest.prefix(while: isDigit).count
      rest = rest.dropFirst(count)
      return count
    }
    func take(_ choices: UInt8...) -> Bool {
      guard let first = rest.first, choices.contains(first) else { return false }
      rest = rest.dropFirst()
      return true
    }
    _ = take(UInt8(ascii: "-"), UInt8(ascii: "+"))
    let whole = digits()
    if take(UInt8(ascii: ".")) {
      let fraction = digits()
      if whole == 0 && fraction == 0 { return false }
    } else if whole == 0 {
      return false
    }
    if take(UInt8(ascii: "e"), UInt8(ascii: "E")) {
      _ = take(UInt8(ascii: "-"), UInt8(ascii: "+"))
      if digits() == 0 { return false }
    }
    return rest.isEmpty
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  static func digitValue(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}
