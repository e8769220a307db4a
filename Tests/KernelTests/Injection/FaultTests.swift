import Glibc
import SocketKit

/// One system call of the real command fails: docs/testing.md, "Faults and crashes".
let faultTests: [KernelTest] = Scenario.all.map { scenario in
  KernelTest(
    "fault_in_\(scenario.name.replacing(" ", with: "_"))", inVM: false,
    timeLimit: InjectionLimit.timeLimit
  ) { sandbox in
    try failEachCall(scenario, sandbox)
  }
}

/// How much of all there is to try: FAULTS=all, or as much as fits into the time.
enum InjectionLimit {
  static let isAll = getenv("FAULTS").map { String(cString: $0) == "all" } ?? false
  /// Seconds for each scenario.
  static let seconds = 5
  static var timeLimit: Int { isAll ? 3600 : 180 }

  /// - Parameters:
  ///   - start: milliseconds, as `sk_milliseconds` counts them.
  ///   - tried: so many there were; some there have to be, however long they take.
  static func isReached(since start: Int, _ tried: Int) -> Bool {
    !isAll && tried >= 5 && sk_milliseconds() - start > seconds * 1000
  }

  /// All of `items` with FAULTS=all, otherwise `count` that differ from run to run; says which.
  static func some<T>(of items: [T], count: Int) -> [T] {
    let some = isAll ? items : Array(shuffled(items).prefix(count))
    print("killed after each of \(some)")
    return some
  }

  /// `items` in an order that differs from run to run, so that in the end all of them are tried.
  static func shuffled<T>(_ items: [T]) -> [T] {
    var random = SystemRandomNumberGenerator()
    return isAll ? items : items.shuffled(using: &random)
  }
}

private let faults: [String: [String]] = [
  "bpf": ["ENOMEM", "E2BIG", "EBUSY", "ENOSPC", "EPERM"],
  "write": ["ENOSPC", "EIO"], "fsync": ["ENOSPC", "EIO"], "rename": ["ENOSPC", "EIO"],
  "mkdir": ["ENOSPC", "EIO"], "openat": ["EMFILE"],
]

/// Failure leaves all as before, success makes the change: nothing in between, and no crash.
private func failEachCall(_ scenario: Scenario, _ sandbox: Sandbox) throws {
  try sandbox.establish(scenario)
  var command = try scenario.commandLine(sandbox)
  let before = try sandbox.measure()
  let calls = try sandbox.systemCalls(of: command, input: scenario.input)
  let after = try sandbox.measure()
  try sandbox.checkTraffic(scenario.after, after: "a run without a fault")
  try sandbox.establish(scenario)
  command = try scenario.commandLine(sandbox)
  try checkEqual(try sandbox.measure(), before, "the state before")
  let tries = InjectionLimit.shuffled(
    calls.filter { call in
      !call.isOutput && (call.name != "openat" || call.changesState)
        && (InjectionLimit.isAll || !call.isProbe)
    }.flatMap { call in faults[call.name, default: []].map { (call, $0) } })
  let start = sk_milliseconds()
  var (tried, failed) = (0, 0)
  for (call, error) in tries {
    if InjectionLimit.isReached(since: start, tried) { break }
    let what = "\(error) from \(call)"
    let outcome = try sandbox.run(
      command, input: scenario.input, disturbing: call, by: .error(error))
    tried += 1
    let found = try sandbox.measure()
    if outcome.code == 0 {
      try check(
        found == after, "\(what): success, but \(found.difference(from: after)); \(outcome.all)")
      try sandbox.checkTraffic(scenario.after, after: what)
      try sandbox.establish(scenario)
      command = try scenario.commandLine(sandbox)
      continue
    }
    failed += 1
    try check(
      [1, 69, 74, 77].contains(outcome.code) && outcome.errors.contains("error: "),
      "\(what): \(outcome.all)")
    // What is mended stays mended.
    let isMended = scenario.setting == .drift && found == after
    try check(
      found == before || isMended,
      "\(what): \(found.difference(from: before)); \(outcome.all)")
    try sandbox.checkTraffic(isMended ? scenario.after : scenario.before, after: what)
    guard failed % 8 == 1 else { continue }
    let again = try sandbox.run(command, input: scenario.input)
    try check(again.code == 0, "again after \(what): \(again.all)")
    let mended = try sandbox.measure()
    try check(mended == after, "again after \(what): \(mended.difference(from: after))")
    try sandbox.establish(scenario)
    command = try scenario.commandLine(sandbox)
  }
  // detach goes on in spite of nearly everything.
  let mayAllBeBorne = if case .detached = scenario.after { true } else { false }
  try check(
    tried >= 5 && (failed > 0 || mayAllBeBorne), "only \(tried) faults, \(failed) failures")
  print("\(scenario.name): \(tried) of \(tries.count) faults, \(failed) of them failures")
}
