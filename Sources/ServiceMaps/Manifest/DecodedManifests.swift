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

/// Goes through files, and puts together what is in them.
private struct ManifestDecoder {
  /// So many errors of one file are printed; the others are counted.
  static let maxErrors = 1000

  var result = DecodedManifests()
  /// False: `ManifestObject.json` stays empty.
  private let needsJSON: Bool
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
    for found in DocumentDecoder.decode(text, file: file, needsJSON: needsJSON) {
      sawSomething = true
      take(found)
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

  // MARK: Objects

  /// Takes what was found, in its order.
  private mutating func take(_ found: Found) {
    for diagnostic in found.diagnostics { report(diagnostic) }
    guard let object = found.object else { return }
    guard let place = places[object.object.id] else {
      places[object.object.id] = result.objects.count
      result.objects.append(object)
      return
    }
    // Each object once.
    let other = result.objects[place]
    if other.json == object.json { return }
    let origin = other.origin
    report(
      Diagnostic(
        .error, file: file, document: object.origin.document, line: object.origin.line,
        object: found.label, path: found.path.isEmpty ? nil : found.path.description,
        "is in the input twice, with different content; first in \(origin.file):\(origin.line)"
          + " (document \(origin.document))"))
  }
}

extension ObjectKind {
  init?(kind: String, apiVersion: String) {
    guard let known = ObjectKind(rawValue: kind) else { return nil }
    let isOldSlice = known == .endpointSlice && apiVersion == "discovery.k8s.io/v1beta1"
    guard apiVersion == known.apiVersion || isOldSlice else { return nil }
    self = known
  }
}
