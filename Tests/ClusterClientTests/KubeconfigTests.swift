import ClusterClient
import Testing

@Suite struct KubeconfigTests {
  @Test func readsEverything() throws {
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    let file = try folder.write(
      "config",
      """
      apiVersion: v1
      kind: Config
      preferences: {colors: true}
      current-context: other
      contexts:
      - name: other
        context: {cluster: none}
      - name: main
        context:
          cluster: far
          user: "admin"
          namespace: shop
      clusters:
      - name: far
        cluster:
          server: https://[2001:db8::1]/k8s/clusters/c-1/
          certificate-authority: pki/ca.crt
          tls-server-name: api.example
          proxy-url: socks5://joe:p%40ss@proxy.example:1081
          disable-compression: true
          unknown: {field: 1}
      users:
      - name: admin
        user:
          tokenFile: /absolute/token
          token: abc
          client-certificate-data: Y2VydA==
          client-key: ../key.pem
          as: jane
          as-uid: "17"
          as-groups: [a]
          as-user-extra: {scopes: [x, y]}
      """)
    let read = try ClusterConfiguration.kubeconfig([file], context: "main", environment: [:])
    #expect(read.contextName == "main" && read.namespace == "shop")
    #expect(
      read.servers == [
        ClusterServer(scheme: .https, host: "2001:db8::1", port: 443, basePath: "/k8s/clusters/c-1")
      ])
    #expect(read.servers[0].description == "https://[2001:db8::1]:443/k8s/clusters/c-1")
    #expect(read.tls.authority == .file(folder.path + "/pki/ca.crt"))
    #expect(read.tls.serverName == "api.example" && !read.tls.isInsecure)
    #expect(read.tls.clientCertificate == .bytes(Array("cert".utf8)))
    #expect(read.tls.clientKey == .file(folder.path + "/../key.pem"))
    #expect(
      read.credentials.tokenFile == "/absolute/token" && read.credentials.token == Secret("abc"))
    guard case .server(let proxy) = read.proxy else {
      Issue.record("no proxy")
      return
    }
    #expect(proxy.description == "socks5://proxy.example:1081")
    #expect(proxy.user == "joe" && proxy.password == Secret("p@ss"))
    let impersonation = try #require(read.impersonation)
    #expect(
      impersonation.user == "jane" && impersonation.uid == "17" && impersonation.groups == ["a"])
    #expect(impersonation.extra == [.init(key: "scopes", values: ["x", "y"])])
  }

  @Test func theFirstOfSeveralFilesWins() throws {
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    let first = try folder.write("one", "users:\n- {name: u, user: {token: first}}\n")
    let second = try folder.write(
      "two",
      kubeconfig("https://two.example").replacing(
        "name: test, context: {cluster: test, user: test}",
        with: "name: test, context: {cluster: test, user: u}"))
    let third = try folder.write(
      "three",
      "current-context: nope\nusers:\n- {name: u, user: {token: third, username: x}}\nclusters:\n- {name: test, cluster: {server: 'https://three.example'}}\n"
    )
    let read = try ClusterConfiguration.kubeconfig(
      [folder.path + "/missing", first, second, third], environment: [:])
    #expect(read.contextName == "test" && read.credentials.token == Secret("first"))
    #expect(read.servers[0].host == "two.example" && read.credentials.username == nil)
  }

  @Test func serversOfAnOptionReplaceTheClusters() throws {
    let read = try configuration(
      "https://a.example", servers: ["https://10.0.0.1:6443", "10.0.0.2:6443"],
      tlsServerName: "kubernetes")
    #expect(read.servers.map(\.description) == ["https://10.0.0.1:6443", "https://10.0.0.2:6443"])
    #expect(read.tls.serverName == "kubernetes")
  }

  @Test func jsonIsReadToo() throws {
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    let file = try folder.write(
      "config.json",
      #"{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"k"}}],"clusters":[{"name":"k","cluster":{"server":"http://localhost:8001"}}]}"#
    )
    #expect(
      try ClusterConfiguration.kubeconfig([file], environment: [:]).servers[0].description
        == "http://localhost:8001")
  }

  private func problems(cluster: String = "", user: String = "", url: String = "https://a.example")
    throws -> [String]
  {
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    let file = try folder.write("config", kubeconfig(url, cluster: cluster, user: user))
    do throws(ClusterConfigurationError) {
      _ = try ClusterConfiguration.kubeconfig([file], environment: [:])
      return []
    } catch {
      return error.problems.map { $0.description.replacing(file + ":", with: "") }
    }
  }

  @Test func aTokenWithALineEndIsSaid() throws {
    let found = try problems(cluster: "", user: "token: \"hush\\n\"")
    #expect(found.count == 1 && found[0].contains("has spaces, line ends"), "\(found)")
    #expect(!found.joined().contains("hush"))
  }

  @Test func everyProblemHasItsLine() throws {
    #expect(
      try problems(
        cluster:
          "certificate-authority-data: '*'\ninsecure-skip-tls-verify: maybe\nproxy-url: ftp://x",
        user: "token: t\nusername: u\nauth-provider: {name: gcp}\nclient-key-data: QQ==") == [
          "10: cluster \"test\": `certificate-authority-data` is not base64",
          "11: cluster \"test\": `insecure-skip-tls-verify` must be true or false",
          "12: cluster \"test\": `proxy-url` must begin with http://, https:// or socks5://",
          "17: user \"test\": has a token as well as a user name or password; only one way is allowed",
          "18: user \"test\": `auth-provider` is not supported (kubectl has removed it too); use an `exec` plugin or a token",
          "16: user \"test\": has a client key, but no client certificate",
        ])
    #expect(try problems(url: "'https://u:hush@x'").joined().contains("has a user name in it"))
    #expect(
      try problems(url: "https://x:99999").joined().hasPrefix(
        "9: cluster \"test\": `server` has a port"))
    #expect(
      try problems(cluster: "insecure-skip-tls-verify: true\ncertificate-authority: x").joined()
        .contains(
          "exclude each other"))
    #expect(try problems(user: "as-groups: [x]").joined().contains("without `as`"))
    #expect(
      try problems(user: "token: [x]") == [
        "14: user \"test\": `token` must be a string, not a list"
      ])
  }

  @Test func pluginsAreChecked() throws {
    let found = try problems(
      user: "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, args: [x]}")
    let group = "client.authentication.k8s.io"
    #expect(
      found == [
        "14: user \"test\": exec: `apiVersion` must be \(group)/v1 or \(group)/v1beta1",
        "14: user \"test\": exec: `command` is missing",
        "14: user \"test\": exec: `interactiveMode` must be Never, IfAvailable or Always",
      ])
    #expect(
      try problems(
        user:
          "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}"
      ).joined()
        .contains("wants a terminal"))
    #expect(
      try problems(user: "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}")
        == [])
  }

  @Test func whatIsMissingIsNamed() throws {
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    func text(_ paths: [String], context: String? = nil) -> String {
      do throws(ClusterConfigurationError) {
        _ = try ClusterConfiguration.kubeconfig(paths, context: context, environment: [:])
        return ""
      } catch { return error.description }
    }
    #expect(text([folder.path + "/none"]).hasSuffix("cannot be read: No such file or directory"))
    #expect(
      text([folder.path + "/a", folder.path + "/b"]).hasPrefix("none of these files exists: "))
    let file = try folder.write("config", kubeconfig("https://a.example"))
    #expect(text([file], context: "x").hasSuffix("there is no context \"x\"; there is: test"))
    let other = try folder.write(
      "other", "contexts:\n- {name: c, context: {cluster: k, user: u}}\n")
    #expect(text([other]).contains("has no `current-context`; name the context (one of c)"))
    #expect(
      text([other], context: "c")
        == "\(other):2: context \"c\": there is no cluster \"k\"\n\(other):2: context \"c\": there is no user \"u\""
    )
    let pod = try folder.write("pod", "apiVersion: v1\nkind: Pod\n")
    #expect(text([pod]) == "\(pod):2: this is no kubeconfig: `kind` is not `Config`")
    let broken = try folder.write("broken", "users:\n- name: u\n  user: {token: \"hush\n")
    #expect(text([broken]).hasPrefix("\(broken):") && !text([broken]).contains("hush"))
    let twice = try folder.write(
      "twice", kubeconfig("https://a.example") + "\n- {name: test, user: {}}\n")
    #expect(text([twice]).hasSuffix("there is another user \"test\" in this file"))
  }

  @Test func inCluster() throws {
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    let environment = ["KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"]
    func text(_ environment: [String: String]) -> String {
      do throws(ClusterConfigurationError) {
        _ = try ClusterConfiguration.inCluster(directory: folder.path, environment: environment)
        return ""
      } catch { return error.description }
    }
    #expect(text(environment).contains("\(folder.path)/token: cannot be read"))
    #expect(text([:]).hasPrefix("this is no pod of a cluster"))
    try folder.write("token", "abc\n")
    try folder.write("ca.crt", "pem")
    try folder.write("namespace", "kube-system\n")
    let read = try ClusterConfiguration.inCluster(directory: folder.path, environment: environment)
    #expect(
      read.servers[0].description == "https://10.96.0.1:443" && read.namespace == "kube-system")
    #expect(read.credentials.tokenFile == folder.path + "/token")
    let other = try ClusterConfiguration.inCluster(
      servers: ["https://192.0.2.1:6443"], directory: folder.path, environment: [:])
    #expect(other.servers[0].host == "192.0.2.1")
  }

  @Test func nothingSecretIsPrinted() throws {
    let read = try configuration(
      "https://a.example", cluster: "proxy-url: http://joe:hush@proxy.example",
      user: """
        token: hush
        client-key-data: \("hush".base64)
        client-certificate-data: QQ==
        exec:
          apiVersion: client.authentication.k8s.io/v1
          interactiveMode: Never
          command: plugin
          args: [--password=hush]
          env: [{name: P, value: hush}]
        """)
    var text = "\(read) " + String(reflecting: read) + " \(read.credentials) \(read.tls) "
    dump(read, to: &text)
    #expect(!text.contains("hush") && !text.contains("104, 117, 115, 104"))
    #expect(text.contains("plugin"))
  }
}
