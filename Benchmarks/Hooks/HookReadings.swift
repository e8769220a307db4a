/// The middle of some readings, with the quartiles on both sides.
struct Readings {
  private var sorted: [Double]

  init(_ values: [Double]) { sorted = values.sorted() }

  var median: Double { at(0.5) }
  var low: Double { at(0.25) }
  var high: Double { at(0.75) }

  /// The median of as many other readings would mostly (95 %) be this near.
  var uncertainty: Double { 1.57 * (high - low) / Double(max(sorted.count, 1)).squareRoot() }

  private func at(_ share: Double) -> Double {
    guard let last = sorted.last else { return 0 }
    let place = share * Double(sorted.count - 1)
    let index = Int(place)
    guard index + 1 < sorted.count else { return last }
    return sorted[index] + (sorted[index + 1] - sorted[index]) * (place - Double(index))
  }
}

/// What one round of one case came to, in nanoseconds per operation.
struct HookRound {
  /// By hook, in the order in which they are attached.
  var ours: [Double] = []
  var empty: [Double] = []
  var cpu: [HookVariant: Double] = [:]
}

struct HookResult {
  var test: HookCase
  var hooks: [String]
  var rounds: [HookRound]

  private func readings(_ value: (HookRound) -> Double) -> Readings {
    Readings(rounds.map(value))
  }

  var ours: Readings { readings { $0.ours.reduce(0, +) } }
  var empty: Readings { readings { $0.empty.reduce(0, +) } }
  /// The difference of each round, not of the medians.
  var net: Readings { readings { $0.ours.reduce(0, +) - $0.empty.reduce(0, +) } }

  func cpu(_ variant: HookVariant) -> Readings { readings { $0.cpu[variant] ?? 0 } }
  var more: Readings { readings { ($0.cpu[.ours] ?? 0) - ($0.cpu[.none] ?? 0) } }

  /// The hooks that ran, with what each costs net.
  var parts: [(hook: String, net: Readings)] {
    hooks.indices.compactMap { index in
      let ran = rounds.contains { $0.ours[index] > 0 }
      return ran ? (hooks[index], readings { $0.ours[index] - $0.empty[index] }) : nil
    }
  }

  /// nil: there is no bar.
  var verdict: String? {
    guard let must = test.must, let aim = test.aim else { return nil }
    let overCPU = test.mustCPU.map { more.median > Double($0) } ?? false
    if net.median > Double(must) || overCPU { return "OVER" }
    return net.median > Double(aim) ? "must" : "aim"
  }
}
