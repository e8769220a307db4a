import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `trace`: filters, several readers, readers that end or are killed, what does not fit.
let traceReaderTests: [KernelTest] = [
  KernelTest("trace_filters_in_the_kernel") { sandbox in
    let inner = try sandbox.makeCgroup("inner")
    let udp = try Pods(.v4, SK_UDP, 1...2)
    let (web, dns) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let empty = Variant.v4.vip(3)
    try sandbox.attach([
      frontend(web, .udp, of: "test/web", [udp.places[0]]),
      frontend(dns, .udp, of: "test/dns", portName: "dns", [udp.places[1]]),
      frontend(Variant.v6.vip(2), .udp, of: "test/dns", portName: "dns", []),
      frontend(empty, .udp, of: "test/empty", []),
    ])
    let here = try CallFailed.check(sk_own_network(), "the own namespace")
    let elsewhere = try CallFailed.check(sk_new_network(), "another namespace")
    defer { for fd in [here, elsewhere] { close(fd) } }
    let filters: [String: [String]] = [
      "service": ["--service", "test/dns"], "port": ["--service", "test/dns:dns"],
      "none": ["--service", "test/dns:web"],
      "backend": ["--backend", "\(udp.places[0].address):8080"], "pid": ["--pid", "\(getpid())"],
      "other": ["--pid", "1"], "cgroup": ["--cgroup", inner],
      "outer": ["--cgroup", sandbox.cgroup],
      "netns": ["--netns", "/proc/self/ns/net"], "failures": ["--failures"],
    ]
    var found: [String: Set<String>] = [:]
    // No more than four at a time.
    let names = filters.keys.sorted()
    for start in stride(from: 0, to: names.count, by: 4) {
      let traces = try names[start..<min(start + 4, names.count)].map { name in
        (name, try TraceCommand(sandbox, filters[name]!, name: name))
      }
      try Socket(.v4, SK_UDP).send("x", to: web)
      try Sandbox.join(inner)
      try Socket(.v4, SK_UDP).send("x", to: dns)
      try Sandbox.join(sandbox.cgroup)
      _ = try Socket(.v6, SK_UDP).sendError("x", to: Variant.v6.vip(2))
      try CallFailed.check(sk_enter_network(elsewhere), "entering")
      _ = try Socket(.v4, SK_UDP).sendError("x", to: empty)
      try CallFailed.check(sk_enter_network(here), "coming back")
      for (name, trace) in traces {
        try trace.end()
        found[name] = Set(
          try trace.lines.map { line in
            String(line.split(separator: " ").first { $0.hasPrefix("test/") } ?? "-")
              + (line.contains("refused") ? "!" : "")
          })
      }
    }
    let all: Set = ["test/web:80", "test/dns:dns", "test/dns:dns!", "test/empty:80!"]
    let expected: [String: Set<String>] = [
      "service": ["test/dns:dns", "test/dns:dns!"], "port": ["test/dns:dns", "test/dns:dns!"],
      "none": [], "backend": ["test/web:80"], "pid": all, "other": [], "cgroup": ["test/dns:dns"],
      "outer": all, "netns": all.subtracting(["test/empty:80!"]),
      "failures": ["test/dns:dns!", "test/empty:80!"],
    ]
    for name in names { try checkEqual(found[name], expected[name], name) }
  },
  KernelTest("trace_samples_whole_sockets") { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...2)
    let vip = Variant.v4.vip(1)
    try sandbox.attach([frontend(vip, .udp, udp.places)])
    let trace = try TraceCommand(sandbox, ["-o", "json", "--sample", "1/8"])
    for _ in 0..<1600 {
      let socket = try Socket(.v4, SK_UDP)
      for _ in 0..<2 { try socket.send("x", to: vip) }
      while try udp.acceptDatagram() {}
    }
    try trace.end()
    var lines: [String: Int] = [:]
    for line in try trace.lines { lines[try cookie(of: line), default: 0] += 1 }
    // 200 expected, with a standard deviation of 13.
    try check((130...270).contains(lines.count), "\(lines.count) of 1600 sockets")
    try check(lines.values.allSatisfy { $0 == 2 }, "not all of a socket")
  },
  KernelTest("trace_counts_what_it_loses", timeLimit: 90) { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...2)
    let vip = Variant.v4.vip(1)
    let dataplane = try sandbox.attach([frontend(vip, .udp, udp.places)])
    // The reader is stopped, but not for so long that it is forgotten.
    let trace = try TraceCommand(sandbox, ["-o", "json", "--decisions-only", "--buffer", "1"])
    let before = try dataplane.counters().translated
    kill(trace.process.pid, SIGSTOP)
    let socket = try Socket(.v4, SK_UDP)
    for _ in 0..<40_000 { try socket.send("x", to: vip) }
    kill(trace.process.pid, SIGCONT)
    sk_sleep(100)
    for _ in 0..<10_000 { try socket.send("x", to: vip) }
    try trace.end()
    let decided = Int(try dataplane.counters().translated - before)
    try checkEqual(decided, 50_000, "decisions")
    let lines = try trace.lines.count
    let messages = try trace.messages
    let lost = try lostDecisions(trace)
    try check(lost > 10_000, "hardly anything was lost: \(messages)")
    try checkEqual(lines + lost, decided, "lines and lost: \(messages)")
    withExtendedLifetime(udp) {}
  },
  KernelTest("trace_that_was_held_up_leaves_its_successor_alone", timeLimit: 90) { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...2)
    let vip = Variant.v4.vip(1)
    try sandbox.attach([frontend(vip, .udp, udp.places)])
    let first = try TraceCommand(sandbox, ["-o", "json", "--decisions-only"], name: "first")
    kill(first.process.pid, SIGSTOP)
    let socket = try Socket(.v4, SK_UDP)
    // What it finds when it goes on is not in its successor's log.
    for _ in 0..<600 { try socket.send("x", to: vip) }
    sk_sleep(3500)
    let second = try TraceCommand(sandbox, ["-o", "json", "--decisions-only"], name: "second")
    for _ in 0..<100 { try socket.send("x", to: vip) }
    kill(first.process.pid, SIGCONT)
    let code = first.process.wait(seconds: 10)
    let said = try first.messages
    try checkEqual(code, 1, "the first: \(said)")
    try check(said.contains("held up"), said)
    for _ in 0..<1000 { try socket.send("x", to: vip) }
    try second.end()
    let messages = try second.messages
    try checkEqual(try lostDecisions(second), 0, "lost: \(messages)")
    try checkEqual(try second.lines.count, 1100, "lines of the second: \(messages)")
    withExtendedLifetime(udp) {}
  },
  KernelTest("trace_of_two_processors_is_whole_and_in_order", timeLimit: 90) { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...2)
    let vip = Variant.v4.vip(1)
    let dataplane = try sandbox.attach([frontend(vip, .udp, udp.places)])
    // Another reader sees only what it asks for, whatever the first one does.
    let trace = try TraceCommand(sandbox, ["-o", "json"])
    let other = try TraceCommand(
      sandbox, ["-o", "json", "--pid", "1", "--buffer", "1"], name: "other")
    let before = try dataplane.counters().translated
    let (threads, each) = (2, 60_000)
    let writers = try (0..<threads).map { _ in
      try Background {
        let socket = try Socket(.v4, SK_UDP)
        for _ in 0..<each { try socket.connect(vip) }
      }
    }
    for writer in writers { try writer.join() }
    try trace.end()
    try other.end()
    let decided = Int(try dataplane.counters().translated - before)
    try checkEqual(decided, threads * each, "decisions")
    let lines = try trace.lines
    let lost = try lostDecisions(trace)
    let messages = try trace.messages
    try checkEqual(lines.count + lost, decided, "lines and lost: \(messages)")
    try check(lines.count > decided / 2, "hardly anything was read: \(messages)")
    let times = lines.compactMap { line in
      line.split(separator: "\"time\":\"", maxSplits: 1).last.map { $0.prefix(27) }
    }
    // What one processor has begun to write while another went on comes late.
    let late = zip(times, times.dropFirst()).count { $0 > $1 }
    try check(late * 100 < times.count, "\(late) of \(times.count) lines are out of order")
    try checkEqual(try other.lines.count, 0, "lines of the other")
    try checkEqual(try lostDecisions(other), 0, "lost by the other")
    withExtendedLifetime(udp) {}
  }.alone("two processors have to decide at the same time, and the reader has to keep up"),
  KernelTest("trace_by_a_killed_reader_is_off", timeLimit: 60) { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...1)
    let vip = Variant.v4.vip(1)
    let dataplane = try sandbox.attach([frontend(vip, .udp, udp.places)])
    try check(try !isTracing(sandbox), "traces without a reader")
    let trace = try TraceCommand(sandbox)
    try check(try isTracing(sandbox), "does not trace")
    trace.process.kill()
    let socket = try Socket(.v4, SK_UDP)
    var milliseconds = 0
    while try isTracing(sandbox) {
      try socket.send("x", to: vip)
      sk_sleep(50)
      milliseconds += 50
      try check(milliseconds < 6000, "traces on without a reader")
    }
    try check(milliseconds > 1000, "a reader that is late for a moment would be forgotten")
    // Its log goes with the next one who comes by.
    try checkEqual(try logs(sandbox), [0], "logs before")
    try dataplane.clearAbandonedTraces()
    try checkEqual(try logs(sandbox), [], "logs")
    // One that ends by itself leaves nothing.
    let next = try TraceCommand(sandbox)
    try checkEqual(try logs(sandbox), [0], "logs of the next")
    try next.end()
    try check(try !isTracing(sandbox), "traces on after the end")
    try checkEqual(try logs(sandbox), [], "logs at the end")
  },
  KernelTest("trace_has_four_readers_and_no_fifth") { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...1)
    let vip = Variant.v4.vip(1)
    try sandbox.attach([frontend(vip, .udp, udp.places)])
    let traces = try (1...4).map { try TraceCommand(sandbox, name: "trace\($0)") }
    let fifth = try sandbox.run(["trace"])
    try checkEqual(fifth.code, 1, fifth.all)
    try check(fifth.errors.contains("\(traces[2].process.pid)"), fifth.all)
    try Socket(.v4, SK_UDP).send("x", to: vip)
    for trace in traces { try trace.await("test/web:80") }
    try traces[1].end()
    let another = try TraceCommand(sandbox, name: "another")
    try Socket(.v4, SK_UDP).send("x", to: vip)
    try another.await("test/web:80")
    for trace in [traces[0], traces[2], traces[3], another] { try trace.end() }
    try checkEqual(try traces[1].lines.count, 1, "of the one that ended")
    try checkEqual(try traces[0].lines.count, 2, "of the first")
    try checkEqual(try another.lines.count, 1, "of the last")
    withExtendedLifetime(udp) {}
  },
  KernelTest("trace_goes_on_over_upgrade_growth_and_changes", timeLimit: 120) { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...2)
    let vip = Variant.v4.vip(1)
    var dataplane = try sandbox.attach([frontend(vip, .udp, [udp.places[0]])])
    let trace = try TraceCommand(sandbox, ["--service", "test/new", "--service", "test/web"])
    try Socket(.v4, SK_UDP).send("x", to: vip)
    try trace.await("test/web:80", "\(udp.places[0].address):8080")
    dataplane = try dataplane.grow(
      to: FamilyCapacities(Capacities(services: 128, frontends: 512, backends: 2048)))
    let new = Variant.v4.vip(2)
    try dataplane.serve([
      frontend(vip, .udp, [udp.places[0]]), frontend(new, .udp, of: "test/new", [udp.places[1]]),
    ])
    sk_sleep(800)
    try Socket(.v4, SK_UDP).send("x", to: new)
    try trace.await("test/new:80", "\(udp.places[1].address):8080")
    _ = try dataplane.upgrade()
    try Socket(.v4, SK_UDP).send("x", to: new)
    sk_sleep(200)
    let lines = try trace.lines
    try checkEqual(lines.count, 3, "lines: \(lines)")
    _ = try Dataplane.detach(pin: sandbox.pin)
    try checkEqual(trace.process.wait(seconds: 10), 1, "the trace of what is detached")
    let messages = try trace.messages
    try check(messages.contains("the data plane was detached"), messages)
    withExtendedLifetime(udp) {}
  },
  KernelTest("trace_ends_by_count_time_and_when_nobody_reads") { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...1)
    let vip = Variant.v4.vip(1)
    try sandbox.attach([frontend(vip, .udp, udp.places)])
    let two = try TraceCommand(sandbox, ["--count", "2"], name: "two")
    let brief = try TraceCommand(sandbox, ["--for", "500ms"], name: "brief")
    let socket = try Socket(.v4, SK_UDP)
    for _ in 0..<5 { try socket.send("x", to: vip) }
    try checkEqual(two.process.wait(seconds: 10), 0, "--count")
    try checkEqual(try two.lines.count, 2, "lines of --count 2")
    try checkEqual(brief.process.wait(seconds: 10), 0, "--for")
    try checkEqual(try brief.lines.count, 5, "lines of --for")
    let pipe = try Process(
      [
        "/bin/sh", "-c",
        "\(sandbox.socklb) trace --pin \(sandbox.pin) --state \(sandbox.state) | head -n 1",
      ], output: sandbox.directory + "/piped", errors: sandbox.directory + "/piped.err")
    for _ in 0..<200 where pipe.ended == nil {
      try socket.send("x", to: vip)
      sk_sleep(20)
    }
    try checkEqual(pipe.wait(seconds: 10), 0, "trace | head")
    try check(try !isTracing(sandbox), "traces on after head has ended")
    try checkEqual(try logs(sandbox), [], "logs")
    withExtendedLifetime(udp) {}
  },
]

/// What programs look at.
private func isTracing(_ sandbox: Sandbox) throws -> Bool {
  let map = try MappedArray<svc_tracing>(BPFMap(pinned: sandbox.pin + "/maps/trace"))
  return map.acquire(at: 0) != 0
}

/// The places that have a log.
private func logs(_ sandbox: Sandbox) throws -> [UInt32] {
  let map = try BPFMap(pinned: sandbox.pin + "/maps/trace_logs")
  return (0..<UInt32(SVC_TRACERS)).filter { map.hasElement($0) }
}

/// As its last line has it.
private func lostDecisions(_ trace: TraceCommand) throws -> Int {
  let messages = try trace.messages
  guard let summary = messages.split(separator: "\n").last,
    let lost = Int(summary.split(separator: " ").dropFirst(2).first ?? "")
  else { throw Failure("no summary: \(messages)") }
  return lost
}

private func cookie(of line: String) throws -> String {
  guard
    let start = line.split(separator: "\"cookie\":", maxSplits: 1).last?.split(separator: ",")
      .first
  else { throw Failure("no cookie: \(line)") }
  return String(start)
}

extension Pods {
  /// Takes one datagram that has come; false when there is none.
  fileprivate func acceptDatagram() throws -> Bool {
    for descriptor in descriptors {
      var buffer = [UInt8](repeating: 0, count: 16)
      if recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 { return true }
    }
    return false
  }
}
