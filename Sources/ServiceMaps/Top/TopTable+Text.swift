/// A line of `top`, and how it is to look where there are colours.
public struct TopLine: Hashable, Sendable {
  public enum Mark: Hashable, Sendable {
    case plain, header, warning, bad
  }

  public var text: String
  public var mark: Mark

  public init(_ text: String, _ mark: Mark = .plain) {
    self.text = text
    self.mark = mark
  }
}

extension TopTable {
  /// How the table is laid out.
  public struct Layout: Sendable {
    /// Columns of the terminal, within which it has to stay; nil: as wide as it needs to be.
    public var width: Int?
    public var showsBackends: Bool
    /// Backends with the names of their services: each line stands for itself.
    public var namesServices: Bool
    /// In front of each line; as wide in all of them.
    public var prefix: String

    public init(
      width: Int? = nil, showsBackends: Bool = false, namesServices: Bool = false,
      prefix: String = ""
    ) {
      self.width = width
      self.showsBackends = showsBackends
      self.namesServices = namesServices
      self.prefix = prefix
    }
  }

  private static let columns: [(title: String, width: Int)] = [
    ("NEW/s", 7), ("REF/s", 7), ("FAIL/s", 7), ("LIVE", 7), ("ENDP", 6), ("SHARE", 11),
    ("P50", 8), ("P99", 8),
  ]
  private static let numbersWidth = columns.reduce(0) { $0 + $1.width }
  /// Names are not cut shorter than this, whatever the terminal.
  private static let leastName = 16

  /// The line above the columns, and one for each row, in order.
  public func lines(_ layout: Layout) -> (header: TopLine, rows: [TopLine]) {
    var entries: [(name: String, cells: [String], note: String?, mark: TopLine.Mark)] = []
    for row in rows {
      entries.append((row.label, cells(row), row.note, row.mark))
      guard layout.showsBackends else { continue }
      for backend in row.backends {
        let name =
          layout.namesServices
          ? "\(row.label) -> \(backend.backend)" : "  \(backend.backend)"
        entries.append((name, cells(backend), nil, backend.mark))
      }
    }
    var nameWidth = max(Self.leastName, entries.map(\.name.count).max() ?? 0)
    if let width = layout.width {
      let room = width - layout.prefix.count - Self.numbersWidth
      nameWidth = max(Self.leastName, min(nameWidth, room))
    }
    func line(_ prefix: String, _ name: String, _ cells: [String], _ note: String?) -> String {
      var text = prefix + Self.fit(name, nameWidth)
      // A note takes the place of columns that have nothing to say.
      let shown = note == nil ? cells.count : 5
      for (cell, column) in zip(cells, Self.columns).prefix(shown) {
        text += String(repeating: " ", count: max(1, column.width - cell.count)) + cell
      }
      if let note { text += "   " + note }
      return layout.width.map { Self.cut(text, $0) } ?? text
    }
    let blank = String(repeating: " ", count: layout.prefix.count)
    return (
      TopLine(line(blank, "SERVICE", Self.columns.map(\.title), nil), .header),
      entries.map { TopLine(line(layout.prefix, $0.name, $0.cells, $0.note), $0.mark) }
    )
  }

  private func cells(_ row: Row) -> [String] {
    [
      TopNumber.rate(rate(row.new)), TopNumber.rate(rate(row.allRefused)),
      TopNumber.rate(rate(row.connects.failures)), TopNumber.count(row.sockets),
      TopNumber.count(UInt64(row.served.endpoints)), TopNumber.share(row.share),
      TopNumber.time(row.connects.took.quantile(0.5)),
      TopNumber.time(row.connects.took.quantile(0.99)),
    ]
  }

  private func cells(_ row: BackendRow) -> [String] {
    [
      row.new.map { TopNumber.rate(rate($0)) } ?? "-", "-",
      TopNumber.rate(rate(row.connects.failures)), TopNumber.count(row.sockets),
      row.state == .listed ? "-" : row.state.rawValue, TopNumber.share(row.share),
      TopNumber.time(row.connects.took.quantile(0.5)),
      TopNumber.time(row.connects.took.quantile(0.99)),
    ]
  }

  /// `12 ports, 310 new/s, 2 refused/s, 0 failed/s, 1203 live`.
  public var summary: String {
    "\(totals.rows) port\(totals.rows == 1 ? "" : "s"), \(TopNumber.rate(rate(totals.new))) new/s, "
      + "\(TopNumber.rate(rate(totals.refused + totals.denied))) refused/s, "
      + "\(TopNumber.rate(rate(totals.failures))) failed/s, \(TopNumber.count(totals.sockets)) live"
  }

  /// What somebody should know who sees only a part of the rows; nil: nothing.
  public var warning: TopLine? {
    if totals.alarming > 0 {
      return TopLine(
        "\(totals.alarming) service port\(totals.alarming == 1 ? " refuses" : "s refuse") clients: "
          + "no endpoints", .bad)
    }
    if uncounted > 0 {
      return TopLine(
        "\(uncounted) connections were not counted: there was no room for them", .warning)
    }
    return nil
  }

  /// Exactly so wide: blanks behind it, or `…` for what is cut off.
  static func fit(_ text: String, _ width: Int) -> String {
    let text = cut(text, width)
    return text + String(repeating: " ", count: width - text.count)
  }

  static func cut(_ text: String, _ width: Int) -> String {
    text.count <= width ? text : width < 1 ? "" : text.prefix(width - 1) + "…"
  }
}

extension TopTable.Row {
  /// `namespace/name:port`, the number where the port has no name; the protocol unless it is TCP.
  public var label: String {
    var text = "\(service.service)"
    if !service.port.isEmpty {
      text += ":" + service.port
    } else if let number = served.number {
      text += ":\(number)"
    }
    if service.transport != .tcp { text += "/\(service.transport)" }
    return SocketDump.word(text)
  }

  /// What stands in place of shares and latencies.
  fileprivate var note: String? {
    switch problem {
    case .noEndpoints: "refused: no endpoints"
    case .policy: "refused: a policy keeps them away"
    default: served.endpoints == 0 && connects.took.count == 0 ? "no endpoints" : nil
    }
  }

  fileprivate var mark: TopLine.Mark {
    if isAlarming { return .bad }
    return problem != nil || share?.isUneven == true ? .warning : .plain
  }
}

extension TopTable.BackendRow {
  fileprivate var mark: TopLine.Mark {
    connects.failures > 0 || share?.isUneven == true ? .warning : .plain
  }
}
