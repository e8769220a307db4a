import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `top`: what is counted of real connections, and that nothing of it stays.
let topTests: [KernelTest] =
  Variant.allCases.flatMap(topOf) + [
    KernelTest("top_two_readers_do_not_disturb_each_other") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let vip = Variant.v4.vip(1)
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let first = try Counting(sandbox)
      for _ in 0..<5 { _ = try whoAnswers(vip, pods) }
      let second = try Counting(sandbox)
      for _ in 0..<7 { _ = try whoAnswers(vip, pods) }
      try checkEqual(try first.row().connects.established, 12, "of the first")
      try checkEqual(try second.row().connects.established, 7, "of the second")
      // One that ends leaves the other one at work.
      var third: Counting? = try Counting(sandbox)
      _ = try third?.row()
      third = nil
      _ = try whoAnswers(vip, pods)
      try checkEqual(try first.row().connects.established, 13, "of the first, later")
    },
    KernelTest("top_tells_an_uneven_share_from_an_even_one") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...4)
      let vips = (1...3).map { Variant.v4.vip($0) }
      try sandbox.attach([
        frontend(vips[0], .tcp, of: "test/turn", pods.places).with(algorithm: .roundRobin),
        frontend(vips[1], .tcp, of: "test/kept", pods.places).with(affinity: 100),
        frontend(vips[2], .tcp, of: "test/one", [pods.places[0]]),
      ])
      // More than a byte counts, so that programs carry.
      let first = try Counting(sandbox)
      for _ in 0..<1200 { _ = try whoAnswers(vips[0], pods) }
      let turn = try first.row("test/turn")
      try checkEqual(turn.backends.map(\.new), [300, 300, 300, 300], "in turn")
      try checkEqual(turn.backends.map(\.share?.part), [0.25, 0.25, 0.25, 0.25], "shares in turn")
      try check(turn.share?.isUneven == false, "\(String(describing: turn.share)) is uneven")
      var kept: Backend?
      for _ in 0..<40 { kept = try backend(try whoAnswers(vips[1], pods)) }
      for _ in 0..<40 { _ = try whoAnswers(vips[2], pods) }
      let row = try first.row("test/kept")
      try check(
        row.share?.part == 1 && row.share?.fair == 0.25 && row.share?.isUneven == true,
        "\(String(describing: row.share)) with affinity")
      for row in row.backends {
        try checkEqual(row.new, row.backend == kept ? 40 : 0, "with affinity to \(row.backend)")
      }
      try check(try first.row("test/one").share == nil, "the share of the only one")
    },
    KernelTest("top_counts_sockets_beyond_their_records") { sandbox in
      // One socket, three Services: a record has room for one of them.
      let pods = try Pods(.v4, SK_UDP, 1...3)
      let vips = (1...3).map { Variant.v4.vip($0) }
      try sandbox.attach(
        try zip(vips, pods.places).enumerated().map { number, both in
          try frontend(both.0, .udp, of: "test/s\(number)", [both.1])
        })
      let counting = try Counting(sandbox)
      var sockets = try (0..<4).map { _ in try Socket(.v4, SK_UDP) }
      for socket in sockets { for vip in vips { try socket.send("x", to: vip) } }
      for number in 0..<3 {
        let row = try counting.row("test/s\(number)")
        try checkEqual(row.sockets, 4, "sockets of s\(number)")
        try checkEqual(row.new, 4, "datagrams of s\(number)")
        try checkEqual(row.connects.begun, 0, "TCP connections of s\(number)")
      }
      // Counted anew each time, not added up. What a UDP socket had goes with a grace period.
      sockets.removeLast(3)
      for number in 0..<3 {
        for _ in 0..<200 where try counting.row("test/s\(number)").sockets > 1 { sk_sleep(20) }
        try checkEqual(try counting.row("test/s\(number)").sockets, 1, "sockets left of s\(number)")
      }
      withExtendedLifetime((pods, sockets)) {}
    },
    KernelTest("top_goes_on_over_changes_growth_and_upgrade", timeLimit: 120) { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let vip = Variant.v4.vip(1)
      var dataplane = try sandbox.attach([frontend(vip, .tcp, [pods.places[0]])])
      let counting = try Counting(sandbox)
      let held = try Socket(.v4, SK_TCP)
      try held.connect(vip)
      _ = try pods.accept()
      let new = Variant.v4.vip(2)
      try dataplane.serve([
        frontend(vip, .tcp, [pods.places[1]]),
        frontend(new, .tcp, of: "test/new", [pods.places[0]]),
      ])
      _ = try whoAnswers(vip, pods)
      _ = try whoAnswers(new, pods)
      let row = try counting.row()
      try checkEqual(row.connects.established, 2, "established")
      // The backend that left has its row as long as somebody is with it.
      try checkEqual(
        row.backends.map { "\($0.backend.address) \($0.state.rawValue) \($0.sockets)" },
        ["10.0.0.2 listed 0", "10.0.0.1 gone 1"], "backends")
      try checkEqual(try counting.row("test/new").connects.established, 1, "of the new one")
      dataplane = try dataplane.grow(
        to: FamilyCapacities(Capacities(services: 128, frontends: 512, backends: 2048)))
      try counting.restart()
      _ = try whoAnswers(vip, pods)
      try checkEqual(try counting.row().connects.established, 1, "after the growth")
      _ = try dataplane.upgrade()
      _ = try whoAnswers(vip, pods)
      try checkEqual(try counting.row().connects.established, 2, "after the upgrade")
      _ = try Dataplane.detach(pin: sandbox.pin)
      do {
        _ = try counting.row()
        throw Failure("a sample of what is detached")
      } catch let error as DataplaneError {
        try check("\(error)".contains("was detached"), "\(error)")
      }
      withExtendedLifetime(held) {}
    },
    KernelTest("top_killed_leaves_nothing_behind") { sandbox in
      try sandbox.attach([frontend(Variant.v4.vip(1), .tcp, [Variant.v4.pod(1)])])
      for signal in [SIGKILL, SIGTERM] {
        let top = try TopCommand(sandbox)
        let programs = try programsOfTop(sandbox)
        try checkEqual(programs.count, 1, "programs of top that run")
        kill(top.process.pid, signal)
        let code = top.process.wait(seconds: 10)
        try checkEqual(code, signal == SIGKILL ? 137 : 0, "exit code")
        // The kernel frees them a moment later.
        for _ in 0..<500 where programs.contains(where: { BPFProgram(id: $0) != nil }) {
          sk_sleep(10)
        }
        try check(
          programs.allSatisfy { BPFProgram(id: $0) == nil }, "a program after signal \(signal)")
      }
    },
    // On an emulated processor it takes minutes; the others look there.
    KernelTest("top_by_the_command_adds_up", inVM: false, timeLimit: 240) { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let (vip, empty) = (Variant.v4.vip(1), Variant.v4.vip(2))
      try sandbox.attach([
        frontend(vip, .tcp, portName: "http", pods.places),
        frontend(empty, .tcp, of: "test/empty", []),
      ])
      let json = try TopCommand(sandbox)
      let lines = try TopCommand(
        sandbox, ["--interval", "100ms", "--backends", "--service", "test/web"], name: "lines")
      for _ in 0..<30 { _ = try whoAnswers(vip, pods) }
      for _ in 0..<4 {
        try checkEqual(try Socket(.v4, SK_TCP).connectError(empty), ECONNREFUSED, "empty")
      }
      try json.awaitSum("\"service\":\"test/web\"", "established", 30)
      try json.awaitSum("\"service\":\"test/web\"", "new", 30)
      try json.awaitSum("\"service\":\"test/empty\"", "refused", 4)
      try check(
        try json.lines.contains { $0.contains("\"problem\":\"no-endpoints\"") }, "no problem")
      try lines.await("test/web:http -> 10.0.0.1:8080 ")
      try check(try !lines.lines.contains { $0.contains("test/empty") }, "--service lets others in")
      try json.end()
      try lines.end()
      let once = try sandbox.succeed(["top", "--once", "--interval", "100ms", "--sort", "name"])
      let rows = once.output.split(separator: "\n").map { $0.split(separator: " ").first ?? "" }
      try checkEqual(rows, ["SERVICE", "test/empty:80", "test/web:http"], once.all)
      let two = try sandbox.succeed(["top", "-n", "2", "--interval", "100ms", "--limit", "1"])
      try checkEqual(two.output.split(separator: "\n").count, 3, two.all)
      let piped = try Process(
        [
          "/bin/sh", "-c",
          "\(sandbox.socklb) top --pin \(sandbox.pin) --state \(sandbox.state) --interval 50ms "
            + "| head -n 2",
        ], output: sandbox.directory + "/piped", errors: sandbox.directory + "/piped.err")
      try checkEqual(piped.wait(seconds: 20), 0, "top | head")
      _ = try Dataplane.detach(pin: sandbox.pin)
      try checkEqual(try sandbox.run(["top", "--once"]).code, 1, "top of nothing")
    },
    KernelTest("top_on_a_terminal_puts_back_what_was_there", inVM: false) { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...1)
      let vip = Variant.v4.vip(1)
      try sandbox.attach([frontend(vip, .tcp, portName: "http", pods.places)])
      for end in ["q", "SIGTERM", "SIGINT"] {
        let terminal = try TestTerminal(rows: 12, columns: 80)
        let top = try Process(
          [
            "/usr/bin/env", "TERM=xterm", sandbox.socklb, "top", "--interval", "100ms", "--pin",
            sandbox.pin, "--state", sandbox.state,
          ], input: terminal.path, output: terminal.path, errors: terminal.path)
        try terminal.await("\u{1b}[?1049h\u{1b}[?25l")
        _ = try whoAnswers(vip, pods)
        try terminal.await("test/web:http")
        try terminal.await("[r rate]")
        try check(terminal.isRaw, "keys are shown, or come by the line")
        terminal.type("n")
        try terminal.await("[n name]")
        terminal.type("b")
        try terminal.await("  10.0.0.1:8080")
        let widest = terminal.widest
        try check(widest > 60 && widest <= 80, "a line of \(widest) columns")
        // A line that is cut off where the terminal ends now.
        terminal.resize(rows: 8, columns: 40)
        try terminal.await("FAIL/s  …")
        try terminal.await("\r\ntest/web:http ")
        try check(!terminal.clearsLastColumn, "the last column is cleared")
        switch end {
        case "q": terminal.type("q")
        case "SIGTERM": kill(top.pid, SIGTERM)
        default: kill(top.pid, SIGINT)
        }
        try checkEqual(top.wait(seconds: 10), 0, "ended by \(end)")
        try terminal.await("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
        try check(!terminal.isRaw, "keys are not shown after \(end)")
      }
    },
  ]

private func topOf(_ variant: Variant) -> [KernelTest] {
  [
    KernelTest("top_\(variant)_counts_connections_by_backend") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...2)
      let vip = variant.vip(1)
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let counting = try Counting(sandbox)
      var reached: [Backend: UInt64] = [:]
      var held: [Backend: [Socket]] = [:]
      for number in 0..<40 {
        let client = try Socket(variant, SK_TCP)
        try client.connect(vip)
        let pod = try backend(try pods.accept().pod)
        reached[pod, default: 0] += 1
        if number % 4 == 0 { held[pod, default: []].append(client) }
      }
      let row = try counting.row()
      try checkEqual(row.new, 40, "new")
      try checkEqual(row.connects.begun, 40, "begun")
      try checkEqual(row.connects.established, 40, "established")
      try checkEqual(row.connects.failures, 0, "failures")
      try checkEqual(row.connects.took.count, 40, "times")
      try checkEqual(row.sockets, 10, "sockets")
      try checkEqual(row.backends.count, 2, "backends")
      for row in row.backends {
        try checkEqual(row.new, reached[row.backend] ?? 0, "new to \(row.backend)")
        try checkEqual(
          row.connects.established, reached[row.backend] ?? 0, "established to \(row.backend)")
        try checkEqual(
          row.sockets, UInt64(held[row.backend]?.count ?? 0), "sockets with \(row.backend)")
      }
      guard let median = row.connects.took.quantile(0.5),
        let high = row.connects.took.quantile(0.99)
      else { throw Failure("no latencies") }
      // On the loopback interface: no microsecond is too short, a second is too long.
      try check(median > 1 && median <= high && high < 1_000_000, "p50 \(median), p99 \(high)")
      try check(row.problem == nil, "a problem: \(String(describing: row.problem))")
      held = [:]
      try checkEqual(try counting.row().sockets, 0, "sockets after they were closed")
    },
    KernelTest("top_\(variant)_counts_what_comes_to_nothing", timeLimit: 90) { sandbox in
      // Nothing listens at 3; at 4 somebody who does not accept.
      let own: Variant = variant == .mapped ? .v4 : variant
      let pods = try Pods(variant, SK_TCP, 1...1)
      let full = try Socket(own, SK_TCP)
      try full.bind(own.pod(4))
      try full.listen(backlog: 0)
      let vips = (1...5).map { variant.vip($0) }
      let none = [variant == .v6 ? "fd00:ffff::/64" : "203.0.113.0/24"]
      try sandbox.attach([
        frontend(vips[0], .tcp, of: "test/shut", [own.pod(3), pods.places[0]]),
        frontend(vips[1], .tcp, of: "test/full", [own.pod(4)]),
        frontend(vips[2], .tcp, of: "test/empty", []),
        frontend(vips[3], .tcp, of: "test/local", []).with(whenEmpty: .drop),
        frontend(vips[4], .tcp, of: "test/ranges", pods.places).with(
          kind: .loadBalancer, sourceRanges: none),
      ])
      let counting = try Counting(sandbox)
      var failed: UInt64 = 0
      for _ in 0..<30 {
        let client = try Socket(variant, SK_TCP)
        let error = client.connectError(vips[0])
        // An answer on the loopback interface is there before the call returns, mostly.
        let later = error == 0 ? -sk_wait_error(client) : error
        if later == ECONNREFUSED { failed += 1 } else { try checkEqual(later, 0, "shut") }
      }
      try check(failed > 3 && failed < 27, "\(failed) of 30 were refused")
      var waiting = try (0..<6).map { _ in
        let client = try Socket(variant, SK_TCP)
        try checkEqual(client.connectError(vips[1]), 0, "full")
        return client
      }
      for (vip, error) in zip(vips[2...], [ECONNREFUSED, EHOSTUNREACH, EACCES]) {
        for _ in 0..<3 {
          try checkEqual(try Socket(variant, SK_TCP).connectError(vip), error, "\(vip)")
        }
      }
      sk_sleep(100)
      let shut = try counting.row("test/shut")
      try checkEqual(shut.connects.failed, failed, "failed")
      try checkEqual(shut.connects.established, 30 - failed, "established")
      try checkEqual(shut.problem, .failures, "problem of shut")
      for row in shut.backends {
        try checkEqual(
          row.connects.failed, row.backend == (try backend(own.pod(3))) ? failed : 0,
          "failed to \(row.backend)")
      }
      // One or two fit into the queue of a listener that wants none.
      let before = try counting.row("test/full").connects
      try checkEqual(before.begun, 6, "begun")
      try check(before.established < 6 && before.failures == 0, "\(before)")
      withExtendedLifetime(waiting) {}
      waiting = []
      let after = try counting.row("test/full").connects
      try checkEqual(after.givenUp, 6 - after.established, "given up")
      for (name, problem) in [
        ("empty", TopTable.Problem.noEndpoints), ("local", .policy), ("ranges", .sourceRanges),
      ] {
        let row = try counting.row("test/\(name)")
        try checkEqual(row.problem, problem, "problem of \(name)")
        try checkEqual(row.allRefused, 3, "refused by \(name)")
        try checkEqual(row.connects.begun, 0, "begun to \(name)")
      }
      withExtendedLifetime((pods, full, waiting)) {}
    },
  ]
}
