/// Writes metrics as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.0.
///
/// What is written comes in the order in which it is given; the same input gives the same bytes.
public struct MetricText: Sendable {
  public enum Format: Hashable, Sendable, CaseIterable {
    case prometheus, openMetrics

    public var contentType: String {
      switch self {
      case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }

    /// What a client gets that accepts this: OpenMetrics when it says that it likes it at least as
    /// much as plain text, which is what everybody gets who says nothing.
    ///
    /// - Parameter accept: the header; nil: there was none.
    public init(accept: String?) {
      var open = 0.0
      var plain = 0.0
      for part in accept?.lowercased().split(separator: ",") ?? [] {
        let fields = part.split(separator: ";").map { Self.trimmed($0) }
        guard let type = fields.first else { continue }
        var quality = 1.0
        var version: String?
        for field in fields.dropFirst() {
          if field.hasPrefix("q=") { quality = Double(field.dropFirst(2)) ?? 0 }
          if field.hasPrefix("version=") { version = String(field.dropFirst(8)) }
        }
        switch type {
        case "application/openmetrics-text":
          if version == nil || version == "1.0.0" || version == "0.0.1" {
            open = max(open, quality)
          }
        case "text/plain":
          if version == nil || version == "0.0.4" { plain = max(plain, quality) }
        default: break
        }
      }
      self = open > 0 && open >= plain ? .openMetrics : .prometheus
    }

    private static func trimmed(_ text: Substring) -> String {
      String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }

  public enum Kind: String, Hashable, Sendable {
    case counter, gauge, histogram
  }

  /// A number as it is written.
  public enum Value: Hashable, Sendable, ExpressibleByIntegerLiteral {
    case whole(UInt64)
    case number(Double)

    public init(integerLiteral value: UInt64) { self = .whole(value) }
    public init(_ value: Int) { self = value < 0 ? .number(Double(value)) : .whole(UInt64(value)) }
    public init(_ value: Bool) { self = .whole(value ? 1 : 0) }

    var text: String {
      switch self {
      case .whole(let value): String(value)
      case .number(let value): MetricText.text(of: value)
      }
    }
  }

  public typealias Label = (name: StaticString, value: String)

  public let format: Format
  private var bytes: [UInt8] = []
  private var name = ""
  /// How many lines with a value there are.
  public private(set) var samples = 0

  public init(_ format: Format) { self.format = format }

  /// What follows are samples of this metric.
  ///
  /// - Parameter name: with `_total` when it is a counter.
  public mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
    self.name = name
    var family = name
    if format == .openMetrics, kind == .counter, name.hasSuffix("_total") {
      family.removeLast(6)
    }
    bytes += "# HELP \(family) ".utf8
    for byte in help.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): bytes += "\\\\".utf8
      case UInt8(ascii: "\n"): bytes += "\\n".utf8
      case UInt8(ascii: "\"") where format == .openMetrics: bytes += "\\\"".utf8
      default: bytes.append(byte)
      }
    }
    bytes += "\n# TYPE \(family) \(kind.rawValue)\n".utf8
  }

  public mutating func sample(_ labels: [Label] = [], _ value: Value) {
    line("", labels, value)
  }

  public mutating func histogram(_ labels: [Label] = [], _ histogram: Histogram) {
    var sum: UInt64 = 0
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      sum += count
      line("_bucket", labels + [("le", bucket(bound))], .whole(sum))
    }
    line("_bucket", labels + [("le", "+Inf")], .whole(histogram.count))
    line("_sum", labels, .number(histogram.sum))
    line("_count", labels, .whole(histogram.count))
  }

  /// A metric with one value.
  public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Value) {
    begin(name, kind, help)
    sample(value)
  }

  private mutating func sample(_ value: Value) { line("", [], value) }

  public consuming func finish() -> [UInt8] {
    if format == .openMetrics { bytes += "# EOF\n".utf8 }
    return bytes
  }

  // MARK: Lines

  private mutating func line(_ suffix: String, _ labels: [Label], _ value: Value) {
    samples += 1
    bytes += name.utf8
    bytes += suffix.utf8
    var isFirst = true
    for label in labels {
      bytes.append(UInt8(ascii: isFirst ? "{" : ","))
      isFirst = false
      bytes += label.name.description.utf8
      bytes += "=\"".utf8
      for byte in label.value.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): bytes += "\\\\".utf8
        case UInt8(ascii: "\""): bytes += "\\\"".utf8
        case UInt8(ascii: "\n"): bytes += "\\n".utf8
        default: bytes.append(byte)
        }
      }
      bytes.append(UInt8(ascii: "\""))
    }
    if !isFirst { bytes.append(UInt8(ascii: "}")) }
    bytes.append(UInt8(ascii: " "))
    bytes += value.text.utf8
    bytes.append(UInt8(ascii: "\n"))
  }

  /// OpenMetrics wants to see that it is no integer.
  private func bucket(_ bound: Double) -> String {
    format == .openMetrics ? "\(bound)" : Self.text(of: bound)
  }

  private static func text(of value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}
