import ManifestText

/// What was found in manifest files.
public struct DecodedManifests: Sendable {
  /// In the order of the input, each object once.
  public var objects: [ManifestObject] = []
  /// Every problem of the input, in its order. With one error among them the objects are not
  /// to be used.
  public var diagnostics: [Diagnostic] = []

  public init() {}

  public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
}

/// Reads manifests into the object model, and finds every problem in them.
///
/// Kinds that socklb does not read are skipped with a note. Fields that it does not read are
/// ignored, as real objects have many. What has no effect on a real cluster is a warning or a
/// note; what a cluster would not accept is an error.
public func decodeManifests(_ files: [ManifestFile]) -> DecodedManifests {
  var decoder = ManifestDecoder()
  for file in files { decoder.decode(file) }
  return decoder.result
}

/// An object that socklb has written itself, from its canonical JSON; nil when it is none.
public func decodeObject(_ json: [UInt8]) -> KubernetesObject? {
  var decoder = ManifestDecoder(needsJSON: false)
  decoder.decode(ManifestFile(name: "objects", bytes: json))
  return decoder.result.objects.first?.object
}

/// Goes through files, documents and lists, and hands single objects to `ObjectDecoder`.
private struct ManifestDecoder {
  /// So many errors of one file are printed; the others are counted.
  static let maxErrors = 1000

  var result = DecodedManifests()
  /// False: `ManifestObject.json` stays empty.
  private let needsJSON: Bool
  private var writer = CanonicalJSONWriter()
  private var places: [ObjectID: Int] = [:]
  private var file = ""
  private var diagnostics: [Diagnostic] = []
  private var errorCount = 0
  private var sawSomething = false

  init(needsJSON: Bool = true) { self.needsJSON = needsJSON }

  mutating func decode(_ input: ManifestFile) {
    file = input.name
    diagnostics = []
    errorCount = 0
    sawSomething = false
    let text = parseManifest(input.bytes)
    for document in text.documents {
      decode(
        document.root, document: document.index, path: TextPath(), kind: nil, apiVersion: nil)
    }
    add(text.problems, of: text.documents)
    if !sawSomething && text.problems.isEmpty {
      report(Diagnostic(.error, file: file, "holds no objects"))
    }
    if errorCount > ManifestDecoder.maxErrors {
      let rest = errorCount - ManifestDecoder.maxErrors
      diagnostics.append(Diagnostic(.error, file: file, "and \(rest) more errors"))
    }
    result.diagnostics += diagnostics
  }

  private mutating func report(_ diagnostic: Diagnostic) {
    if diagnostic.severity == .error {
      errorCount += 1
      if errorCount > ManifestDecoder.maxErrors { return }
    }
    diagnostics.append(diagnostic)
  }

  // MARK: Text

  /// Puts what is wrong with the text between the problems of the objects, by document.
  private mutating func add(_ problems: [TextProblem], of documents: [TextDocument]) {
    if problems.isEmpty { return }
    for problem in problems {
      let root = documents.first { $0.index == problem.document }?.root
      report(
        Diagnostic(
          .error, file: file, document: problem.document, line: problem.line,
          object: root.flatMap { label(of: problem, in: $0) }, path: problem.path,
          problem.message))
    }
    let order = diagnostics.enumerated().sorted {
      let (a, b) = ($0.element.document ?? .max, $1.element.document ?? .max)
      return a != b ? a < b : $0.offset < $1.offset
    }
    diagnostics = order.map(\.element)
  }

  private func label(of problem: TextProblem, in root: TextNode) -> String? {
    guard let path = problem.path, path.hasPrefix("items["), let items = root["items"] else {
      return ObjectDecoder.label(of: root)
    }
    let number = path.dropFirst("items[".count).prefix { $0 != "]" }
    guard let index = Int(number), index < items.count else { return nil }
    return items.elements.dropFirst(index).first { _ in true }.flatMap {
      ObjectDecoder.label(of: $0)
    }
  }

  // MARK: Documents and lists

  /// - Parameters:
  ///   - kind, apiVersion: what a typed list says of its items, which need not repeat it.
  private mutating func decode(
    _ node: TextNode, document: Int, path: TextPath, kind: String?, apiVersion: String?
  ) {
    sawSomething = true
    var decoder = ObjectDecoder(file: file, document: document, path: path, node: node)
    defer { for diagnostic in decoder.diagnostics { report(diagnostic) } }
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
    guard let object = decoder.decode(node, as: known) else { return }
    let json = needsJSON ? canonicalJSON(node, object, kind: nodeKind, apiVersion: nodeVersion) : []
    keep(
      ManifestObject(
        object: object, json: json,
        origin: ManifestObject.Origin(file: file, document: document, line: node.line)),
      &decoder, node)
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

  /// Keeps an object, unless it is in the input already.
  private mutating func keep(
    _ object: ManifestObject, _ decoder: inout ObjectDecoder, _ node: TextNode
  ) {
    guard let place = places[object.object.id] else {
      places[object.object.id] = result.objects.count
      result.objects.append(object)
      return
    }
    let other = result.objects[place]
    if other.json == object.json { return }
    let origin = other.origin
    decoder.report(
      .error, node,
      "is in the input twice, with different content; first in \(origin.file):\(origin.line)"
        + " (document \(origin.document))")
  }
}

extension ObjectKind {
  fileprivate init?(kind: String, apiVersion: String) {
    guard let known = ObjectKind(rawValue: kind) else { return nil }
    let isOldSlice = known == .endpointSlice && apiVersion == "discovery.k8s.io/v1beta1"
    guard apiVersion == known.apiVersion || isOldSlice else { return nil }
    self = known
  }
}
