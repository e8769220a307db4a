extension ClusterConfiguration {
  /// What a pod is given with its service account.
  ///
  /// - Parameters:
  ///   - servers: URLs that are used instead of KUBERNETES_SERVICE_HOST and _PORT, whose address is that of a
  ///     Service.
  ///   - directory: has `token`, `ca.crt` and `namespace`.
  ///   - environment: nil: this process's.
  public static func inCluster(
    servers: [String] = [], tlsServerName: String? = nil,
    directory: String = "/var/run/secrets/kubernetes.io/serviceaccount",
    environment: [String: String]? = nil
  ) throws(ClusterConfigurationError) -> ClusterConfiguration {
    let environment = environment ?? System.environment
    var problems: [Problem] = []
    var configuration = ClusterConfiguration(servers: [])
    if servers.isEmpty {
      let host = environment["KUBERNETES_SERVICE_HOST"] ?? ""
      let port = environment["KUBERNETES_SERVICE_PORT"] ?? ""
      if host.isEmpty || port.isEmpty {
        problems.append(
          Problem(
            "this is no pod of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; "
              + "use a kubeconfig, or name a server"))
      } else if let number = Int(port), (1...65535).contains(number) {
        configuration.servers = [ClusterServer(scheme: .https, host: host, port: number)]
      } else {
        problems.append(Problem("KUBERNETES_SERVICE_PORT is not a port"))
      }
    } else {
      configuration.readServers(servers, &problems)
    }
    let token = directory + "/token"
    if case .failure(let failure) = System.readFile(token) {
      problems.append(
        Problem(
          file: token,
          "cannot be read: \(System.errorText(failure.errno)); is automountServiceAccountToken off?"
        ))
    }
    configuration.credentials.tokenFile = token
    let authority = directory + "/ca.crt"
    if case .failure(let failure) = System.readFile(authority) {
      problems.append(
        Problem(file: authority, "cannot be read: \(System.errorText(failure.errno))"))
    }
    configuration.tls.authority = .file(authority)
    configuration.tls.serverName = tlsServerName
    if case .success(let bytes) = System.readFile(directory + "/namespace") {
      configuration.namespace = String(String(decoding: bytes, as: UTF8.self).trimmed)
    }
    try configuration.finish(environment: environment, &problems)
    return configuration
  }
}
