import ManifestText

/// The objects, as a test changes and compares them.
extension APIServer {
  private func index(_ name: String) throws -> Int {
    guard let index = APIResource.index(named: name) else {
      throw APIServerProblem("no resource is called '\(name)'")
    }
    return index
  }

  private func key(_ index: Int, _ namespace: String, _ name: String) -> String {
    APIResource.all[index].isNamespaced
      ? "\(namespace.isEmpty ? "default" : namespace)/\(name)" : name
  }

  /// Creates or replaces an object, with the server's defaults but without its checks. No write,
  /// and no event, when it would change nothing.
  /// - Returns: it as stored.
  @discardableResult
  public func put(_ object: JSON) throws -> JSON {
    guard let kind = object["kind"]?.string, let index = APIResource.index(kind: kind) else {
      throw APIServerProblem("not served: kind \(object["kind"] ?? .null)")
    }
    let resource = APIResource.all[index]
    let name = object.at("metadata", "name")?.string ?? ""
    var object = object
    if resource.isNamespaced, object.at("metadata", "namespace") == nil {
      object.set("metadata", "namespace", to: "default")
    }
    let wanted = object
    let key = key(index, object.at("metadata", "namespace")?.string ?? "", name)
    let stored = try core.store.write(index, key) { [core] (old: JSON?) throws(APIStatus) in
      core.addresses.allocate(
        for: Defaults.fill(wanted, resource, old: old), resource, old: old)
    }
    return stored?.json ?? .null
  }

  /// The same of JSON text.
  @discardableResult
  public func put(_ text: String) throws -> JSON { try put(JSON(parsing: text)) }

  /// Creates or replaces all objects of manifests, YAML or JSON; lists too.
  public func apply(_ manifests: String) throws {
    let parsed = parseManifest(Array(manifests.utf8))
    if let problem = parsed.problems.first { throw APIServerProblem("\(problem)") }
    for document in parsed.documents where !document.root.isNull {
      let object = JSON(document.root)
      for item in object["items"]?.array ?? [object] { try put(item) }
    }
  }

  /// Changes an object by a merge patch (RFC 7386).
  @discardableResult
  public func patch(_ kind: String, _ namespace: String, _ name: String, _ patch: JSON) throws
    -> JSON
  {
    let index = try index(kind)
    let stored = try core.store.write(index, key(index, namespace, name)) {
      (old: JSON?) throws(APIStatus) in
      guard let old else { throw APIStatus.notFound(APIResource.all[index], name) }
      return old.mergePatched(with: patch)
    }
    return stored?.json ?? .null
  }

  /// - Returns: whether it was there.
  @discardableResult
  public func delete(_ kind: String, _ namespace: String, _ name: String) throws -> Bool {
    let index = try index(kind)
    let gone = try core.store.write(index, key(index, namespace, name)) {
      (_: JSON?) throws(APIStatus) in nil
    }
    return gone != nil
  }

  /// Removes all objects of a kind.
  public func deleteAll(_ kind: String) throws {
    let index = try index(kind)
    for object in core.store.all(index) {
      _ = try core.store.write(index, object.key) { (_: JSON?) throws(APIStatus) in nil }
    }
  }

  public func object(_ kind: String, _ namespace: String, _ name: String) throws -> JSON? {
    let index = try index(kind)
    return core.store.object(index, key(index, namespace, name))?.json
  }

  /// What there is now of a kind.
  public func objects(_ kind: String) throws -> [JSON] {
    core.store.all(try index(kind)).map(\.json)
  }

  /// What there is now of these kinds, as one manifest of JSON values, each with kind and
  /// apiVersion: what the client should come to.
  public func truth(_ kinds: String...) throws -> String {
    var text: [UInt8] = []
    for kind in kinds.isEmpty ? ["Service", "EndpointSlice", "Node", "Pod"] : kinds {
      for object in core.store.all(try index(kind)) { text += object.bytes + [0x0A] }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The newest resourceVersion.
  public var revision: UInt64 { core.store.current }
}

extension JSON {
  /// A node of a manifest.
  public init(_ node: TextNode) {
    switch node.kind {
    case .null: self = .null
    case .boolean: self = .bool(node.boolean ?? false)
    case .integer: self = node.integer.map { .int(Int($0)) } ?? .null
    case .float: self = .double(Double(String(decoding: node.utf8, as: UTF8.self)) ?? 0)
    case .string: self = .string(node.string ?? "")
    case .sequence: self = .array(node.elements.map { JSON($0) })
    case .mapping:
      self = .object(JSONObject(node.members.map { ($0.key.string ?? "", JSON($0.value)) }))
    }
  }
}
