/// A label selector of a request.
struct LabelSelector: Sendable {
  enum Condition: Sendable {
    case isOne(of: Set<String>)
    case isNone(of: Set<String>)
    case exists
    case isAbsent
    case isGreater(Int)
    case isLess(Int)
  }

  var requirements: [(key: String, condition: Condition)] = []
  var isEmpty: Bool { requirements.isEmpty }

  func matches(_ labels: [String: String]) -> Bool {
    requirements.allSatisfy { requirement in
      let value = labels[requirement.key]
      switch requirement.condition {
      case .isOne(let values): return value.map(values.contains) ?? false
      // Without the label, "not one of them" is true.
      case .isNone(let values): return !(value.map(values.contains) ?? false)
      case .exists: return value != nil
      case .isAbsent: return value == nil
      case .isGreater(let than): return value.flatMap { Int($0) }.map { $0 > than } ?? false
      case .isLess(let than): return value.flatMap { Int($0) }.map { $0 < than } ?? false
      }
    }
  }

  init() {}

  init(parsing text: String) throws(APIStatus) {
    var rest = Substring(text)
    rest.trim()
    while !rest.isEmpty {
      requirements.append(try Self.requirement(&rest, text))
      rest.trim()
      guard !rest.isEmpty else { return }
      guard rest.first == "," else { throw Self.problem(text, "found '\(rest)'") }
      rest.removeFirst()
      rest.trim()
      guard !rest.isEmpty else {
        throw .badRequest("found '', expected: identifier after ','")
      }
    }
  }

  private static func problem(_ text: String, _ what: String) -> APIStatus {
    .badRequest("unable to parse requirement: \(what)")
  }

  private static func requirement(_ rest: inout Substring, _ text: String) throws(APIStatus)
    -> (key: String, condition: Condition)
  {
    if rest.first == "!" {
      rest.removeFirst()
      rest.trim()
      return (try key(&rest, text), .isAbsent)
    }
    let key = try key(&rest, text)
    rest.trim()
    guard let first = rest.first, first != "," else { return (key, .exists) }
    for (mark, negative) in [("!=", true), ("==", false), ("=", false)] where rest.hasPrefix(mark) {
      rest.removeFirst(mark.count)
      let value = try value(&rest, text)
      return (key, negative ? .isNone(of: [value]) : .isOne(of: [value]))
    }
    if first == ">" || first == "<" {
      rest.removeFirst()
      guard let number = Int(try value(&rest, text)) else {
        throw problem(text, "for 'Gt', 'Lt' operators, the value must be an integer")
      }
      return (key, first == ">" ? .isGreater(number) : .isLess(number))
    }
    let word = rest.prefix { $0.isLetter }
    rest.removeFirst(word.count)
    rest.trim()
    guard word == "in" || word == "notin" else {
      throw problem(text, "found '\(word)', expected: in, notin, =, ==, !=, gt, lt")
    }
    guard rest.first == "(" else { throw problem(text, "found '\(rest)' expected: '('") }
    rest.removeFirst()
    guard let end = rest.firstIndex(of: ")") else { throw problem(text, "expected: ')'") }
    var values: Set<String> = []
    for part in rest[..<end].split(separator: ",", omittingEmptySubsequences: false) {
      var part = part
      part.trim()
      values.insert(try checked(String(part), text))
    }
    rest = rest[rest.index(after: end)...]
    return (key, word == "in" ? .isOne(of: values) : .isNone(of: values))
  }

  private static func key(_ rest: inout Substring, _ text: String) throws(APIStatus) -> String {
    let key = rest.prefix { $0.isLetter || $0.isNumber || "-_./".contains($0) }
    guard let first = key.first, first.isLetter || first.isNumber, key.count <= 317 else {
      throw .badRequest("found '\(rest)', expected: !, identifier, or 'end of string'")
    }
    rest.removeFirst(key.count)
    return String(key)
  }

  private static func value(_ rest: inout Substring, _ text: String) throws(APIStatus) -> String {
    rest.trim()
    let value = rest.prefix { $0 != "," }
    rest.removeFirst(value.count)
    var trimmed = value
    trimmed.trim()
    return try checked(String(trimmed), text)
  }

  private static func checked(_ value: String, _ text: String) throws(APIStatus) -> String {
    guard value.count <= 63,
      value.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) })
    else { throw problem(text, "values: Invalid value: \"\(value)\"") }
    return value
  }
}

extension Substring {
  mutating func trim() {
    while first == " " { removeFirst() }
    while last == " " { removeLast() }
  }
}
