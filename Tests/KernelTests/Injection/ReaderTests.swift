import Glibc
import SocketKit

/// Readers take no lock, and writers do not wait for them.
let readerTests: [KernelTest] = [
  KernelTest("a_reader_that_stands_still_holds_up_no_writer", inVM: false, timeLimit: 120) {
    sandbox in
    let tables = [[1, 2, 3], [4, 5]].map { pods in
      Scenario.State.attached(.init(backends: [1: pods, 2: pods, 3: pods]))
    }
    let dump = ["dump", "-o", "json"]
    var outputs: [String] = []
    var calls: [SystemCall] = []
    for table in tables {
      try sandbox.establish(
        Scenario(name: "dump", arguments: dump, before: table, after: table))
      outputs.append(try sandbox.succeed(dump).output)
      calls = try sandbox.systemCalls(of: dump, input: nil).filter { $0.name == "bpf" }
    }
    try check(outputs[0] != outputs[1] && calls.count > 20, "\(calls.count) calls; \(outputs)")
    var seen = Set<String>()
    // Where it opens maps, before it reads, while it reads and at its last call.
    let places = (1...10).map { calls[calls.count * $0 / 10 - 1] }
    for (number, call) in places.enumerated() {
      // The other table than the one that is there now.
      let next = tables[number % 2]
      let output = sandbox.directory + "/dump"
      let reader = try sandbox.start(
        dump, output: output, by: sandbox.disturbing(call, by: .stop))
      let pid = try stoppedChild(of: reader, "stopped at \(call)")
      let start = sk_milliseconds()
      try sandbox.succeed(["apply", "--prune", "-f", "-"], input: next.objects.manifests)
      let time = sk_milliseconds() - start
      try check(time < 5000, "a writer took \(time) ms while a reader stood still at \(call)")
      try sandbox.checkTraffic(next, after: "a change while a reader stood still")
      try check(reader.ended == nil, "the reader did not stand still")
      try CallFailed.check(sk_signal(pid, SIGCONT), "SIGCONT")
      let code = reader.wait(seconds: 20)
      let text = try Disk.read(output)
      try check(code == 0, "dump: exit \(code.map(String.init) ?? "none"): \(text)")
      try check(outputs.contains(text), "half a table after a stop at \(call): \(text)")
      seen.insert(text)
    }
    try checkEqual(seen.count, 2, "tables that readers saw")
  }
]

/// The traced program, as soon as it stands still.
private func stoppedChild(of tracer: Process, _ what: String) throws -> Int32 {
  var times = 0
  for _ in 0..<2000 {
    sk_sleep(5)
    let child = sk_child_of(tracer.pid)
    guard child > 0, let stat = try? Disk.read("/proc/\(child)/stat"),
      let state = stat.split(separator: ") ").last?.first
    else { continue }
    // A traced program stands still for a moment at each call: this is longer.
    times = state == "t" || state == "T" ? times + 1 : 0
    if times == 20 { return child }
  }
  throw Failure("it was never \(what)")
}
