import BPFLoader
import SocketKit

/// Waiting for programs that are running.
let graceTests: [KernelTest] = [
  KernelTest("grace_period_ends_after_the_programs_that_were_running", timeLimit: 120) { sandbox in
    let here = Place("127.0.0.1", 9)
    var slow = sk_slow()

    // How long a round takes differs by a factor of a hundred between machines.
    try CallFailed.check(sk_slow_start(&slow, sandbox.cgroup, 20), "loading the slow program")
    // The shortest of some: others may have the processor in between.
    var time = Int.max
    for _ in 0..<5 {
      sk_slow_reset(&slow)
      let start = sk_milliseconds()
      try Socket(.v4, SK_UDP).connect(here)
      time = min(time, max(sk_milliseconds() - start, 1))
      try check(
        sk_slow_started(&slow) == 1 && sk_slow_ended(&slow) == 1, "the program did not run")
    }
    sk_slow_stop(&slow)
    let rounds = min(max(20 * 200 / time, 20), 20_000)
    try CallFailed.check(
      sk_slow_start(&slow, sandbox.cgroup, Int32(rounds)), "loading the slow program")
    defer { sk_slow_stop(&slow) }

    let grace = try GracePeriod()
    var overlaps = 0
    for _ in 0..<10 {
      sk_slow_reset(&slow)
      let client = try Background { try Socket(.v4, SK_UDP).connect(here) }
      for _ in 0..<5000 where sk_slow_started(&slow) == 0 { sk_sleep(1) }
      let wasRunning = sk_slow_started(&slow) == 1 && sk_slow_ended(&slow) == 0
      try grace.wait()
      let hasEnded = sk_slow_ended(&slow) == 1
      try client.join()
      try check(hasEnded, "the wait was over before a program that was running")
      if wasRunning { overlaps += 1 }
    }
    try check(
      overlaps >= 5, "only \(overlaps) of 10 programs were seen running; nothing was tested")
  }
]
