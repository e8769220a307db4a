// SAFETY, all of this file: inet_pton writes 4 or 16 bytes into an array that has 16.

import Glibc

enum IPText {
  /// The 4 or 16 bytes of an address; nil when the text is none. A zone (`%eth0`) is left out.
  static func bytes(_ text: String) -> [UInt8]? {
    let plain = String(text.prefix { $0 != "%" })
    var bytes = [UInt8](repeating: 0, count: 16)
    if unsafe inet_pton(AF_INET, plain, &bytes) == 1 { return Array(bytes[..<4]) }
    if unsafe inet_pton(AF_INET6, plain, &bytes) == 1 { return bytes }
    return nil
  }

  /// IPv4 within IPv6 (`::ffff:10.0.0.1`) as the IPv4 address that it is.
  static func unmapped(_ bytes: [UInt8]) -> [UInt8] {
    let prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    return bytes.count == 16 && bytes.starts(with: prefix) ? Array(bytes[12...]) : bytes
  }
}
