import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Errors of the network as text for people.
enum FailureText {
  static func of(_ error: any Error) -> String {
    switch error {
    case let error as IOError: System.errorText(error.errnoCode).lowercased()
    case let error as BoringSSLError: "TLS: " + tls(error)
    case NIOSSLError.handshakeFailed(let error): handshake(tls(error))
    case ChannelError.connectTimeout: "no answer"
    case ChannelError.alreadyClosed, ChannelError.ioOnClosedChannel, ChannelError.eof:
      "closed by the server"
    case let error as NIOConnectionError: connection(error).reason
    case let error as TunnelFailure: error.reason
    default: "\(error)"
    }
  }

  private static func handshake(_ reason: String) -> String {
    // BoringSSL's words for a record that is none.
    if reason.contains("wrong version number") || reason.contains("http request") {
      return "the server does not speak TLS; is it an http:// server?"
    }
    return "TLS handshake failed: " + reason
  }

  /// What became of a name and its addresses.
  static func connection(
    _ error: NIOConnectionError
  ) -> (kind: ClusterAttempt.Kind, reason: String) {
    guard let first = error.connectionErrors.first else {
      return (
        .name,
        "the name \(error.host) cannot be resolved"
          + (error.dnsAError ?? error.dnsAAAAError).map { ": " + lookup($0) }.orNothing
      )
    }
    let kind = self.kind(of: first.error)
    let texts = error.connectionErrors.map { failure in
      let address = failure.target.ipAddress ?? ""
      return of(failure.error) + (address.isEmpty || address == error.host ? "" : " (\(address))")
    }
    return (kind, texts.joined(separator: ", "))
  }

  static func kind(of error: any Error) -> ClusterAttempt.Kind {
    switch error {
    case let error as IOError where error.isRefused: .refused
    case is IOError: .unreachable
    case ChannelError.connectTimeout: .timeout
    case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: .tls
    case is TunnelFailure: .proxy
    default: .other
    }
  }

  private static func lookup(_ error: any Error) -> String {
    (error as? SocketAddressError.UnknownHost)?.errorDescription.lowercased() ?? "\(error)"
  }

  /// The reasons of BoringSSL without its source lines.
  static func tls(_ error: BoringSSLError) -> String {
    switch error {
    case .sslError(let stack), .unknownError(let stack):
      let texts = stack.map { "\($0)" }.map { text in
        // `Error: 268435581 error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at …`
        let start = text.range(of: "OPENSSL_internal:") ?? text.startIndex
        var rest = text[start...]
        if let end = rest.range(before: " at ") { rest = rest[..<end] }
        return rest.replacing("_", with: " ").lowercased()
      }
      return texts.isEmpty ? "no reason is known" : texts.joined(separator: ", ")
    case .zeroReturn: return "closed by the server"
    case .syscallError: return "the connection was reset"
    default: return "\(error)"
    }
  }
}

extension Optional where Wrapped == String {
  fileprivate var orNothing: String { self ?? "" }
}

extension String {
  /// Behind the first occurrence of `needle`.
  fileprivate func range(of needle: String) -> Index? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(needle) { return index(start, offsetBy: needle.count) }
      formIndex(after: &start)
    }
    return nil
  }
}

extension Substring {
  fileprivate func range(before needle: String) -> Index? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(needle) { return start }
      formIndex(after: &start)
    }
    return nil
  }

  fileprivate func replacing(_ old: Character, with new: Character) -> String {
    String(map { $0 == old ? new : $0 })
  }
}

extension Error {
  /// The peer closed the connection without TLS's farewell.
  var isUncleanTLS: Bool {
    if let error = self as? NIOSSLError, error == .uncleanShutdown { return true }
    return false
  }

  /// The server's certificate is not accepted, whatever the reason.
  var isBadCertificate: Bool {
    guard case .handshakeFailed(let error)? = self as? NIOSSLError else { return false }
    return FailureText.tls(error).contains("certificate verify failed")
  }
}
