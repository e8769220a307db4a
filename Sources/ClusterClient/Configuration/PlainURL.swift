/// The parts of a URL that servers and proxies are given with.
struct PlainURL {
  var scheme: String?
  var user: String?
  var password: Secret?
  /// Without the brackets of an IPv6 address.
  var host: String
  var port: Int?
  /// Begins with `/`, or is empty.
  var path: String
  var hasQuery: Bool

  /// - Returns: what is wrong with the text; never the text itself, which may hold a password.
  static func parse(_ text: String) -> Result<PlainURL, URLProblem> {
    var rest = Substring(text)
    var scheme: String?
    if let end = rest.range(of: "://") {
      let name = rest[..<end.lower]
      guard !name.isEmpty, name.utf8.allSatisfy({ isLetter($0) || isDigit($0) || $0 == 0x2b })
      else {
        return .failure("has no valid scheme before `://`")
      }
      scheme = name.lowercased()
      rest = rest[end.upper...]
    }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
      return .failure("contains a space or a control character")
    }
    let cut = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
    var authority = rest[..<cut]
    let tail = rest[cut...]
    var url = PlainURL(
      scheme: scheme, host: "",
      path: String(tail.prefix { $0 != "?" && $0 != "#" }),
      hasQuery: tail.contains { "?#".contains($0) })
    if let at = authority.lastIndex(of: "@") {
      let pair = authority[..<at].split(
        separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let user = unescaped(pair[0]), let password = pair.count > 1 ? unescaped(pair[1]) : ""
      else { return .failure("has a user name or password with a broken % escape") }
      url.user = user
      url.password = pair.count > 1 ? Secret(password) : nil
      authority = authority[authority.index(after: at)...]
    }
    return url.taking(authority)
  }

  /// Reads `host`, `host:port`, `[address]` or `[address]:port`.
  private func taking(_ authority: Substring) -> Result<PlainURL, URLProblem> {
    var url = self
    var port: Substring?
    if authority.first == "[" {
      guard let close = authority.firstIndex(of: "]") else { return .failure("lacks a `]`") }
      url.host = String(authority[authority.index(after: authority.startIndex)..<close])
      let after = authority[authority.index(after: close)...]
      guard after.isEmpty || after.first == ":" else { return .failure("has text after `]`") }
      port = after.isEmpty ? nil : after.dropFirst()
    } else {
      let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2 else {
        return .failure("has several colons; an IPv6 address is written in brackets")
      }
      url.host = parts.first.map(String.init) ?? ""
      port = parts.count > 1 ? parts[1] : nil
    }
    guard !url.host.isEmpty else { return .failure("has no host") }
    if let port, !port.isEmpty {
      guard port.utf8.allSatisfy(isDigit), let number = Int(port), (1...65535).contains(number)
      else { return .failure("has a port that is not a number from 1 to 65535") }
      url.port = number
    }
    return .success(url)
  }

  private static func unescaped(_ text: Substring) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(hexadecimal),
        let low = rest.popFirst().flatMap(hexadecimal)
      else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

struct URLProblem: Error, ExpressibleByStringLiteral {
  var message: String

  init(stringLiteral message: String) { self.message = message }
}

extension Substring {
  /// Where `needle` first occurs.
  fileprivate func range(of needle: String) -> (lower: Index, upper: Index)? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(needle) { return (start, index(start, offsetBy: needle.count)) }
      formIndex(after: &start)
    }
    return nil
  }
}

func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

func isLetter(_ byte: UInt8) -> Bool {
  byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
}

private func hexadecimal(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
