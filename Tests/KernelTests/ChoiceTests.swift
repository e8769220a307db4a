import ServiceMaps
import SocketKit

/// The choice is random and uniform.
let choiceTests: [KernelTest] = [Variant.v4, .v6].map { variant in
  KernelTest("choice_\(variant)_is_uniform_over_20000_connects", timeLimit: 120) { sandbox in
    let pods = try Pods(variant, SK_UDP, 1...10)
    let vip = variant.vip(1)
    try sandbox.attach([frontend(vip, .udp, pods.places)])
    let count = 20_000
    var hits: [Place: Int] = [:]
    for _ in 0..<count {
      let client = try Socket(variant, SK_UDP)
      try client.connect(vip)
      try client.send("x")
      hits[try pods.receive().pod, default: 0] += 1
    }
    let expected = Double(count) / 10
    let chiSquared = pods.places.reduce(0.0) { sum, place in
      let difference = Double(hits[place] ?? 0) - expected
      return sum + difference * difference / expected
    }
    // Nine degrees of freedom: P(χ² > 45.1) < 1e-6, so one false alarm in a million runs.
    // Far below the expectation is no better: P(χ² < 0.16) < 1e-6 would be taking turns.
    try check(chiSquared < 45.1, "χ² is \(chiSquared): \(hits)")
    try check(chiSquared > 0.16, "χ² is \(chiSquared), too even for chance: \(hits)")
  }
}
