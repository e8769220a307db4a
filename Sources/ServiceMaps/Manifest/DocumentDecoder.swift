import ManifestText
import Threads

/// What one document, or one item of a list, is.
struct Found: Sendable {
  var diagnostics: [Diagnostic]
  /// nil when there is no telling which object it is, and for lists.
  var object: ManifestObject?
  /// `Service default/web`, where the object is known.
  var label: String?
  var path: TextPath
}

/// Goes through documents and lists, and hands single objects to `ObjectDecoder`.
struct DocumentDecoder {
  let file: String
  /// False: `ManifestObject.json` stays empty.
  let needsJSON: Bool
  private var found: [Found] = []
  private var writer = CanonicalJSONWriter()

  private init(file: String, needsJSON: Bool) {
    self.file = file
    self.needsJSON = needsJSON
  }

  /// What there is in a file, in its order. Two threads do what two threads have read.
  static func decode(_ text: ParsedText, file: String, needsJSON: Bool) -> [Found] {
    let documents = text.documents
    guard let half = text.secondHalf else {
      return decode(documents[...], file: file, needsJSON: needsJSON)
    }
    let (first, second) = inParallel(
      { decode(documents[..<half], file: file, needsJSON: needsJSON) },
      { decode(documents[half...], file: file, needsJSON: needsJSON) })
    return first + second
  }

  private static func decode(
    _ documents: ArraySlice<TextDocument>, file: String, needsJSON: Bool
  ) -> [Found] {
    var decoder = DocumentDecoder(file: file, needsJSON: needsJSON)
    decoder.found.reserveCapacity(documents.count)
    for document in documents {
      decoder.decode(
        document.root, document: document.index, path: TextPath(), kind: nil, apiVersion: nil)
    }
    return decoder.found
  }

  // MARK: Documents and lists

  /// - Parameters:
  ///   - kind, apiVersion: what a typed list says of its items, which need not repeat it.
  private mutating func decode(
    _ node: TextNode, document: Int, path: TextPath, kind: String?, apiVersion: String?
  ) {
    var decoder = ObjectDecoder(file: file, document: document, path: path, node: node)
    var object: ManifestObject?
    defer {
      found.append(
        Found(
          diagnostics: decoder.diagnostics, object: object, label: decoder.object, path: path))
    }
    guard node.kind == .mapping else {
      decoder.report(.error, node, "must be an object with apiVersion and kind, not \(node.kind)")
      return
    }
    let nodeKind = decoder.string(node, "kind")
    let nodeVersion = decoder.string(node, "apiVersion")
    guard let kind = nodeKind ?? kind, let apiVersion = nodeVersion ?? apiVersion,
      !kind.isEmpty, !apiVersion.isEmpty
    else {
      if (nodeKind ?? kind ?? "").isEmpty { decoder.missing("kind", in: node) }
      if (nodeVersion ?? apiVersion ?? "").isEmpty { decoder.missing("apiVersion", in: node) }
      return
    }
    if isList(kind, node) {
      let isTyped = kind != "List"
      let list = DecodedList(
        kind: isTyped ? String(kind.dropLast("List".count)) : nil,
        apiVersion: isTyped ? apiVersion : nil)
      decodeItems(of: node, list, &decoder)
      return
    }
    guard let known = ObjectKind(kind: kind, apiVersion: apiVersion) else {
      decoder.object = ObjectDecoder.label(of: node, kind: kind)
      decoder.report(.note, node, skipMessage(kind, apiVersion))
      return
    }
    guard let decoded = decoder.decode(node, as: known) else { return }
    let json =
      needsJSON ? canonicalJSON(node, decoded, kind: nodeKind, apiVersion: nodeVersion) : []
    object = ManifestObject(
      object: decoded, json: json,
      origin: ManifestObject.Origin(file: file, document: document, line: node.line))
  }

  private struct DecodedList {
    var kind: String?
    var apiVersion: String?
  }

  private func isList(_ kind: String, _ node: TextNode) -> Bool {
    guard kind.hasSuffix("List") else { return false }
    return kind == "List" || node["items"] != nil
      || ObjectKind(rawValue: String(kind.dropLast("List".count))) != nil
  }

  private mutating func decodeItems(
    of node: TextNode, _ list: DecodedList, _ decoder: inout ObjectDecoder
  ) {
    guard let items = node["items"], !items.isNull else { return }
    guard items.kind == .sequence else {
      decoder.path.steps.append(.key("items"))
      decoder.report(.error, items, "must be a list, not \(items.kind)")
      return
    }
    var path = decoder.path
    path.steps.append(.key("items"))
    for (index, item) in items.elements.enumerated() {
      path.steps.append(.index(index))
      decode(
        item, document: decoder.document, path: path, kind: list.kind,
        apiVersion: list.apiVersion)
      path.steps.removeLast()
    }
  }

  private func skipMessage(_ kind: String, _ apiVersion: String) -> String {
    if let known = ObjectKind(rawValue: kind) {
      return "skipped: socklb reads \(kind) of \(known.apiVersion), not of \(apiVersion)"
    }
    return "skipped: socklb reads Service, EndpointSlice, Endpoints, Pod and Node"
  }

  // MARK: Objects

  private mutating func canonicalJSON(
    _ node: TextNode, _ object: KubernetesObject, kind: String?, apiVersion: String?
  ) -> [UInt8] {
    var edits: [TextEdit] = []
    let metadata = node["metadata"]
    if metadata?["managedFields"] != nil { edits.append(.remove("metadata", "managedFields")) }
    let namespace = object.meta.name.namespace
    if namespace.isEmpty {
      if metadata?["namespace"] != nil { edits.append(.remove("metadata", "namespace")) }
    } else if metadata?["namespace"]?.utf8.elementsEqual(namespace.utf8) != true {
      edits.append(.set("metadata", "namespace", to: namespace))
    }
    if kind == nil { edits.append(.set("kind", to: object.kind.rawValue)) }
    if apiVersion == nil { edits.append(.set("apiVersion", to: object.kind.apiVersion)) }
    return writer.text(of: node, editing: edits)
  }
}
