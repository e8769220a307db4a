/// The tables of what was measured.
struct PathReport {
  var options: PathOptions
  var results: PathResults

  // MARK: What is in it

  /// One figure, in the unit of its measure.
  struct Figure {
    var kind: String
    var variant: String
    var measure: String
    var readings: Readings
    var digits: Int

    var median: String { PathReport.fixed(readings.median, digits) }
    var spread: String {
      PathReport.fixed(readings.low, digits) + "…" + PathReport.fixed(readings.high, digits)
    }
  }

  private struct Row {
    /// Way, Services, which of them.
    var place: [String]
    var figures: [Figure]
    var hasRatio: Bool
  }

  static func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((abs(value) * scale).rounded())
    let whole = String(scaled / Int(scale))
    guard digits > 0 else { return whole }
    let rest = String(scaled % Int(scale))
    return whole + "." + String(repeating: "0", count: digits - rest.count) + rest
  }

  private func readings(_ kind: PathKind, _ turns: PathTurns) -> [(String, Readings, Int)] {
    switch kind {
    case .connect:
      return [
        ("p50 µs", turns.readings(\.middle), 2),
        ("p99 µs", turns.percentile(0.99), 1),
        ("p99.9 µs", turns.percentile(0.999), 1),
        ("CPU µs", turns.readings(\.cpu), 2),
      ]
    case .tcp:
      return [
        ("p50 µs", turns.readings(\.middle), 2),
        ("p99 µs", turns.percentile(0.99), 1),
        ("1000/s", turns.readings { $0.rate * 1_000_000 }, 1),
      ]
    case .udp:
      return [
        ("p50 µs", turns.readings(\.middle), 2),
        ("CPU ns per packet", turns.readings { $0.cpu * 500 }, 0),
      ]
    case .bulk: return [("Gbit/s", turns.readings { $0.rate * 8 }, 2)]
    }
  }

  private func ratio(_ kind: PathKind, _ result: PathResult) -> [(String, Readings, Int)] {
    switch kind {
    case .connect:
      [("p50 ratio", result.ratio(\.middle), 3), ("CPU ratio", result.ratio(\.cpu), 3)]
    case .tcp: [("p50 ratio", result.ratio(\.middle), 3)]
    case .udp: [("p50 ratio", result.ratio(\.middle), 3), ("CPU ratio", result.ratio(\.cpu), 3)]
    case .bulk: [("ratio", result.ratio(\.rate), 3)]
    }
  }

  private func rows(_ kind: PathKind) -> [Row] {
    let all = results.traffic[kind] ?? []
    func figures(_ variant: String, _ values: [(String, Readings, Int)]) -> [Figure] {
      values.map {
        Figure(kind: kind.name, variant: variant, measure: $0, readings: $1, digits: $2)
      }
    }
    let direct = PathTurns(turns: all.flatMap { $0.rounds.map(\.direct) })
    var rows = [
      Row(
        place: ["direct", "", ""], figures: figures("direct", readings(kind, direct)),
        hasRatio: false)
    ]
    for result in all {
      let vip = PathTurns(turns: result.rounds.map(\.vip))
      let route = result.route
      rows.append(
        Row(
          place: [
            route.way.rawValue, Self.grouped(route.services.count),
            route.isLast ? "last" : "middle",
          ],
          figures: figures(route.name, readings(kind, vip) + ratio(kind, result)), hasRatio: true))
    }
    return rows
  }

  private static func grouped(_ number: Int) -> String {
    number < 1000 ? "\(number)" : "\(number / 1000),000"
  }

  // MARK: Bars

  private struct Bar {
    var name: String
    var value: Readings
    var must: String
    var aim: String
    var verdict: String
  }

  private var bars: [Bar] {
    PathKind.allCases.flatMap { kind in
      (results.traffic[kind] ?? []).filter { $0.route.way == .socklb }.map { result in
        let name = "\(kind.name), \(Self.grouped(result.route.services.count))"
        switch kind {
        case .connect:
          let value = result.ratio(\.middle)
          let verdict = value.median <= 1.02 ? "aim" : value.median <= 1.04 ? "must" : "OVER"
          return Bar(name: name, value: value, must: "1.04", aim: "1.02", verdict: verdict)
        case .tcp, .udp, .bulk:
          let value = kind == .bulk ? result.ratio(\.rate) : result.ratio(\.middle)
          let verdict = abs(value.median - 1) <= 0.02 ? "must" : "OVER"
          return Bar(name: name, value: value, must: "0.98…1.02", aim: "", verdict: verdict)
        }
      }
    }
  }

  // MARK: Formats

  private static func table(_ header: [String], _ rows: [[String]]) -> String {
    let rule = "|" + String(repeating: "---|", count: header.count)
    let lines = [header] + rows
    return
      lines.enumerated().map { index, cells in
        "| " + cells.joined(separator: " | ") + " |" + (index == 0 ? "\n" + rule : "")
      }.joined(separator: "\n") + "\n"
  }

  var markdown: String {
    var text = """
      \(options.rounds) rounds; in each turn \(options.connects) connections, \(options.exchanges) \
      requests, or \(options.bytes >> 20) MiB (in three times as many rounds).

      ### VIP through socklb against the pod, directly

      The ratios of neighbouring turns.

      """
    text +=
      "\n"
      + Self.table(
        ["what, with so many Services", "ratio", "25…75 %", "must", "aim", ""],
        bars.map { bar in
          [
            bar.name, Self.fixed(bar.value.median, 3),
            Self.fixed(bar.value.low, 3) + "…" + Self.fixed(bar.value.high, 3), bar.must, bar.aim,
            bar.verdict,
          ]
        })
    for kind in PathKind.allCases {
      let rows = rows(kind)
      guard let full = rows.last else { continue }
      let header = full.figures.flatMap { figure in
        [figure.measure] + (Self.hasSpread(figure) ? ["25…75 %"] : [])
      }
      text += "\n### \(kind.name)\n\n"
      text += Self.table(
        ["way", "Services", "which"] + header,
        rows.map { row in
          let cells = row.figures.flatMap { figure in
            [figure.median] + (Self.hasSpread(figure) ? [figure.spread] : [])
          }
          return row.place + cells + Array(repeating: "", count: header.count - cells.count)
        })
    }
    return text + loading
  }

  /// The others' spread is in the results for programs.
  private static func hasSpread(_ figure: Figure) -> Bool {
    figure.measure.hasSuffix("ratio") || figure.measure.hasPrefix("p50")
  }

  private static let loaders = ["iptables", "nft", "socklb"]

  private var loading: String {
    let rows = PathServices.all.map { services in
      [Self.grouped(services.count)]
        + Self.loaders.map { name in
          guard let readings = results.loading.readings(name, services) else { return "" }
          return Self.fixed(readings.median, 1) + " (" + Self.fixed(readings.low, 1) + "…"
            + Self.fixed(readings.high, 1) + ")"
        }
    }
    return "\n### Loading them all, milliseconds\n\n"
      + Self.table(["Services", "`iptables-legacy-restore`", "`nft -f`", "socklb"], rows)
  }

  /// Lines of case, variant, measure, median, low, high.
  var tabbed: String {
    var figures = PathKind.allCases.flatMap { rows($0).flatMap(\.figures) }
    for name in Self.loaders {
      for services in PathServices.all {
        guard let readings = results.loading.readings(name, services) else { continue }
        figures.append(
          Figure(
            kind: "load", variant: "\(name), \(services.count)", measure: "ms",
            readings: readings, digits: 3))
      }
    }
    return figures.map { figure in
      [
        figure.kind, figure.variant, figure.measure, Self.fixed(figure.readings.median, 4),
        Self.fixed(figure.readings.low, 4), Self.fixed(figure.readings.high, 4),
      ].joined(separator: "\t") + "\n"
    }.joined()
  }
}
