import NIOCore
import NIOSSL

/// What TLS connections are made with.
struct TLSContexts: Sendable {
  /// For servers that have a name …
  let named: NIOSSLContext
  /// … and for those that have an address: NIO does not compare it.
  let addressed: NIOSSLContext
  /// For proxies: without the client certificate.
  let proxy: NIOSSLContext
  /// To see a certificate that was refused. Nothing is ever sent with it.
  let unchecked: NIOSSLContext

  /// PEM as it was read.
  struct Material: Hashable, Sendable {
    var authority: [UInt8]?
    var certificate: [UInt8]?
    var key: [UInt8]?
  }

  /// - Parameter names: of authority, certificate and key, for errors.
  init(
    _ material: Material, isInsecure: Bool, environment: [String: String]
  ) throws(ClusterError) {
    var plain = TLSConfiguration.makeClientConfiguration()
    plain.minimumTLSVersion = .tlsv12
    // How long a server has to answer the farewell of a connection that nobody needs any more.
    plain.shutdownTimeout = .seconds(1)
    if isInsecure {
      plain.certificateVerification = .none
    } else if let authority = material.authority {
      guard let certificates = try? NIOSSLCertificate.fromPEMBytes(authority) else {
        throw .credentials(
          "the certificate authority of the cluster holds no certificate in PEM format")
      }
      plain.trustRoots = .certificates(certificates)
    } else {
      plain.trustRoots = .file(try Self.systemAuthorities(environment))
    }
    var own = plain
    own.applicationProtocols = ["http/1.1"]
    if let certificate = material.certificate, let key = material.key {
      guard let chain = try? NIOSSLCertificate.fromPEMBytes(certificate) else {
        throw .credentials("the client certificate is not in PEM format")
      }
      guard let key = try? NIOSSLPrivateKey(bytes: key, format: .pem) else {
        throw .credentials(
          "the client key is no private key in PEM format, or it is encrypted, which is not supported"
        )
      }
      own.certificateChain = chain.map { .certificate($0) }
      own.privateKey = .privateKey(key)
    }
    var addressed = own
    if !isInsecure { addressed.certificateVerification = .noHostnameVerification }
    var unchecked = plain
    unchecked.certificateVerification = .none
    do {
      named = try NIOSSLContext(configuration: own)
      self.addressed = try NIOSSLContext(configuration: addressed)
      proxy = try NIOSSLContext(configuration: plain)
      self.unchecked = try NIOSSLContext(configuration: unchecked)
    } catch {
      throw .credentials(
        "certificates and keys cannot be used, most likely because the client key is not that of the "
          + "client certificate: \(FailureText.of(error))")
    }
  }

  /// The places where Linux distributions have them.
  private static let systemFiles = [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
  ]

  private static func systemAuthorities(
    _ environment: [String: String]
  ) throws(ClusterError) -> String {
    if let path = environment["SSL_CERT_FILE"], !path.isEmpty { return path }
    guard let path = systemFiles.first(where: System.exists) else {
      throw .credentials(
        "no certificate authority is configured, and this system has none (\(systemFiles[0]) and the other "
          + "usual places are missing); set `certificate-authority` of the cluster, or install ca-certificates"
      )
    }
    return path
  }
}
