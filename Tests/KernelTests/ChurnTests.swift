import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// Endpoints come and go without a pause; at least one of each list is always there.
let churnTests: [KernelTest] = [
  KernelTest("churn_50_000_connects_reach_only_endpoints_in_use", inVM: false, timeLimit: 120) {
    sandbox in
    try connectUnderChurn(sandbox, connects: 50_000, changes: 1_000)
  },
  KernelTest("churn_2_000_connects_reach_only_endpoints_in_use", timeLimit: 120) { sandbox in
    try connectUnderChurn(sandbox, connects: 2_000, changes: 20)
  }.inVMOnly,
]

/// What is published: `begun` may be in force, `done` is.
private final class Log: Sendable {
  let begun = Atomic(0)
  let done = Atomic(0)
  let stop = Atomic(false)
}

/// In use at a version: each endpoint by itself comes and goes; number 1…16. The one that is
/// always there changes, too.
private func isInUse(_ number: Int, _ version: Int) -> Bool {
  if number == version / 3 % 16 + 1 { return true }
  var hash = UInt64(truncatingIfNeeded: version &* 16 &+ number) &* 0x9e37_79b9_7f4a_7c15
  hash ^= hash >> 29
  hash = hash &* 0xbf58_476d_1ce4_e5b9
  return (hash >> 40) & 3 == 0
}

/// One thread changes the endpoints; this one connects, in turn by UDP connect, UDP sendto and
/// TCP. The pod that is reached must be in use at some version that was in force during the
/// call, and no call may fail.
private func connectUnderChurn(_ sandbox: Sandbox, connects: Int, changes: Int) throws {
  let vip = Variant.v4.vip(1)
  let pods = try Pods(.v4, SK_TCP, 1...16)
  let resolvers = try Pods(.v4, SK_UDP, 1...16)
  let numbers = Dictionary(uniqueKeysWithValues: zip(pods.places, 1...16))
  @Sendable func frontends(_ version: Int) throws -> [Frontend] {
    let backends = (1...16).filter { isInUse($0, version) }.map { Variant.v4.pod($0) }
    return [
      try frontend(vip, .tcp, portName: "tcp", backends),
      try frontend(vip, .udp, portName: "udp", backends),
    ]
  }
  let dataplane = try sandbox.attach(try frontends(0))
  let log = Log()
  let writer = try Background {
    var version = 0
    while !log.stop.load(ordering: .acquiring) {
      version += 1
      log.begun.store(version, ordering: .sequentiallyConsistent)
      try dataplane.serve(frontends(version))
      log.done.store(version, ordering: .sequentiallyConsistent)
    }
  }
  var count = 0
  var excluded = 0
  do {
    // Until both are reached; the time limit ends a writer that does not get on.
    while count < connects || log.done.load(ordering: .relaxed) < changes {
      let type = count % 4 == 3 ? SK_TCP : SK_UDP
      let client = try Socket(.v4, type)
      if type == SK_TCP { try client.closeAtOnce() }
      let oldest = log.done.load(ordering: .sequentiallyConsistent)
      if count % 4 == 2 {
        try client.send("x", to: vip)
      } else {
        try client.connect(vip)
      }
      let newest = log.begun.load(ordering: .sequentiallyConsistent)
      if type == SK_UDP && count % 4 != 2 { try client.send("x") }
      let pod = type == SK_TCP ? try pods.accept().pod : try resolvers.receive().pod
      guard let number = numbers[pod] else { throw Failure("reached \(pod)") }
      try check(
        (oldest...newest).contains { isInUse(number, $0) },
        "connect \(count) reached \(pod), which is in use at none of \(oldest)…\(newest)")
      excluded += (1...16).count { other in !(oldest...newest).contains { isInUse(other, $0) } }
      count += 1
    }
  } catch {
    log.stop.store(true, ordering: .releasing)
    try? writer.join()
    throw error
  }
  log.stop.store(true, ordering: .releasing)
  try writer.join()
  let done = log.done.load(ordering: .sequentiallyConsistent)
  try check(count >= connects, "only \(count) connects")
  try check(done >= changes, "only \(done) changes")
  // The check above says something: most pods were not in use during a call.
  try check(excluded > count * 4, "only \(excluded) pods in \(count) calls were not in use")
  let counters = try dataplane.counters()
  try checkEqual(counters.refused, 0, "refused")
  try checkEqual(counters.translated, UInt64(count), "translated")
  print("\(count) connects, \(done) changes")
}
