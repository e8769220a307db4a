import ManifestText

/// Decodes one object, and keeps track of where it is for what there is to say.
///
/// All decoding functions go on after a problem, so that the next one is found too.
struct ObjectDecoder {
  let file: String
  let document: Int
  /// `Service default/web`, for the diagnostics.
  var object: String?
  var path: TextPath
  private(set) var diagnostics: [Diagnostic] = []
  private(set) var hasErrors = false

  init(file: String, document: Int, path: TextPath, node: TextNode) {
    self.file = file
    self.document = document
    self.path = path
  }

  /// nil when there is no telling which object it is; problems in its fields are in
  /// `diagnostics` only.
  mutating func decode(_ node: TextNode, as kind: ObjectKind) -> KubernetesObject? {
    object = ObjectDecoder.label(of: node, kind: kind.rawValue)
    let meta = metadata(node, kind)
    // What is wrong with the rest is said even of an object without a name.
    let checked = meta ?? ObjectMeta(name: NamespacedName(namespace: "", name: ""))
    let decoded: KubernetesObject =
      switch kind {
      case .service: .service(service(node, checked))
      case .endpointSlice: .endpointSlice(endpointSlice(node, checked))
      case .endpoints: .endpoints(endpoints(node, checked))
      case .pod: .pod(pod(node, checked))
      case .node: .node(self.node(node, checked))
      }
    return meta == nil ? nil : decoded
  }

  /// `Service default/web`, as far as the object tells.
  static func label(of node: TextNode, kind: String? = nil) -> String? {
    guard let kind = kind ?? node["kind"]?.string, !kind.isEmpty else { return nil }
    let metadata = node["metadata"]
    guard let name = metadata?["name"]?.string, !name.isEmpty else { return kind }
    if let namespace = metadata?["namespace"]?.string, !namespace.isEmpty, kind != "Node" {
      return "\(kind) \(namespace)/\(name)"
    }
    let isNamespaced = ObjectKind(rawValue: kind).map { $0 != .node } ?? false
    return "\(kind) \(isNamespaced ? "default/" : "")\(name)"
  }

  // MARK: Diagnostics

  mutating func report(_ severity: Diagnostic.Severity, _ node: TextNode, _ message: String) {
    if severity == .error { hasErrors = true }
    diagnostics.append(
      Diagnostic(
        severity, file: file, document: document, line: node.line, object: object,
        path: path.isEmpty ? nil : path.description, message))
  }

  /// A required member is not there.
  mutating func missing(_ key: String, in parent: TextNode, _ remedy: String = "") {
    path.steps.append(.key(key))
    report(.error, parent, remedy.isEmpty ? "is missing" : "is missing; \(remedy)")
    path.steps.removeLast()
  }

  // MARK: Fields

  /// Hands the member `key` to `body`, if it is there and not null.
  @discardableResult
  mutating func field<Value>(
    _ parent: TextNode, _ key: String, _ body: (inout ObjectDecoder, TextNode) -> Value?
  ) -> Value? {
    guard let node = parent[key], !node.isNull else { return nil }
    path.steps.append(.key(key))
    let value = body(&self, node)
    path.steps.removeLast()
    return value
  }

  /// Hands a member that must be a mapping to `body`.
  @discardableResult
  mutating func mapping<Value>(
    _ parent: TextNode, _ key: String, _ body: (inout ObjectDecoder, TextNode) -> Value?
  ) -> Value? {
    field(parent, key) { decoder, node in
      decoder.expect(.mapping, node) ? body(&decoder, node) : nil
    }
  }

  /// Hands the elements of a member that must be a list to `body`, one after the other.
  /// Returns whether the list is there and not empty.
  @discardableResult
  mutating func list(
    _ parent: TextNode, _ key: String, _ body: (inout ObjectDecoder, TextNode) -> Void
  ) -> Bool {
    field(parent, key) { decoder, node -> Bool? in
      guard decoder.expect(.sequence, node) else { return true }
      var index = 0
      for element in node.elements {
        decoder.path.steps.append(.index(index))
        body(&decoder, element)
        decoder.path.steps.removeLast()
        index += 1
      }
      return index > 0
    } ?? false
  }

  /// As `list`, with elements that must be mappings.
  @discardableResult
  mutating func mappings(
    _ parent: TextNode, _ key: String, _ body: (inout ObjectDecoder, TextNode) -> Void
  ) -> Bool {
    list(parent, key) { decoder, node in
      if decoder.expect(.mapping, node) { body(&decoder, node) }
    }
  }

  /// As `list`, with elements that must be strings.
  @discardableResult
  mutating func strings(
    _ parent: TextNode, _ key: String, _ body: (inout ObjectDecoder, TextNode, String) -> Void
  ) -> Bool {
    list(parent, key) { decoder, node in
      if let text = decoder.string(node) { body(&decoder, node, text) }
    }
  }

  mutating func string(_ parent: TextNode, _ key: String) -> String? {
    field(parent, key) { decoder, node in decoder.string(node) }
  }

  mutating func boolean(_ parent: TextNode, _ key: String) -> Bool? {
    field(parent, key) { decoder, node in
      decoder.expect(.boolean, node) ? node.boolean : nil
    }
  }

  /// A member with string values, as labels are.
  mutating func stringMap(_ parent: TextNode, _ key: String) -> [String: String] {
    mapping(parent, key) { decoder, node in
      var map: [String: String] = [:]
      map.reserveCapacity(node.count)
      for member in node.members {
        guard let name = member.key.string else { continue }
        decoder.path.steps.append(.key(name))
        // The API server reads null as the empty string.
        if member.value.isNull {
          map[name] = ""
        } else if let value = decoder.string(member.value) {
          map[name] = value
        }
        decoder.path.steps.removeLast()
      }
      return map
    } ?? [:]
  }

  /// One of the cases of an enumeration; the empty string is as good as nothing.
  mutating func choice<Choice: RawRepresentable & CaseIterable>(
    _ parent: TextNode, _ key: String, _ type: Choice.Type
  ) -> Choice? where Choice.RawValue == String {
    field(parent, key) { decoder, node in
      guard let text = decoder.string(node), !text.isEmpty else { return nil }
      if let choice = Choice(rawValue: text) { return choice }
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      decoder.report(.error, node, "must be one of \(known), not \(quoted(text))")
      return nil
    }
  }

  mutating func string(_ node: TextNode) -> String? {
    if let text = node.string { return text }
    expect(.string, node)
    return nil
  }

  @discardableResult
  mutating func expect(_ kind: TextKind, _ node: TextNode) -> Bool {
    if node.kind == kind { return true }
    var message = "must be \(kind), not \(shown(node))"
    if kind == .string && !node.kind.isContainer {
      message += "; quote it: \"\(String(decoding: node.utf8.prefix(60), as: UTF8.self))\""
    }
    report(.error, node, message)
    return false
  }
}

/// A value as a message shows it: `a string ("http")`.
func shown(_ node: TextNode) -> String {
  if node.kind.isContainer || node.isNull { return "\(node.kind)" }
  let text = String(decoding: node.utf8, as: UTF8.self)
  return "\(node.kind) (\(node.kind == .string ? quoted(text) : text))"
}

/// A text of the input as a message shows it, cut where it is long.
func quoted(_ text: String) -> String {
  let short = text.prefix(60)
  return "\"\(short)\(short.endIndex < text.endIndex ? "…" : "")\""
}
