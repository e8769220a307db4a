import Glibc
import ServiceDataplane
import SocketKit

/// The parent process: runs each test in a process of its own and cleans up behind it.
struct Runner {
  var socklb: String
  /// How many tests run at the same time.
  var jobs: Int

  /// - Returns: the exit code.
  func run(_ tests: [KernelTest]) -> Int32 {
    guard let root = try? Cgroup.root().path else {
      say("kernel tests: no cgroup2 file system is mounted")
      return 69
    }
    sk_catch_signals()
    let start = sk_milliseconds()
    for test in tests {
      guard let feature = test.missingFeature else { continue }
      say("skip \(test.name): \(feature.name) comes with Linux \(feature.since)")
    }
    var waiting = ordered(tests.filter { $0.missingFeature == nil })[...]
    let count = waiting.count
    var (failed, running, computed) = ([String](), [RunningTest](), 0)
    while !waiting.isEmpty || !running.isEmpty {
      while let next = waiting.first, mayBegin(next, beside: running) {
        waiting.removeFirst()
        let cgroup = "\(root)/socklb-test-\(getpid())-\(count - waiting.count)"
        running.append(RunningTest(next, cgroup: cgroup, socklb: socklb))
      }
      sk_sleep(2)
      let signal = sk_caught_signal()
      running.removeAll { test in
        guard let result = test.result(isInterrupted: signal != 0) else { return false }
        computed += result.computed
        say(result.description)
        if result.failure != nil { failed.append(test.name) }
        return true
      }
      if signal != 0 { return 128 + signal }
    }
    for name in failed { say("failed: \(name)") }
    say("time: \(seconds(sk_milliseconds() - start)) s, of processors \(seconds(computed)) s")
    say("kernel tests: \(count) run, \(tests.count - count) skipped")
    return failed.isEmpty ? 0 : 1
  }

  /// Those that may take long begin first, so that no processor waits for the last one; those that
  /// have to be alone come after all others.
  private func ordered(_ tests: [KernelTest]) -> [KernelTest] {
    guard jobs > 1 else { return tests }
    let (alone, others) = (tests.filter(\.isAlone), tests.filter { !$0.isAlone })
    let limits = Set(others.map(\.timeLimit)).sorted(by: >)
    return limits.flatMap { limit in others.filter { $0.timeLimit == limit } } + alone
  }

  private func mayBegin(_ test: KernelTest, beside running: [RunningTest]) -> Bool {
    if running.isEmpty { return true }
    return running.count < jobs && !test.isAlone && !running.contains(where: \.isAlone)
  }
}

/// Milliseconds, as seconds.
func seconds(_ milliseconds: Int) -> String {
  let hundredths = milliseconds / 10
  return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
}

/// One line on standard output, at once.
func say(_ line: String) {
  print(line)
  fflush(nil)
}
