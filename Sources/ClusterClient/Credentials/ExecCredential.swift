import ManifestText

/// What a credential plugin printed.
struct ExecCredential: Sendable {
  var token: Secret?
  /// PEM; both or none.
  var certificate: [UInt8]?
  var key: [UInt8]?
  /// Seconds since 1970; nil: valid as long as the process lives, or until the server refuses it.
  var expires: Int64?

  /// Reads an object of kind ExecCredential.
  ///
  /// - Returns: or what is wrong with it, without anything that it holds.
  static func parse(_ bytes: [UInt8], apiVersion: String) -> Result<ExecCredential, URLProblem> {
    var limits = TextLimits()
    limits.bytes = 1 << 21
    let parsed = parseManifest(bytes, limits: limits)
    guard parsed.problems.isEmpty, parsed.documents.count == 1,
      let root = parsed.documents.first?.root,
      root.kind == .mapping
    else { return .failure("printed no JSON object") }
    guard root["kind"]?.string == "ExecCredential" else {
      return .failure("printed an object that is no ExecCredential")
    }
    guard root["apiVersion"]?.string == apiVersion else {
      return .failure("printed an ExecCredential of another apiVersion than its configuration has")
    }
    guard let status = root["status"], status.kind == .mapping else {
      return .failure("printed an ExecCredential without a status")
    }
    func text(_ key: String) -> String? { status[key]?.string.flatMap { $0.isEmpty ? nil : $0 } }
    var credential = ExecCredential()
    credential.token = text("token").map(Secret.init)
    credential.certificate = text("clientCertificateData").map { Array($0.utf8) }
    credential.key = text("clientKeyData").map { Array($0.utf8) }
    guard (credential.certificate == nil) == (credential.key == nil) else {
      return .failure("printed only one of clientCertificateData and clientKeyData")
    }
    if let token = credential.token, !token.canBeInHeader {
      return .failure("printed a token with spaces or control characters, which no token has")
    }
    guard credential.token != nil || credential.certificate != nil else {
      return .failure("printed neither a token nor a client certificate")
    }
    if let time = status["expirationTimestamp"], !time.isNull {
      guard let seconds = time.string.flatMap(Timestamp.seconds) else {
        return .failure("printed an expirationTimestamp that is no time of RFC 3339")
      }
      credential.expires = seconds
    }
    return .success(credential)
  }
}

extension ExecPlugin {
  /// The value of KUBERNETES_EXEC_INFO.
  func information(
    _ server: ClusterServer?, _ tls: ClusterTLS, authority: [UInt8]?, _ proxy: ClusterProxy
  ) -> String {
    var spec = "\"interactive\":false"
    if providesClusterInfo, let server {
      var cluster = ["\"server\":" + jsonString(server.description)]
      if let name = tls.serverName { cluster.append("\"tls-server-name\":" + jsonString(name)) }
      if tls.isInsecure { cluster.append("\"insecure-skip-tls-verify\":true") }
      if let authority {
        cluster.append("\"certificate-authority-data\":\"\(Base64.encode(authority))\"")
      }
      if case .server(let proxy) = proxy {
        cluster.append("\"proxy-url\":" + jsonString(proxy.description))
      }
      if let clusterExtension {
        cluster.append("\"config\":" + String(decoding: clusterExtension, as: UTF8.self))
      }
      spec += ",\"cluster\":{\(cluster.joined(separator: ","))}"
    }
    return
      "{\"kind\":\"ExecCredential\",\"apiVersion\":\(jsonString(apiVersion)),\"spec\":{\(spec)}}"
  }
}

private func jsonString(_ text: String) -> String {
  text.unicodeScalars.reduce(into: "\"") { json, scalar in
    switch scalar {
    case "\"": json += "\\\""
    case "\\": json += "\\\\"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      json += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    default: json.unicodeScalars.append(scalar)
    }
  } + "\""
}
