/// A page of metrics in Prometheus' text format 0.0.4 or OpenMetrics 1.0.0, read strictly: what a
/// scraper would put up with is an error here.
struct MetricsPage {
  /// By name and labels, as written: `name{a="b"}`.
  private(set) var values: [String: Double] = [:]
  private(set) var kinds: [String: String] = [:]

  init(_ text: String, isOpenMetrics: Bool = false) throws {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.popLast() == "" else { throw Failure("no newline at the end") }
    if isOpenMetrics {
      guard lines.popLast() == "# EOF" else { throw Failure("no # EOF") }
    }
    var family = ""
    var described: Set<String> = []
    for line in lines {
      if line.hasPrefix("# HELP ") {
        let name = String(line.dropFirst(7).prefix { $0 != " " })
        guard described.insert(name).inserted else { throw Failure("described twice: \(name)") }
        family = name
      } else if line.hasPrefix("# TYPE ") {
        let words = line.dropFirst(7).split(separator: " ")
        guard words.count == 2, words[0] == family, kinds[family] == nil,
          ["counter", "gauge", "histogram"].contains(words[1])
        else { throw Failure("not expected: \(line)") }
        kinds[family] = String(words[1])
      } else {
        try read(line, family, isOpenMetrics)
      }
    }
    for (name, kind) in kinds where kind == "histogram" { try checkHistogram(name) }
  }

  private mutating func read(
    _ line: Substring, _ family: String, _ isOpenMetrics: Bool
  ) throws {
    guard let kind = kinds[family] else { throw Failure("before any TYPE: \(line)") }
    let name = line.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    let suffix = name.dropFirst(family.count)
    let suffixes: [Substring] =
      kind == "histogram"
      ? ["_bucket", "_sum", "_count"] : isOpenMetrics && kind == "counter" ? ["_total"] : [""]
    guard name.hasPrefix(family), suffixes.contains(suffix) else {
      throw Failure("\(line) is no sample of the \(kind) \(family)")
    }
    if kind == "counter" && !name.hasSuffix("_total") {
      throw Failure("a counter without _total: \(line)")
    }
    let labelled = line.dropFirst(name.count)
    let end = try Self.endOfLabels(labelled)
    let key = name + labelled[..<end]
    let value = labelled[end...]
    guard value.hasPrefix(" "), let number = Double(value.dropFirst()) else {
      throw Failure("no number: \(line)")
    }
    if kind != "gauge" && number < 0 { throw Failure("less than 0: \(line)") }
    guard values.updateValue(number, forKey: String(key)) == nil else {
      throw Failure("twice: \(line)")
    }
  }

  /// `{name="value",…}` with its escapes.
  private static func endOfLabels(_ text: Substring) throws -> Substring.Index {
    guard text.first == "{" else { return text.startIndex }
    var rest = text.dropFirst()
    while true {
      let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      rest = rest.dropFirst(name.count)
      guard !name.isEmpty, rest.hasPrefix("=\"") else { throw Failure("labels: \(text)") }
      rest = rest.dropFirst(2)
      while let character = rest.popFirst(), character != "\"" {
        if character == "\\" {
          guard let escaped = rest.popFirst(), "\\\"n".contains(escaped) else {
            throw Failure("escape: \(text)")
          }
        }
      }
      switch rest.popFirst() {
      case ",": continue
      case "}": return rest.startIndex
      default: throw Failure("labels: \(text)")
      }
    }
  }

  /// Buckets go up, and the last one has all of them.
  private func checkHistogram(_ name: String) throws {
    let buckets = values.filter { $0.key.hasPrefix(name + "_bucket{le=\"") }.map { key, value in
      let bound = key.dropFirst(name.count + 12).prefix { $0 != "\"" }
      return (bound == "+Inf" ? .infinity : Double(bound) ?? .nan, value)
    }.sorted { $0.0 < $1.0 }
    guard buckets.last?.0 == .infinity, buckets.last?.1 == values[name + "_count"],
      values[name + "_sum"] != nil, zip(buckets, buckets.dropFirst()).allSatisfy({ $0.1 <= $1.1 })
    else { throw Failure("the histogram \(name): \(buckets)") }
  }

  subscript(name: String) -> Double? { values[name] }
}
