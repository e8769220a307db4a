import Glibc
import ServiceDataplane

/// Draws results as SVG.
///
///     socklb-bench plot bars|lines FILE.tsv [--measure M] [--variant V]… [--case TEXT]…
///                       [--title TEXT] [--unit TEXT]
///
/// FILE.tsv has a first line of names and the columns case, variant, measure, median, low, high.
/// `bars` puts the variants of a case side by side. `lines` draws cases named `NAME @ SIZE` against
/// SIZE; `A @ SIZE` is a point of the lines `A` and `A B`.
struct Plot {
  struct Reading {
    var name: String
    var variant: String
    var median: Double
    var low: Double
    var high: Double
  }

  var title = ""
  var unit = "ns per operation"
  var readings: [Reading] = []

  static let usage = """
    usage: socklb-bench plot bars|lines FILE.tsv [--measure M] [--variant V]… [--case TEXT]… \
    [--title TEXT] [--unit TEXT]
    """

  static func run(_ arguments: some Sequence<String>) throws {
    var rest = Options(arguments, usage: usage)
    let kind = try rest.value()
    let file = try rest.value()
    var measure = "net"
    var names: [String] = []
    var variants: [String] = []
    var plot = Plot()
    while let option = rest.next() {
      switch option {
      case "--measure": measure = try rest.value()
      case "--case": names.append(try rest.value())
      case "--variant": variants.append(try rest.value())
      case "--title": plot.title = try rest.value()
      case "--unit": plot.unit = try rest.value()
      default: throw Wrong(what: usage)
      }
    }
    plot.readings = try read(file, measure).filter { reading in
      (names.isEmpty || names.contains { reading.name.contains($0) })
        && (variants.isEmpty || variants.contains(reading.variant))
    }
    guard !plot.readings.isEmpty else {
      throw Wrong(what: "\(file): no reading of \(measure) is to be drawn")
    }
    let drawing: SVG
    switch kind {
    case "bars": drawing = plot.bars()
    case "lines": drawing = try plot.lines()
    default: throw Wrong(what: usage)
    }
    try StandardStreams.write(Array(drawing.text.utf8), to: .output)
  }

  private static func read(_ file: String, _ measure: String) throws -> [Reading] {
    guard let stream = fopen(file, "re") else { throw Wrong(what: "\(file): errno \(errno)") }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    while case let byte = getc(stream), byte != EOF { bytes.append(UInt8(byte)) }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst()
    return try lines.compactMap { line in
      let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard cells.count == 6, let median = Double(cells[3]), let low = Double(cells[4]),
        let high = Double(cells[5])
      else { throw Wrong(what: "\(file): no reading: \(line)") }
      guard cells[2] == measure else { return nil }
      return Reading(name: cells[0], variant: cells[1], median: median, low: low, high: high)
    }
  }

  /// In the order in which they come first.
  static func distinct(_ names: [String]) -> [String] {
    var seen = Set<String>()
    return names.filter { seen.insert($0).inserted }
  }

  var variants: [String] { Self.distinct(readings.map(\.variant)) }

  /// The same for a variant in every picture; `nft, 5000` is one of `nft`.
  func color(_ variant: String) -> String {
    let variant = String(variant.prefix { $0 != "," })
    let known = [
      "none": "#c3c8cf", "empty": "#8b929c", "floor": "#3f9b6c", "peers": "#dd7a1c",
      "ours": "#2459b8", "direct": "#8b929c", "socklb": "#2459b8", "iptables": "#a8432f",
      "nft": "#7d4fa8",
    ]
    let others = ["#b0356f", "#5b7a1a", "#0f8a99", "#75572f"]
    if let color = known[variant] { return color }
    let place = variants.filter { known[$0] == nil }.firstIndex(of: variant) ?? 0
    return others[place % others.count]
  }

  /// A round number of at least `value`, and steps that divide it.
  static func scale(_ value: Double) -> (top: Double, step: Double) {
    guard value > 0 else { return (1, 1) }
    var unit = 1.0
    while unit * 10 <= value { unit *= 10 }
    while unit > value { unit /= 10 }
    for (step, most) in [(0.2, 1.0), (0.25, 1.5), (0.5, 2.5), (1, 5), (2, 10)]
    where value <= most * unit {
      return ((value / (step * unit)).rounded(.up) * step * unit, step * unit)
    }
    return (10 * unit, 2 * unit)
  }

  static func number(_ value: Double) -> String {
    if value.magnitude < 10 && value != value.rounded() {
      return String((value * 10).rounded() / 10)
    }
    var digits = Array(String(Int(value.rounded().magnitude)))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return (value.rounded() < 0 ? "−" : "") + String(digits)
  }
}
