import Logging

/// Who this process is to the servers, right now: reads tokens and certificates again when they change, and runs credential
/// plugins.
actor ClusterAccess {
  /// What a request and its connection are made with.
  struct Snapshot: Sendable {
    /// Headers that hold secrets.
    var headers: [(String, String)]
    /// nil when there is no TLS at all.
    var contexts: TLSContexts?
    /// Raised with every other client certificate.
    var generation: Int
    /// Raised with every other credential.
    var version: Int
  }

  private let configuration: ClusterConfiguration
  private let log: Logger
  private let runner: PluginRunner
  private let environment: [String: String]

  private var token: Secret?
  private var tokenRead: ContinuousClock.Instant?
  private var credential: ExecCredential?
  private var running: Task<Result<ExecCredential, ClusterError>, Never>?
  private var version = 1

  private var material: TLSContexts.Material?
  private var stamps: [FileStamp?] = []
  private var contexts: TLSContexts?
  private var generation = 1
  /// What was logged, so that it is not logged with each request.
  private var tokenComplaint: String?
  private var tlsComplaint: String?

  init(_ configuration: ClusterConfiguration, _ runner: PluginRunner, log: Logger) {
    self.configuration = configuration
    self.runner = runner
    self.log = log
    environment = System.environment
  }

  /// What a new request is to be made with.
  func current() async -> Result<Snapshot, ClusterError> {
    readToken(isForced: false)
    if let plugin = pluginInUse, credential.map({ $0.isExpired }) ?? true {
      if case .failure(let error) = await run(plugin) { return .failure(error) }
    }
    if let error = loadTLS() { return .failure(error) }
    guard configuration.credentials.tokenFile == nil || token != nil else {
      return .failure(.credentials(tokenComplaint ?? "there is no token"))
    }
    return .success(
      Snapshot(
        headers: headers, contexts: contexts, generation: generation, version: version))
  }

  /// After a server refused the credentials of `version`: others, if there are any; nil if not.
  func renewed(after version: Int) async -> Result<Snapshot?, ClusterError> {
    if version == self.version {
      readToken(isForced: true)
      if let plugin = pluginInUse, version == self.version {
        if case .failure(let error) = await run(plugin) { return .failure(error) }
      }
      loadTLS().map { log.warning("\($0)") }
    }
    guard version != self.version else { return .success(nil) }
    return await current().map(Optional.some)
  }

  /// Looks whether the files of the client certificate have changed.
  func currentGeneration() -> Int {
    loadTLS().map { log.warning("\($0)") }
    return generation
  }

  /// Whether the client certificate may change.
  nonisolated var hasChangingCertificate: Bool {
    if case .file? = configuration.tls.clientCertificate { return true }
    return false
  }

  // MARK: Tokens

  /// A plugin is asked only when nothing else is given.
  private var pluginInUse: ExecPlugin? {
    let credentials = configuration.credentials
    let hasOther =
      credentials.token != nil || credentials.tokenFile != nil || credentials.username != nil
    return hasOther ? nil : credentials.plugin
  }

  private var headers: [(String, String)] {
    var headers = configuration.impersonation?.headers ?? []
    let credentials = configuration.credentials
    if let token = token ?? credentials.token ?? credential?.token {
      headers.append(("Authorization", "Bearer " + token.value))
    } else if credentials.username != nil || credentials.password != nil {
      let pair = "\(credentials.username ?? ""):\(credentials.password?.value ?? "")"
      headers.append(("Authorization", "Basic " + Base64.encode(Array(pair.utf8))))
    }
    return headers
  }

  /// Reads the token's file, at most every 10 seconds unless it is forced. A file that cannot be read
  /// leaves the token as it is.
  private func readToken(isForced: Bool) {
    guard let path = configuration.credentials.tokenFile else { return }
    let now = ContinuousClock.now
    if let tokenRead, !isForced, now - tokenRead < .seconds(10), token != nil { return }
    tokenRead = now
    let text: Result<String, ClusterError>
    switch System.readFile(path, limit: 1 << 20) {
    case .success(let bytes):
      let token = String(String(decoding: bytes, as: UTF8.self).trimmed)
      text =
        token.isEmpty
        ? .failure(.credentials("the token's file \(path) is empty"))
        : !Secret(token).canBeInHeader
          ? .failure(.credentials("the token's file \(path) holds no token"))
          : .success(token)
    case .failure(let failure): text = .failure(.credentials("the token: " + failure.text))
    }
    switch text {
    case .success(let text):
      tokenComplaint = nil
      guard token?.value != text else { return }
      if token != nil { log.info("the token in \(path) has changed") }
      token = Secret(text)
      version += 1
    case .failure(let error):
      // What the kubeconfig itself has is as good as a token that was read once.
      if token == nil, let given = configuration.credentials.token { token = given }
      if tokenComplaint != error.description {
        log.warning("\(error); the one that was read before is used")
      }
      tokenComplaint = error.description
    }
  }

  // MARK: Plugins

  /// Runs the plugin, once for all who wait for it.
  private func run(_ plugin: ExecPlugin) async -> Result<Void, ClusterError> {
    if let running { return await running.value.map { _ in } }
    let authority = try? read(configuration.tls.authority, "certificate authority").get()
    let information = plugin.information(
      configuration.servers.first, configuration.tls, authority: authority, configuration.proxy)
    let (runner, environment) = (runner, environment)
    // It takes its result in itself: whoever waits for it goes on with that.
    let task = Task {
      let result = await runner.run(plugin, information: information, environment: environment)
      take(result, of: plugin)
      return result
    }
    running = task
    return await task.value.map { _ in }
  }

  private func take(_ result: Result<ExecCredential, ClusterError>, of plugin: ExecPlugin) {
    running = nil
    guard case .success(let new) = result else { return }
    log.debug("the credential plugin \(plugin.command) has given credentials")
    if new.token != credential?.token || new.certificate != credential?.certificate { version += 1 }
    credential = new
  }

  // MARK: Certificates

  /// Loads certificates and keys, and again what has changed.
  ///
  /// - Returns: what is wrong with them when there are none to go on with.
  private func loadTLS() -> ClusterError? {
    let tls = configuration.tls
    let paths = [tls.authority, tls.clientCertificate, tls.clientKey].map(\.?.path)
    // The stamps are older than what is read: a change meanwhile is seen the next time.
    let stamps = paths.map { $0.flatMap(System.stamp) }
    let isSame = stamps == self.stamps && material?.certificate == wantedCertificate
    if isSame && contexts != nil { return nil }
    guard isNeeded else { return nil }
    do throws(ClusterError) {
      var new = TLSContexts.Material()
      new.authority = try read(tls.authority, "certificate authority").get()
      new.certificate =
        try read(tls.clientCertificate, "client certificate").get() ?? credential?.certificate
      new.key = try read(tls.clientKey, "client key").get() ?? credential?.key
      if new == material && contexts != nil {
        self.stamps = stamps
        return nil
      }
      contexts = try TLSContexts(new, isInsecure: tls.isInsecure, environment: environment)
      if let material, material.certificate != new.certificate || material.key != new.key {
        generation += 1
        version += 1
        log.info("the client certificate has changed")
      } else if material != nil {
        log.info("the certificate authority of the cluster has changed")
      }
      material = new
      self.stamps = stamps
      tlsComplaint = nil
      return nil
    } catch {
      guard contexts != nil else { return error }
      if tlsComplaint != error.description { log.warning("\(error); those read before are used") }
      tlsComplaint = error.description
      return nil
    }
  }

  /// The certificate of the configuration, as it was read, or the plugin's.
  private var wantedCertificate: [UInt8]? {
    configuration.tls.clientCertificate == nil ? credential?.certificate : material?.certificate
  }

  /// Whether any connection is made with TLS.
  private var isNeeded: Bool {
    configuration.servers.contains { server in
      server.scheme == .https || configuration.proxy.proxy(for: server)?.scheme == .https
    }
  }

  private func read(
    _ material: ClusterMaterial?, _ what: String
  ) -> Result<[UInt8]?, ClusterError> {
    switch material {
    case nil: .success(nil)
    case .bytes(let bytes): .success(bytes)
    case .file(let path):
      System.readFile(path).map(Optional.some).mapError { .credentials("the \(what): \($0.text)") }
    }
  }
}

extension ClusterMaterial {
  fileprivate var path: String? { if case .file(let path) = self { path } else { nil } }
}

extension ExecCredential {
  /// Ten seconds before the time: a request has to arrive.
  fileprivate var isExpired: Bool { expires.map { System.now >= $0 - 10 } ?? false }
}
