/// How to reach a cluster's API, and as whom.
///
/// It holds names of files rather than what is in them wherever it was given so: they are read when they
/// are needed, and again when they change.
public struct ClusterConfiguration: Sendable {
  /// Tried in turn, beginning with the one that worked last.
  public var servers: [ClusterServer]
  /// The context of the kubeconfig; nil inside a cluster.
  public var contextName: String?
  /// The namespace that the context names.
  public var namespace: String?
  public var tls = ClusterTLS()
  public var credentials = ClusterCredentials()
  public var impersonation: ClusterImpersonation?
  /// The proxy of the kubeconfig, or what the environment says.
  public var proxy: ClusterProxy
  /// The header `User-Agent`.
  public var userAgent = "socklb"

  public init(servers: [ClusterServer], proxy: ClusterProxy = .none) {
    self.servers = servers
    self.proxy = proxy
  }
}

/// Bytes, or the file that has them.
public enum ClusterMaterial: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
  case file(String)
  case bytes([UInt8])

  public var description: String {
    switch self {
    case .file(let path): path
    case .bytes(let bytes): "(\(bytes.count) bytes)"
    }
  }

  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// How TLS to the servers is made.
public struct ClusterTLS: Hashable, Sendable {
  /// Certificates (PEM) of those who may sign the server's; nil: those that the system trusts.
  public var authority: ClusterMaterial?
  /// Certificates of servers are not checked.
  public var isInsecure = false
  /// The name that the server's certificate must have; nil: the host.
  public var serverName: String?
  /// PEM; both or none.
  public var clientCertificate: ClusterMaterial?
  public var clientKey: ClusterMaterial?

  public init() {}
}

/// As whom requests are made, beside a client certificate.
public struct ClusterCredentials: Hashable, Sendable {
  public var token: Secret?
  /// Goes before `token` whenever it can be read.
  public var tokenFile: String?
  public var username: String?
  public var password: Secret?
  public var plugin: ExecPlugin?

  public init() {}
}

/// Headers that make a request count as another user's.
public struct ClusterImpersonation: Hashable, Sendable {
  public var user: String
  public var uid: String?
  public var groups: [String] = []
  public var extra: [Extra] = []

  public struct Extra: Hashable, Sendable {
    public var key: String
    public var values: [String]

    public init(key: String, values: [String]) {
      self.key = key
      self.values = values
    }
  }

  public init(user: String, uid: String? = nil, groups: [String] = [], extra: [Extra] = []) {
    self.user = user
    self.uid = uid
    self.groups = groups
    self.extra = extra
  }

  var headers: [(String, String)] {
    var headers = [("Impersonate-User", user)]
    if let uid { headers.append(("Impersonate-Uid", uid)) }
    for group in groups { headers.append(("Impersonate-Group", group)) }
    for item in extra {
      let name = "Impersonate-Extra-" + headerEscaped(item.key)
      for value in item.values { headers.append((name, value)) }
    }
    return headers
  }
}

/// What a header's name may not hold is written as `%2f`, as client-go does it.
private func headerEscaped(_ key: String) -> String {
  let plain = Array("!#$&'*+-.^_`|~".utf8)
  return key.lowercased().utf8.reduce(into: "") { text, byte in
    if isLetter(byte) || isDigit(byte) || plain.contains(byte) {
      text.unicodeScalars.append(Unicode.Scalar(byte))
    } else {
      let digits = String(byte, radix: 16, uppercase: true)
      text += "%" + (digits.utf8.count < 2 ? "0" : "") + digits
    }
  }
}

/// A program that prints credentials (client.authentication.k8s.io).
public struct ExecPlugin: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
  /// `client.authentication.k8s.io/v1` or `…/v1beta1`
  public var apiVersion: String
  /// A path, or a name to look for in PATH.
  public var command: String
  public var arguments: [String] = []
  public var environment: [Variable] = []
  /// What to tell a user who does not have it.
  public var installHint: String?
  /// Tell it about the cluster, in KUBERNETES_EXEC_INFO.
  public var providesClusterInfo = false
  /// The cluster's extension for plugins, as JSON.
  public var clusterExtension: [UInt8]?
  /// The longest it may run.
  public var seconds = 60

  public struct Variable: Hashable, Sendable {
    public var name: String
    public var value: Secret

    public init(name: String, value: Secret) {
      self.name = name
      self.value = value
    }
  }

  public init(apiVersion: String, command: String) {
    self.apiVersion = apiVersion
    self.command = command
  }

  /// Arguments may be secrets, so they are not shown.
  public var description: String { command }
  public var customMirror: Mirror { Mirror(self, children: ["command": command]) }
}
