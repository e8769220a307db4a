import ManifestText

extension KubeconfigEntry {
  /// Reads a user: how it shows who it is.
  func readUser(into configuration: inout ClusterConfiguration, _ problems: inout [Problem]) {
    var credentials = ClusterCredentials()
    credentials.token = text("token", &problems).map(Secret.init)
    credentials.tokenFile = text("tokenFile", &problems).map(file.resolved)
    if credentials.tokenFile != nil {
      // It goes before what stands here, which need not be one.
      if credentials.token?.canBeInHeader == false { credentials.token = nil }
    } else if credentials.token?.canBeInHeader == false {
      problems.append(
        problem(
          "token",
          "has spaces, line ends or other characters that no token has; in YAML `|` adds a line end, `|-` does not"
        ))
    }
    credentials.username = text("username", &problems)
    credentials.password = text("password", &problems).map(Secret.init)
    let hasToken = credentials.token != nil || credentials.tokenFile != nil
    if hasToken, credentials.username != nil || credentials.password != nil {
      problems.append(
        problem(
          "username", "has a token as well as a user name or password; only one way is allowed"))
    }
    if has("auth-provider") {
      problems.append(
        problem(
          "auth-provider",
          "`auth-provider` is not supported (kubectl has removed it too); use an `exec` plugin or a token"
        ))
    }
    credentials.plugin = plugin(&problems)
    configuration.tls.clientCertificate = material("client-certificate", &problems)
    configuration.tls.clientKey = material("client-key", &problems)
    let hasKey = has("client-key") || has("client-key-data")
    let hasCertificate = has("client-certificate") || has("client-certificate-data")
    if hasCertificate != hasKey {
      problems.append(
        problem(
          "client-certificate",
          hasKey
            ? "has a client key, but no client certificate"
            : "has a client certificate, but no client key"))
    }
    configuration.credentials = credentials
    configuration.impersonation = impersonation(&problems)
  }

  private func impersonation(_ problems: inout [Problem]) -> ClusterImpersonation? {
    var extra: [ClusterImpersonation.Extra] = []
    for member in node["as-user-extra"]?.members.map(\.self) ?? [] {
      guard let key = member.key.string, member.value.kind == .sequence,
        member.value.elements.allSatisfy({ !$0.kind.isContainer })
      else {
        problems.append(
          file.problem(member.value, "\(label): `as-user-extra` must hold lists of strings"))
        continue
      }
      let values = member.value.elements.map {
        $0.string ?? String(decoding: $0.utf8, as: UTF8.self)
      }
      extra.append(.init(key: key, values: values))
    }
    let uid = text("as-uid", &problems)
    let groups = texts("as-groups", &problems)
    guard let user = text("as", &problems) else {
      if uid != nil || !groups.isEmpty || !extra.isEmpty {
        problems.append(
          problem(
            "as-groups", "`as-uid`, `as-groups` and `as-user-extra` are of no use without `as`"))
      }
      return nil
    }
    return ClusterImpersonation(user: user, uid: uid, groups: groups, extra: extra)
  }

  private func plugin(_ problems: inout [Problem]) -> ExecPlugin? {
    guard let node = node["exec"], !node.isNull else { return nil }
    guard node.kind == .mapping else {
      problems.append(problem("exec", "`exec` must be a mapping"))
      return nil
    }
    let entry = KubeconfigEntry(file: file, node: node, label: "\(label): exec")
    let group = "client.authentication.k8s.io"
    let version = entry.text("apiVersion", &problems)
    if version != "\(group)/v1", version != "\(group)/v1beta1" {
      problems.append(
        entry.problem("apiVersion", "`apiVersion` must be \(group)/v1 or \(group)/v1beta1"))
    }
    let command = entry.text("command", &problems)
    if command == nil { problems.append(entry.problem("command", "`command` is missing")) }
    switch entry.text("interactiveMode", &problems) {
    case "Never", "IfAvailable": break
    case "Always":
      problems.append(
        entry.problem(
          "interactiveMode",
          "the plugin wants a terminal (`interactiveMode: Always`), and there is none"))
    case nil where version == "\(group)/v1beta1": break
    default:
      problems.append(
        entry.problem("interactiveMode", "`interactiveMode` must be Never, IfAvailable or Always"))
    }
    guard let version, let command else { return nil }
    // As a shell does it: a name is looked for in PATH, everything else is a path.
    var plugin = ExecPlugin(
      apiVersion: version, command: command.contains("/") ? file.resolved(command) : command)
    plugin.arguments = entry.texts("args", &problems)
    plugin.installHint = entry.text("installHint", &problems)
    plugin.providesClusterInfo = entry.boolean("provideClusterInfo", &problems)
    for element in node["env"]?.elements.map(\.self) ?? [] {
      let variable = KubeconfigEntry(file: file, node: element, label: entry.label)
      guard let name = variable.text("name", &problems), !name.contains("=") else {
        problems.append(
          file.problem(element, "\(entry.label): `env` has an element without a name"))
        continue
      }
      plugin.environment.append(
        .init(name: name, value: Secret(variable.text("value", &problems) ?? "")))
    }
    return plugin
  }
}
