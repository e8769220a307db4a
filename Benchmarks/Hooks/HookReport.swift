/// The table of what was measured.
struct HookReport {
  var options: HookOptions
  var results: [HookResult]
  var notes: [String]

  var rendered: String {
    switch options.format {
    case "json": json
    case "markdown": markdown
    default: text
    }
  }

  private static let header = [
    "case", "ours", "empty", "net", "25…75 %", "must", "aim", "", "none", "empty", "ours", "more",
    "±", "must",
  ]

  private func row(_ result: HookResult) -> [String] {
    func number(_ value: Double) -> String { String(Int(value.rounded())) }
    func spread(_ readings: Readings) -> String {
      "\(number(readings.low))…\(number(readings.high))"
    }
    func bar(_ value: Int?) -> String { value.map { String($0) } ?? "" }
    return [
      result.test.name, number(result.ours.median), number(result.empty.median),
      number(result.net.median), spread(result.net), bar(result.test.must), bar(result.test.aim),
      result.verdict ?? "", number(result.cpu(.none).median), number(result.cpu(.empty).median),
      number(result.cpu(.ours).median), number(result.more.median), number(result.more.uncertainty),
      bar(result.test.mustCPU),
    ]
  }

  private func parts(_ result: HookResult) -> String {
    result.parts.map { "\($0.hook) \(Int($0.net.median.rounded()))" }.joined(separator: ", ")
  }

  private var heading: String {
    """
    \(options.rounds) rounds of \(options.count) operations (where sockets are made: more rounds of \
    \(max(options.count / HookCase.share, 1))); services in the table: \(options.services); \
    nanoseconds per operation, medians; net and more: medians of each round's difference
    """
  }

  // MARK: Formats

  private var text: String {
    let rows = results.map(row)
    let widths = Self.header.indices.map { column in
      ([Self.header] + rows).map { $0[column].count }.max() ?? 0
    }
    func line(_ cells: [String], _ last: String) -> String {
      var result = ""
      for (column, cell) in cells.enumerated() {
        let blanks = String(repeating: " ", count: widths[column] - cell.count)
        result += column == 0 ? cell + blanks : "  " + blanks + cell
        if column == 7 { result += "  |" }
      }
      return result + "  " + last + "\n"
    }
    let first = widths[0...7].reduce(0, +) + 14 - widths[0]
    var result = heading + "\n\n" + String(repeating: " ", count: widths[0] + 2)
    let title = "programs, by kernel statistics"
    result += title + String(repeating: " ", count: max(first - title.count, 0))
    result += "  | thread CPU, statistics off\n"
    result += line(Self.header, "net by hook")
    for (row, one) in zip(rows, results) { result += line(row, parts(one)) }
    for note in notes { result += "note: \(note)\n" }
    return result
  }

  /// Two tables, as pages are narrower than terminals.
  private var markdown: String {
    let rows = results.map(row)
    func table(_ header: [String], _ lines: [[String]]) -> String {
      let rule = "|" + String(repeating: "---|", count: header.count)
      return
        (["| " + header.joined(separator: " | ") + " |", rule]
        + lines.map { "| " + $0.joined(separator: " | ") + " |" }).joined(separator: "\n") + "\n"
    }
    var result = heading + ".\n\n"
    result += table(
      Array(Self.header[0...7]) + ["net by hook"],
      zip(rows, results).map { row, one in Array(row[0...7]) + [parts(one)] })
    result += "\nThread CPU, statistics off:\n\n"
    result += table(
      ["case"] + Array(Self.header[8...]), rows.map { row in [row[0]] + Array(row[8...]) })
    for note in notes { result += "\nNote: \(note).\n" }
    return result
  }

  private var json: String {
    func number(_ value: Double) -> String { String((value * 10).rounded() / 10) }
    func readings(_ value: Readings) -> String {
      "{\"median\": \(number(value.median)), \"low\": \(number(value.low)), "
        + "\"high\": \(number(value.high)), "
        + "\"uncertainty\": \(number(value.uncertainty))}"
    }
    let cases = results.map { one in
      var fields = ["\"case\": \"\(one.test.name)\""]
      for (name, value) in [
        ("ours", one.ours), ("empty", one.empty), ("net", one.net), ("cpuNone", one.cpu(.none)),
        ("cpuEmpty", one.cpu(.empty)), ("cpuOurs", one.cpu(.ours)), ("cpuMore", one.more),
      ] {
        fields.append("\"\(name)\": \(readings(value))")
      }
      for (name, value) in [
        ("must", one.test.must), ("aim", one.test.aim), ("cpuMust", one.test.mustCPU),
      ] {
        if let value { fields.append("\"\(name)\": \(value)") }
      }
      // Every reading, in the order they were taken, for who wants other statistics.
      let rounds = HookVariant.allCases.map { variant in
        let values = one.rounds.map { number($0.cpu[variant] ?? 0) }
        return "\"\(variant)\": [\(values.joined(separator: ", "))]"
      }
      fields.append("\"cpuRounds\": {\(rounds.joined(separator: ", "))}")
      let hooks = one.parts.map { "\"\($0.hook)\": \(readings($0.net))" }
      fields.append("\"hooks\": {\(hooks.joined(separator: ", "))}")
      return "    {" + fields.joined(separator: ", ") + "}"
    }
    let said = notes.map { note in
      "\"\(note.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "'"))\""
    }
    return """
      {
        "rounds": \(options.rounds), "count": \(options.count), "services": \(options.services),
        "notes": [\(said.joined(separator: ", "))],
        "cases": [
      \(cases.joined(separator: ",\n"))
        ]
      }

      """
  }
}
