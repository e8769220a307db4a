/// What was measured, as tables for people; HookReport+Machine.swift has it for programs.
struct HookReport {
  var options: HookOptions
  var results: [HookResult]
  var cores: [HookCores.Result]
  var notes: [String]

  var bars: [HookBar] { HookBar.all(results) }

  var rendered: String {
    switch options.format {
    case "json": json
    case "markdown": markdown
    default: text
    }
  }

  struct Section {
    var title: String
    var header: [String]
    var rows: [[String]]
  }

  private var heading: String {
    """
    \(options.rounds) rounds of \(options.count) operations (where sockets are made: more rounds of \
    \(max(options.count / HookCase.share, 1))); nanoseconds per operation, medians; net and more: \
    medians of each round's difference
    """
  }

  var sections: [Section] {
    [barSection, programSection, tracedSection, growthSection, cpuSection, coresSection].filter {
      !$0.rows.isEmpty
    }
  }

  // MARK: Sections

  private func number(_ value: Double) -> String { String(Int(value.rounded())) }
  private func spread(_ readings: Readings) -> String {
    "\(number(readings.low))…\(number(readings.high))"
  }
  private func bar(_ value: Int?) -> String { value.map { String($0) } ?? "" }
  private func ratio(_ value: Double) -> String { String((value * 100).rounded() / 100) }

  private var barSection: Section {
    func value(_ value: Double, _ unit: String) -> String {
      unit == "×" ? "\(ratio(value)) ×" : "\(number(value)) \(unit)"
    }
    return Section(
      title: "Bars", header: ["bar", "measured", "must", "aim", ""],
      rows: bars.map {
        [
          $0.name, value($0.value, $0.unit), value($0.must, $0.unit), value($0.aim, $0.unit),
          $0.verdict,
        ]
      })
  }

  private func net(_ result: HookResult, _ variant: HookVariant) -> String {
    result.test.variants.contains(variant) ? number(result.net(variant).median) : ""
  }

  private func parts(_ result: HookResult) -> String {
    result.parts(.ours).map { "\($0.hook) \(number($0.net.median))" }.joined(separator: ", ")
  }

  private var programSection: Section {
    Section(
      title: "Programs, by kernel statistics: what an empty one reads, and net of that",
      header: ["case", "empty", "floor", "peers", "ours", "25…75 %", "must", "aim", "", "hooks"],
      rows: results.filter { HookGrowth.size(of: $0.test.name) == nil }.map { result in
        [
          result.test.name, number(result.raw(.empty).median), net(result, .floor),
          net(result, .peers), net(result, .ours), spread(result.net(.ours)),
          bar(result.test.must), bar(result.test.aim), result.verdict ?? "", parts(result),
        ]
      })
  }

  /// The same hooks with nobody who traces and with one who does, in turn.
  private var tracedSection: Section {
    Section(
      title: "With a reader of the trace: what it adds to the programs, and to the thread",
      header: ["case", "off, net", "on, net", "adds", "25…75 %", "CPU adds", "±", "must", ""],
      rows: results.filter(\.test.isTraced).map { result in
        [
          result.test.name, number(result.net(.ours).median), number(result.net(.traced).median),
          number(result.tracedNet.median), spread(result.tracedNet),
          number(result.tracedCPU.median), number(result.tracedCPU.uncertainty),
          "\(HookBar.traced)",
          HookBar.verdict(
            result.tracedNet.median, must: HookBar.traced, aim: HookBar.traced),
        ]
      })
  }

  /// A case and how many services; the same columns otherwise.
  private var growthSection: Section {
    Section(
      title: "Against the size of the table (@ Services of 10 endpoints), net of empty",
      header: ["case", "empty", "floor", "peers", "ours", "25…75 %", "hooks"],
      rows: results.filter { HookGrowth.size(of: $0.test.name) != nil }.map { result in
        [
          result.test.name, number(result.raw(.empty).median), net(result, .floor),
          net(result, .peers), net(result, .ours), spread(result.net(.ours)), parts(result),
        ]
      })
  }

  private var cpuSection: Section {
    Section(
      title: "Thread CPU of whole system calls, statistics off",
      header: ["case", "none", "empty", "floor", "peers", "ours", "more", "±", "must"],
      rows: results.map { result in
        [result.test.name]
          + HookVariant.compared.map {
            result.test.variants.contains($0) ? number(result.cpu($0).median) : ""
          } + [
            number(result.more(.ours).median), number(result.more(.ours).uncertainty),
            bar(result.test.mustCPU),
          ]
      })
  }

  private var coresSection: Section {
    Section(
      title: "Two cores at once",
      header: [
        "case", "variant", "net, one core", "net, two", "thread CPU, one core", "two", "two / one",
      ],
      rows: cores.flatMap { result in
        result.variants.map { variant in
          let cpu = (1...2).map { result.cpu(variant, $0).median }
          let net = (1...2).map { result.net(variant, $0).median }
          return [
            result.name, "\(variant)", variant.translates ? number(net[0]) : "",
            variant.translates ? number(net[1]) : "", number(cpu[0]), number(cpu[1]),
            ratio(cpu[0] > 0 ? cpu[1] / cpu[0] : 0),
          ]
        }
      })
  }

  // MARK: Formats

  private var text: String {
    var result = heading + "\n"
    for section in sections {
      let rows = [section.header] + section.rows
      let widths = section.header.indices.map { column in
        rows.map { $0[column].count }.max() ?? 0
      }
      result += "\n\(section.title)\n"
      for row in rows {
        var line = ""
        for (column, cell) in row.enumerated() {
          let blanks = String(repeating: " ", count: widths[column] - cell.count)
          let isText = column == 0 || section.header[column] == "hooks"
          line += (column == 0 ? "" : "  ") + (isText ? cell + blanks : blanks + cell)
        }
        while line.last == " " { line.removeLast() }
        result += line + "\n"
      }
    }
    for note in notes { result += "note: \(note)\n" }
    return result
  }

  private var markdown: String {
    func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
    var result = heading + ".\n"
    for section in sections {
      result += "\n\(section.title):\n\n" + line(section.header)
      result += "|" + String(repeating: "---|", count: section.header.count) + "\n"
      for row in section.rows { result += line(row) }
    }
    for note in notes { result += "\nNote: \(note).\n" }
    return result
  }
}
