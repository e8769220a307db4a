/// A JSON patch (RFC 6902) that does not fit the object.
struct JSONPatchProblem: Error {
  let message: String
}

extension JSON {
  /// RFC 6902, without move and copy.
  func patched(by operations: JSON) throws(JSONPatchProblem) -> JSON {
    guard let operations = operations.array else {
      throw JSONPatchProblem(message: "a JSON patch is a list")
    }
    var result = self
    for operation in operations {
      let path = operation["path"]?.string ?? ""
      let steps = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map {
        Self.unescaped($0)
      }
      guard let last = steps.last else { throw JSONPatchProblem(message: "no path") }
      result = try result.changed(steps.dropLast()[...], last, operation, path)
    }
    return result
  }

  private static func unescaped(_ step: Substring) -> String {
    var text = ""
    var isEscaped = false
    for character in step {
      if isEscaped {
        text.append(character == "1" ? "/" : "~")
        isEscaped = false
      } else if character == "~" {
        isEscaped = true
      } else {
        text.append(character)
      }
    }
    return text
  }

  private func changed(
    _ steps: ArraySlice<String>, _ last: String, _ operation: JSON, _ path: String
  ) throws(JSONPatchProblem) -> JSON {
    let missing = JSONPatchProblem(message: "the path '\(path)' does not exist")
    if let step = steps.first {
      if var array {
        guard let index = Int(step), array.indices.contains(index) else { throw missing }
        array[index] = try array[index].changed(steps.dropFirst(), last, operation, path)
        return .array(array)
      }
      guard var object, let inner = object[step] else { throw missing }
      object[step] = try inner.changed(steps.dropFirst(), last, operation, path)
      return .object(object)
    }
    let kind = operation["op"]?.string
    let value = operation["value"]
    if var array {
      if kind == "add", last == "-" { return .array(array + [value ?? .null]) }
      guard let index = Int(last), index >= 0, index < array.count + (kind == "add" ? 1 : 0)
      else { throw missing }
      switch kind {
      case "add": array.insert(value ?? .null, at: index)
      case "replace": array[index] = value ?? .null
      case "remove": array.remove(at: index)
      case "test": guard array[index] == value else { throw missing }
      default: throw JSONPatchProblem(message: "unknown operation")
      }
      return .array(array)
    }
    guard var object else { throw missing }
    if kind != "add", object[last] == nil { throw missing }
    switch kind {
    case "add", "replace": object[last] = value ?? .null
    case "remove": object[last] = nil
    case "test":
      guard object[last] == value else {
        throw JSONPatchProblem(message: "testing path '\(path)' failed")
      }
    default: throw JSONPatchProblem(message: "unknown operation")
    }
    return .object(object)
  }
}
