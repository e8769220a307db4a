/// What Kubernetes allows as a name (k8s.io/apimachinery/pkg/util/validation).
enum NameRules {
  /// An RFC 1123 label: Service names, namespaces, port names.
  static func isLabel(_ text: String) -> Bool { isLabel(text.utf8[...]) }

  /// RFC 1123 labels with dots between them: the names of most objects.
  static func isSubdomain(_ text: String) -> Bool {
    let bytes = text.utf8
    if bytes.count > 253 { return false }
    return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .allSatisfy { isWord($0) }
  }

  /// An IANA service name: what a container port may be called.
  static func isServiceName(_ text: String) -> Bool {
    let bytes = text.utf8
    guard isWord(bytes[...]), bytes.count <= 15 else { return false }
    var previous: UInt8 = 0
    for byte in bytes {
      if byte == UInt8(ascii: "-") && previous == byte { return false }
      previous = byte
    }
    return bytes.contains(where: isLetter)
  }

  private static func isLabel(_ bytes: Substring.UTF8View) -> Bool {
    bytes.count <= 63 && isWord(bytes)
  }

  /// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
  private static func isWord(_ bytes: Substring.UTF8View) -> Bool {
    guard bytes.first != UInt8(ascii: "-"), let last = bytes.last, last != UInt8(ascii: "-")
    else { return false }
    return bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }
}
