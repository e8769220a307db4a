import NIOSSL

/// A certificate authority made by openssl, and what it signs.
final class Authority: Sendable {
  struct Pair: Sendable {
    var certificate: String
    var key: String
  }

  let folder: Folder
  /// PEM.
  let certificate: String

  private static let newKey = [
    "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
  ]

  init(_ name: String = "test authority") throws {
    folder = try Folder()
    try run(
      [
        "openssl", "req", "-x509", "-days", "2", "-subj", "/CN=\(name)", "-keyout", "ca.key",
        "-out", "ca.crt",
      ]
        + Self.newKey, in: folder.path)
    certificate = folder.read("ca.crt") ?? ""
  }

  /// - Parameters:
  ///   - names: `DNS:example`, `IP:127.0.0.1`
  ///   - days: less than 0: it has expired.
  func issue(_ name: String, names: String = "DNS:localhost,IP:127.0.0.1", days: Int = 2) throws
    -> Pair
  {
    try run(
      [
        "openssl", "req", "-new", "-subj", "/CN=\(name)", "-keyout", "\(name).key", "-out",
        "\(name).csr",
      ]
        + Self.newKey, in: folder.path)
    try folder.write("\(name).ext", "subjectAltName=\(names)\n")
    try run(
      [
        "openssl", "x509", "-req", "-in", "\(name).csr", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-set_serial", String(UInt32.random(in: 1 ... .max)), "-days", String(days), "-extfile",
        "\(name).ext", "-out", "\(name).crt",
      ], in: folder.path)
    return Pair(
      certificate: folder.read("\(name).crt") ?? "", key: folder.read("\(name).key") ?? "")
  }

  /// For a server; with `clients`, it demands a certificate of this authority.
  func context(
    _ pair: Pair, clients: Bool = false, most: TLSVersion? = nil
  ) throws -> NIOSSLContext {
    let chain = try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8))
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem)))
    configuration.applicationProtocols = ["http/1.1"]
    if let most {
      configuration.minimumTLSVersion = .tlsv1
      configuration.maximumTLSVersion = most
    }
    if clients {
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates(
        try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)))
    }
    return try NIOSSLContext(configuration: configuration)
  }

  /// One for all tests that need no other.
  static let shared = Result { try Authority() }
  static let server = Result { try shared.get().issue("server") }
}
