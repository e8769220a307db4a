import ServiceDataplane
import ServiceMaps

/// `report --observe`: a trace that is counted instead of printed.
enum Observation {
  private static let ring = 16 << 20

  /// - Returns: what was seen until the time was up or somebody pressed Ctrl-C.
  static func run(_ common: CommonOptions, nanoseconds: UInt64) throws -> TraceObservation {
    try Capabilities.checkIterators()
    let dataplane = try Dataplane(pin: common.pin)
    try dataplane.checkLayout()
    let reader = try dataplane.trace(
      TraceFilter(), bufferSize: ring, outcomes: true, followClose: false)
    let waiting = try Waiting()
    var observation = TraceObservation()
    var render = TraceRender(.text, clockOffset: Waiting.clockOffset)
    var join = TraceJoin()
    Output.message("observing; Ctrl-C ends it early")

    func count(_ lines: [TraceJoin.Line]) {
      for line in lines {
        let name = reader.names.name(of: line.decision)
        observation.add(line, name) {
          render.write(
            line, name,
            owner: line.decision.reason == .guarded
              ? reader.names.owner(of: line.decision.vip) : nil,
            reader.place(of: line.decision))
          return String(decoding: render.take().dropLast(), as: UTF8.self)
        }
      }
    }
    func take() throws -> Bool {
      var lines: [TraceJoin.Line] = []
      let hasMore = try reader.take(
        // Of what was decided before, nobody has seen what became of it.
        { if $0.time >= reader.watchesSince { lines += join.add($0) } },
        { outcome, decision, time in
          if decision.time >= reader.watchesSince {
            lines.append(join.add(outcome, of: decision, at: time))
          }
        })
      lines += join.expire(before: Waiting.now &- TraceJoin.patience) { decision in
        reader.losses.outcomes > 0
          ? nil : TraceOutcome(reader.isConnecting(decision) ? .connecting : .notSent)
      }
      try reader.refreshNames()
      count(lines)
      return hasMore
    }

    let start = Waiting.now
    var renewed = start
    observing: while Waiting.now &- start < nanoseconds, waiting.signalCount == 0 {
      let hasMore = try take()
      let now = Waiting.now
      if now &- renewed >= 500_000_000 {
        renewed = now
        render.clockOffset = Waiting.clockOffset
        switch try reader.renew() {
        case .kept: break
        case .wasForgotten:
          Output.message("warning: this process was held up, and has not seen everything")
        case .over(let problem):
          Output.message("warning: the observation has ended: \(problem)")
          break observing
        }
      }
      let left = start &+ nanoseconds &- min(now, start &+ nanoseconds)
      // Standard output is not written to meanwhile: that it is closed says nothing yet.
      waiting.waitForSignal(milliseconds: hasMore ? 0 : min(20, Int(left / 1_000_000) + 1))
    }
    observation.duration = Waiting.now &- start
    reader.stop()
    while try take() {}
    // What is on its way has been decided, and its outcome is not known.
    count(
      join.expire(before: .max) { decision in
        reader.isConnecting(decision) ? TraceOutcome(.connecting) : nil
      })
    observation.lost = reader.losses.decisions + reader.losses.outcomes
    return observation
  }
}
