/// How `top` writes numbers for people: three digits that matter, in six places.
enum TopNumber {
  /// `0`, `0.4`, `12.5`, `312`, `45.1k`, `3.20M`.
  static func rate(_ value: Double) -> String {
    switch value {
    case ..<0.005: "0"
    case ..<0.095: decimal(value, 2)
    case ..<99.95: decimal(value, 1)
    case ..<9_999.5: decimal(value, 0)
    case ..<99_950: decimal(value / 1000, 1) + "k"
    case ..<999_500: decimal(value / 1000, 0) + "k"
    case ..<99_950_000: decimal(value / 1e6, 1) + "M"
    default: decimal(min(value, 1e15) / 1e6, 0) + "M"
    }
  }

  static func count(_ value: UInt64) -> String {
    value < 100_000 ? "\(value)" : rate(Double(value))
  }

  /// `310µs`, `12.0ms`, `1.25s`; `-` when there is none.
  static func time(_ microseconds: Double?) -> String {
    switch microseconds {
    case nil: "-"
    case let value? where value < 999.5: decimal(value, 0) + "µs"
    case let value? where value < 9_995: decimal(value / 1e3, 2) + "ms"
    case let value? where value < 99_950: decimal(value / 1e3, 1) + "ms"
    case let value? where value < 999_500: decimal(value / 1e3, 0) + "ms"
    case let value?: decimal(value / 1e6, 1) + "s"
    }
  }

  /// `71%/33%`: what it got, and what would be fair; `-`: not known.
  static func share(_ share: TopTable.Share?) -> String {
    guard let share else { return "-" }
    return percent(share.part) + "/" + (share.fair.map(percent) ?? "-")
  }

  /// One digit behind the point where a whole number would say 0 for something.
  private static func percent(_ part: Double) -> String {
    decimal(part * 100, part > 0 && part < 0.0095 ? 1 : 0) + "%"
  }

  /// With so many digits behind the point, rounded.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    var factor: Double = 1
    for _ in 0..<digits { factor *= 10 }
    let scaled = UInt64(min(max((value * factor).rounded(), 0), 1e18))
    if digits == 0 { return "\(scaled)" }
    let unit = UInt64(factor)
    let fraction = String(scaled % unit)
    return "\(scaled / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}
