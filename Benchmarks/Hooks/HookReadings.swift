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
  /// Program time by hook; hooks that did not run are not there.
  var programs: [HookVariant: [String: Double]] = [:]
  var cpu: [HookVariant: Double] = [:]

  func raw(_ variant: HookVariant) -> Double {
    (programs[variant] ?? [:]).values.reduce(0, +)
  }

  /// Net of the empty programs on the hooks that this variant has.
  func net(_ variant: HookVariant) -> Double {
    (programs[variant] ?? [:]).reduce(0) { $0 + $1.value - (programs[.empty]?[$1.key] ?? 0) }
  }
}

struct HookResult {
  var test: HookCase
  var rounds: [HookRound]

  private func readings(_ value: (HookRound) -> Double) -> Readings {
    Readings(rounds.map(value))
  }

  func raw(_ variant: HookVariant) -> Readings { readings { $0.raw(variant) } }
  /// The difference of each round, not of the medians.
  func net(_ variant: HookVariant) -> Readings { readings { $0.net(variant) } }
  /// What a reader of the trace adds, to programs and to the thread.
  var tracedNet: Readings { readings { $0.raw(.traced) - $0.raw(.ours) } }
  var tracedCPU: Readings { readings { ($0.cpu[.traced] ?? 0) - ($0.cpu[.ours] ?? 0) } }
  /// What one hook reads.
  func raw(_ variant: HookVariant, _ hook: String) -> Readings {
    readings { $0.programs[variant]?[hook] ?? 0 }
  }

  func cpu(_ variant: HookVariant) -> Readings { readings { $0.cpu[variant] ?? 0 } }
  func more(_ variant: HookVariant) -> Readings {
    readings { ($0.cpu[variant] ?? 0) - ($0.cpu[.none] ?? 0) }
  }

  /// The hooks that ran, with what each costs net.
  func parts(_ variant: HookVariant) -> [(hook: String, net: Readings)] {
    Set(rounds.flatMap { ($0.programs[variant] ?? [:]).keys }).sorted().map { hook in
      let net = readings {
        ($0.programs[variant]?[hook] ?? 0) - ($0.programs[.empty]?[hook] ?? 0)
      }
      return (hook, net)
    }
  }

  /// nil: there is no bar.
  var verdict: String? {
    guard let must = test.must, let aim = test.aim else { return nil }
    let overCPU = test.mustCPU.map { more(.ours).median > Double($0) } ?? false
    return overCPU ? "OVER" : HookBar.verdict(net(.ours).median, must: must, aim: aim)
  }
}
