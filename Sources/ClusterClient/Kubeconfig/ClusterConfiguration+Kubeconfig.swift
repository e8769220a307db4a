import ManifestText

extension ClusterConfiguration {
  typealias Problem = ClusterConfigurationError.Problem

  /// Reads kubeconfigs as kubectl does.
  ///
  /// - Parameters:
  ///   - paths: the files that are merged: of each entry and of `current-context` the first one counts.
  ///     One file must exist; of several those that do not are left out.
  ///   - context: nil: `current-context`.
  ///   - servers: URLs that are used instead of the cluster's.
  ///   - tlsServerName: is used instead of the cluster's.
  ///   - environment: is asked for proxies; nil: this process's.
  /// - Throws: every problem of what is used, each with file and line.
  public static func kubeconfig(
    _ paths: [String], context: String? = nil, servers: [String] = [], tlsServerName: String? = nil,
    environment: [String: String]? = nil
  ) throws(ClusterConfigurationError) -> ClusterConfiguration {
    var problems: [Problem] = []
    let merged = MergedKubeconfig(paths, problems: &problems)
    if !problems.isEmpty { throw ClusterConfigurationError(problems) }
    guard let name = context ?? merged.currentContext() else {
      let names = merged.names(in: "contexts")
      let hint =
        names.isEmpty ? "there is no context in it" : "one of " + names.joined(separator: ", ")
      throw ClusterConfigurationError([
        Problem(file: paths.first, "has no `current-context`; name the context (\(hint))")
      ])
    }
    guard let entry = merged.entry("contexts", "context", named: name, problems: &problems) else {
      let names = merged.names(in: "contexts").joined(separator: ", ")
      problems.append(
        Problem(
          file: paths.first,
          "there is no context \"\(name)\"; there is: \(names.isEmpty ? "none" : names)"))
      throw ClusterConfigurationError(problems)
    }
    var configuration = ClusterConfiguration(servers: [])
    configuration.contextName = name
    configuration.namespace = entry.text("namespace", &problems)
    configuration.readCluster(of: entry, merged, servers: servers, &problems)
    if let user = entry.text("user", &problems) {
      if let user = merged.entry("users", "user", named: user, problems: &problems) {
        user.readUser(into: &configuration, &problems)
      } else {
        problems.append(entry.problem("user", "there is no user \"\(user)\""))
      }
    }
    if let tlsServerName { configuration.tls.serverName = tlsServerName }
    try configuration.finish(environment: environment, &problems)
    configuration.addClusterExtension(of: entry, merged)
    return configuration
  }

  private mutating func readCluster(
    of context: KubeconfigEntry, _ merged: MergedKubeconfig, servers urls: [String],
    _ problems: inout [Problem]
  ) {
    guard let name = context.text("cluster", &problems) else {
      problems.append(context.problem("cluster", "names no cluster"))
      return
    }
    guard let entry = merged.entry("clusters", "cluster", named: name, problems: &problems) else {
      problems.append(context.problem("cluster", "there is no cluster \"\(name)\""))
      return
    }
    if urls.isEmpty {
      guard let url = entry.text("server", &problems) else {
        problems.append(entry.problem("server", "`server` is missing"))
        return
      }
      switch ClusterServer.parse(url) {
      case .success(let server): servers = [server]
      case .failure(let problem):
        problems.append(entry.problem("server", "`server` \(problem.message)"))
      }
    } else {
      readServers(urls, &problems)
    }
    tls.authority = entry.material("certificate-authority", &problems)
    tls.isInsecure = entry.boolean("insecure-skip-tls-verify", &problems)
    tls.serverName = entry.text("tls-server-name", &problems)
    if tls.isInsecure, entry.has("certificate-authority") || entry.has("certificate-authority-data")
    {
      problems.append(
        entry.problem(
          "insecure-skip-tls-verify",
          "`insecure-skip-tls-verify` and a certificate authority exclude each other"))
    }
    if let url = entry.text("proxy-url", &problems) {
      switch ProxyServer.parse(url) {
      case .success(let server): proxy = .server(server)
      case .failure(let problem):
        problems.append(entry.problem("proxy-url", "`proxy-url` \(problem.message)"))
      }
    }
  }

  private mutating func addClusterExtension(of context: KubeconfigEntry, _ merged: MergedKubeconfig)
  {
    var ignored: [Problem] = []
    guard let plugin = credentials.plugin, plugin.providesClusterInfo,
      let name = context.text("cluster", &ignored),
      let entry = merged.entry("clusters", "cluster", named: name, problems: &ignored)
    else { return }
    for element in entry.node["extensions"]?.elements.map(\.self) ?? []
    where element["name"]?.string == "client.authentication.k8s.io/exec" {
      credentials.plugin?.clusterExtension = element["extension"].map { canonicalJSON(of: $0) }
    }
  }

  /// Takes the URLs of an option.
  mutating func readServers(_ urls: [String], _ problems: inout [Problem]) {
    servers = []
    for url in urls {
      switch ClusterServer.parse(url) {
      case .success(let server): servers.append(server)
      case .failure(let problem):
        problems.append(Problem("the URL of a server \(problem.message)"))
      }
    }
  }

  /// Adds the proxies of the environment, and throws what was found wrong.
  mutating func finish(
    environment: [String: String]?, _ problems: inout [Problem]
  ) throws(ClusterConfigurationError) {
    if case .none = proxy {
      do throws(ClusterConfigurationError) {
        proxy = .environment(try ProxyEnvironment(environment ?? System.environment))
      } catch { problems += error.problems }
    }
    if !problems.isEmpty { throw ClusterConfigurationError(problems) }
  }
}
