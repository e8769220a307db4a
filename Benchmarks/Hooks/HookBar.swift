import HookKit

/// What the figures are to reach.
struct HookBar {
  var name: String
  var value: Double
  var unit: String
  var must: Double
  var aim: Double

  /// What a reader of the trace may add to a decision.
  static let traced = 120

  var verdict: String { Self.verdict(value, must: must, aim: aim) }

  static func verdict(_ value: Double, must: some BinaryInteger, aim: some BinaryInteger) -> String
  {
    verdict(value, must: Double(must), aim: Double(aim))
  }

  private static func verdict(_ value: Double, must: Double, aim: Double) -> String {
    value <= aim ? "aim" : value <= must ? "must" : "OVER"
  }

  /// Those whose cases were measured.
  static func all(_ results: [HookResult]) -> [HookBar] {
    func net(_ name: String) -> Double? {
      results.first { $0.test.name == name }?.net(.ours).median
    }
    func bar(
      _ name: String, _ value: Double?, _ unit: String, _ must: Double, _ aim: Double
    ) -> HookBar? {
      value.map { HookBar(name: name, value: $0, unit: unit, must: must, aim: aim) }
    }
    func ratio(_ a: Double?, _ b: Double?) -> Double? {
      guard let a, let b, b > 0 else { return nil }
      return a / b
    }
    /// Of one hook, where others run too.
    func net(_ name: String, _ hook: String) -> Double? {
      results.first { $0.test.name == name }?.parts(.ours).first { $0.hook == hook }?.net.median
    }
    let rotating = results.first { $0.test.name == "udp4 new sockets random @ 10000" }
    return [
      bar(
        "connect4 hit, same socket, net of empty", net("connect4 udp hit, one socket"), "ns", 75,
        55),
      bar("connect4 miss, net of empty", net("connect4 udp miss, one socket"), "ns", 30, 25),
      bar(
        "connect4 miss of a socket that used a Service, net of empty",
        net("connect4 udp miss, used a service"), "ns", 30, 25),
      bar(
        "connect4 to the backend itself, which clears the socket's state, net of empty",
        net("connect4 udp past the service, used it"), "ns", 30, 25),
      bar(
        "connect6 against connect4, hit, same socket, net of empty",
        ratio(net("connect6 udp hit, one socket"), net("connect4 udp hit, one socket")), "×",
        1.25, 1.1),
      bar(
        "connect4 hit at 100,000 × 10, random, against 1 Service: new UDP sockets, net of empty",
        ratio(
          net("udp4 new sockets random @ 100000", "connect4"),
          net("udp4 new sockets @ 1", "connect4")), "×", 3, 2),
      bar(
        "the same with TCP",
        ratio(net("tcp4 random @ 100000", "connect4"), net("tcp4 @ 1", "connect4")), "×", 3, 2),
      bar(
        "the same with one UDP socket, which then remembers several VIPs",
        ratio(net("udp4 one socket random @ 100000"), net("udp4 one socket @ 1")), "×", 3, 2),
      bar(
        "connect4 over 10,000 VIPs, a new UDP socket each (empty not taken off, release not counted)",
        rotating?.raw(.ours, "connect4").median, "ns", 700, 580),
    ].compactMap(\.self)
  }
}
