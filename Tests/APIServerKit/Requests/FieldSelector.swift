/// A field selector of a request: `metadata.name=web,spec.nodeName!=node-1`.
struct FieldSelector: Sendable {
  var requirements: [(path: String, value: String, isEqual: Bool)] = []
  var isEmpty: Bool { requirements.isEmpty }

  func matches(_ fields: [String: String]) -> Bool {
    requirements.allSatisfy { (fields[$0.path] == $0.value) == $0.isEqual }
  }

  init() {}

  init(parsing text: String, for resource: APIResource) throws(APIStatus) {
    for part in text.split(separator: ",") {
      var path = ""
      var value: Substring?
      var isEqual = true
      for mark in ["!=", "==", "="] {
        guard let range = part.firstRange(of: mark) else { continue }
        path = String(part[..<range.lowerBound])
        value = part[range.upperBound...]
        isEqual = mark != "!="
        break
      }
      guard let value else {
        throw .badRequest(
          "invalid selector: '\(text)'; can't understand '\(part)'")
      }
      try Self.check(path, resource)
      requirements.append((path, String(value), isEqual))
    }
  }

  private static func check(_ path: String, _ resource: APIResource) throws(APIStatus) {
    if path == "metadata.name" || path == "metadata.namespace" { return }
    if resource.fields.contains(path) { return }
    if resource.fields.isEmpty {
      throw .badRequest(
        "\"\(path)\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    }
    throw .badRequest("field label not supported: \(path)")
  }
}
