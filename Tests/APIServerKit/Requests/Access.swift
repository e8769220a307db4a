/// Who may come in, and what they may do. Everybody may do everything as long as nothing is set.
public struct Access: Sendable {
  public struct User: Sendable, Hashable {
    public var name: String
    public var groups: [String]

    public init(_ name: String, groups: [String] = []) { (self.name, self.groups) = (name, groups) }
  }

  /// One thing that is allowed. nil allows any.
  public struct Rule: Sendable {
    /// The name of a user or of a group.
    public var who: String?
    public var verbs: Set<String>?
    public var resources: Set<String>?
    public var namespaces: Set<String>?
    public var names: Set<String>?

    public init(
      who: String? = nil, verbs: Set<String>? = nil, resources: Set<String>? = nil,
      namespaces: Set<String>? = nil, names: Set<String>? = nil
    ) {
      (self.who, self.verbs, self.resources) = (who, verbs, resources)
      (self.namespaces, self.names) = (namespaces, names)
    }
  }

  /// Bearer tokens. Those not among them are refused.
  public var tokens: [String: User] = [:]
  /// Passwords by user name.
  public var passwords: [String: String] = [:]
  /// Requests without any credentials: system:anonymous if true, else 401.
  public var allowsAnonymous = true
  /// Whether those that come with a client certificate of the CA are who it says.
  public var acceptsCertificates = true
  /// Whether credentials are needed; set by whoever sets tokens, passwords or rules.
  public var isOpen: Bool
  /// What is allowed; nil for everything to everybody who was recognised.
  public var rules: [Rule]?

  public init(tokens: [String: User] = [:], rules: [Rule]? = nil) {
    self.tokens = tokens
    self.rules = rules
    isOpen = tokens.isEmpty && rules == nil
  }

  static let anonymous = User("system:anonymous", groups: ["system:unauthenticated"])

  func user(_ request: Request, certificate: User?) throws(APIStatus) -> User {
    // The certificate counts before the header: a wrong token beside a good one is not looked at.
    if let certificate, acceptsCertificates { return certificate }
    if let header = request.headers["authorization"] {
      let words = header.split(separator: " ", maxSplits: 1)
      if words.count == 2, words[0].lowercased() == "bearer" {
        if let user = tokens[String(words[1])] { return user }
        if !isOpen { throw .unauthorized() }
      } else if words.count == 2, words[0].lowercased() == "basic" {
        let pair = (Base64.bytes(of: String(words[1])) ?? []).split(
          separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        if pair.count == 2 {
          let name = String(decoding: pair[0], as: UTF8.self)
          if passwords[name] == String(decoding: pair[1], as: UTF8.self) { return User(name) }
        }
        if !isOpen { throw .unauthorized() }
      }
    }
    if isOpen { return User("admin", groups: ["system:masters"]) }
    guard allowsAnonymous else { throw .unauthorized() }
    return Self.anonymous
  }

  func check(_ request: Request, _ user: User) throws(APIStatus) {
    if isOpen || user.groups.contains("system:masters") { return }
    if request.resource.isEmpty {
      let open = ["/healthz", "/livez", "/readyz", "/version"]
      if open.contains(where: { request.path == $0 || request.path.hasPrefix($0 + "/") }) { return }
      let discovery = ["/api", "/apis", "/openapi"]
      let isDiscovery = discovery.contains {
        request.path == $0 || request.path.hasPrefix($0 + "/")
      }
      if isDiscovery, user != Self.anonymous { return }
      throw APIStatus(
        403, "Forbidden",
        "forbidden: User \"\(user.name)\" cannot \(request.method.lowercased()) path \"\(request.path)\"",
        details: [:])
    }
    guard user != Self.anonymous || rules != nil else { throw Self.forbidden(request, user) }
    guard let rules else { return }
    let isAllowed = rules.contains { rule in
      (rule.who.map { $0 == user.name || user.groups.contains($0) } ?? (user != Self.anonymous))
        && rule.verbs?.contains(request.verb) ?? true
        && rule.resources?.contains(request.resource) ?? true
        && rule.namespaces?.contains(request.namespace) ?? true
        && rule.names?.contains(request.name) ?? true
    }
    guard isAllowed else { throw Self.forbidden(request, user) }
  }

  private static func forbidden(_ request: Request, _ user: User) -> APIStatus {
    let group = request.index.map { APIResource.all[$0].group } ?? ""
    let qualified = group.isEmpty ? request.resource : "\(request.resource).\(group)"
    let name = request.name.isEmpty ? "" : " \"\(request.name)\""
    let scope =
      request.namespace.isEmpty
      ? "at the cluster scope" : "in the namespace \"\(request.namespace)\""
    let what =
      request.subresource.isEmpty ? request.resource : "\(request.resource)/\(request.subresource)"
    var details = JSONObject()
    if !request.name.isEmpty { details.append("name", .string(request.name)) }
    if !group.isEmpty { details.append("group", .string(group)) }
    details.append("kind", .string(request.resource))
    return APIStatus(
      403, "Forbidden",
      "\(qualified)\(name) is forbidden: User \"\(user.name)\" cannot \(request.verb) resource "
        + "\"\(what)\" in API group \"\(group)\" \(scope)", details: .object(details))
  }
}
