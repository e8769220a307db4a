/// A small tree of named values, printed as JSON or YAML with its members in the given order.
indirect enum Facts {
  case text(String)
  case number(UInt64)
  case flag(Bool)
  case none
  case list([Facts])
  case members([(String, Facts)])

  var json: String { json(indent: "") }

  /// The same on one line.
  var jsonLine: String {
    switch self {
    case .list(let items): "[" + items.map(\.jsonLine).joined(separator: ",") + "]"
    case .members(let members):
      "{" + members.map { "\(Facts.quoted($0)):\($1.jsonLine)" }.joined(separator: ",") + "}"
    default: scalar
    }
  }

  private func json(indent: String) -> String {
    let inner = indent + "  "
    switch self {
    case .list(let items):
      if items.isEmpty { return "[]" }
      return "[\n" + items.map { inner + $0.json(indent: inner) }.joined(separator: ",\n")
        + "\n\(indent)]"
    case .members(let members):
      if members.isEmpty { return "{}" }
      return "{\n"
        + members.map { "\(inner)\(Facts.quoted($0)): \($1.json(indent: inner))" }
        .joined(separator: ",\n") + "\n\(indent)}"
    default: return scalar
    }
  }

  var yaml: String { yamlLines.map { $0 + "\n" }.joined() }

  /// Block style; strings are quoted as in JSON, which YAML reads the same.
  private var yamlLines: [String] {
    switch self {
    case .list(let items):
      return items.flatMap { item in
        item.yamlLines.enumerated().map { ($0 == 0 ? "- " : "  ") + $1 }
      }
    case .members(let members):
      return members.flatMap { (name, value) -> [String] in
        switch value {
        case .list(let items) where !items.isEmpty: ["\(name):"] + value.yamlLines
        case .members(let inner) where !inner.isEmpty:
          ["\(name):"] + value.yamlLines.map { "  " + $0 }
        default: ["\(name): \(value.json)"]
        }
      }
    default: return [scalar]
    }
  }

  private var scalar: String {
    switch self {
    case .text(let text): Facts.quoted(text)
    case .number(let number): String(number)
    case .flag(let flag): flag ? "true" : "false"
    default: "null"
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 32:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
