import NIOConcurrencyHelpers

/// The faults that are to come. May be called from any thread.
final class FaultPlan: Sendable {
  private struct Entry: Sendable {
    let match: RequestMatch
    let fault: Fault
    var left: Int
  }

  private struct State: Sendable {
    var entries: [Entry] = []
    var events = EventFaults()
    var generator = SeededGenerator(seed: 0)
    var chance: (rate: Double, faults: [Fault])?
  }

  private let state = NIOLockedValueBox(State())

  func add(_ match: RequestMatch, _ fault: Fault, _ times: Int) {
    state.withLockedValue { $0.entries.append(Entry(match: match, fault: fault, left: times)) }
  }

  func clear() {
    state.withLockedValue {
      $0.entries = []
      $0.events = EventFaults()
      $0.chance = nil
    }
  }

  func setEvents(_ events: EventFaults) { state.withLockedValue { $0.events = events } }

  func setChance(seed: UInt64, rate: Double, _ faults: [Fault]) {
    state.withLockedValue {
      $0.generator = SeededGenerator(seed: seed)
      $0.chance = (rate, faults)
    }
  }

  func take(for request: Request) -> Fault? {
    state.withLockedValue { state in
      if let index = state.entries.firstIndex(where: { $0.match.matches(request) }) {
        state.entries[index].left -= 1
        let fault = state.entries[index].fault
        if state.entries[index].left <= 0 { state.entries.remove(at: index) }
        return fault
      }
      guard let chance = state.chance, state.generator.chance(chance.rate) else { return nil }
      return chance.faults.randomElement(using: &state.generator)
    }
  }

  /// What becomes of one event.
  func event() -> (isTwice: Bool, isLate: Bool) {
    state.withLockedValue { state in
      guard state.events.duplicates > 0 || state.events.swaps > 0 else { return (false, false) }
      return (
        state.generator.chance(state.events.duplicates), state.generator.chance(state.events.swaps)
      )
    }
  }
}

/// What happens to watches by chance.
struct Disturbance: Sendable {
  var generator: SeededGenerator
  var period: Int
  var faults: [StreamFault]
}

/// SplitMix64.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  public mutating func chance(_ probability: Double) -> Bool {
    probability > 0 && Double.random(in: 0..<1, using: &self) < probability
  }
}
