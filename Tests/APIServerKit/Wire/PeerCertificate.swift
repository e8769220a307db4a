import NIOCore
import NIOSSL

/// Reads from a client's certificate who it is: the common name, and the organizations as groups.
enum PeerCertificate {
  static func user(of channel: any Channel) -> Access.User? {
    guard
      let handler = try? channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self),
      let certificate = handler.peerCertificate, let bytes = try? certificate.toDERBytes()
    else { return nil }
    return user(der: bytes)
  }

  static func user(der: [UInt8]) -> Access.User? {
    // Certificate { TBSCertificate { [0] version?, serial, algorithm, issuer, validity, subject …
    guard let certificate = DER(der[...]).elements.first,
      let signed = DER(certificate.content).elements.first
    else { return nil }
    let fields = DER(signed.content).elements
    let subject = fields.first?.tag == 0xA0 ? 5 : 4
    guard fields.count > subject else { return nil }
    var name: String?
    var groups: [String] = []
    for set in DER(fields[subject].content).elements {
      for attribute in DER(set.content).elements {
        let pair = DER(attribute.content).elements
        guard pair.count == 2 else { continue }
        let text = String(decoding: pair[1].content, as: UTF8.self)
        switch Array(pair[0].content) {
        case [0x55, 0x04, 0x03]: name = text
        case [0x55, 0x04, 0x0A]: groups.append(text)
        default: break
        }
      }
    }
    return name.map { Access.User($0, groups: groups + ["system:authenticated"]) }
  }

  /// One level of ASN.1.
  private struct DER {
    var elements: [(tag: UInt8, content: ArraySlice<UInt8>)] = []

    init(_ bytes: ArraySlice<UInt8>) {
      var rest = bytes
      while rest.count >= 2, let tag = rest.popFirst(), let first = rest.popFirst() {
        var length = Int(first)
        if first >= 0x80 {
          length = 0
          for _ in 0..<(first & 0x7F) {
            guard let byte = rest.popFirst(), length < 1 << 24 else { return }
            length = length << 8 | Int(byte)
          }
        }
        guard rest.count >= length else { return }
        elements.append((tag, rest.prefix(length)))
        rest = rest.dropFirst(length)
      }
    }
  }
}
