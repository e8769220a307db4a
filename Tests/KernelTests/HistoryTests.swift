import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Every change can be seen and taken back, also one whose writer was killed.
let historyTests: [KernelTest] = [
  KernelTest("history_leads_back_to_every_generation", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let vip = Variant.v4.vip(1)
    try sandbox.attachSmall()
    for number in 0..<3 {
      try sandbox.apply(Manifest.both("web", vip: vip, [pods.places[number]]))
      // The same again is no change.
      try sandbox.apply(Manifest.both("web", vip: vip, [pods.places[number]]))
    }
    let made = try sandbox.history()
    try checkEqual(made.map(\.command), ["apply", "apply", "apply"], "commands")
    try checkEqual(made.map(\.state), ["current", "kept", "kept"], "states")
    try checkEqual(Set(made.map(\.generation)).count, 3, "generations")
    for number in [0, 2, 1, 0] {
      let wanted = made[2 - number].generation
      let dry = try sandbox.succeed(["rollback", wanted, "--dry-run"])
      try check(dry.output.contains("+\(vip.address):80/TCP"), dry.all)
      let before = try sandbox.history().count
      try sandbox.succeed(["rollback", wanted])
      try checkEqual(try whoAnswer(vip, pods, times: 10), [pods.places[number]], "backends")
      let after = try sandbox.history()
      try checkEqual(after.count, before + 1, "entries")
      try checkEqual(after[0].command, "rollback to \(wanted)", "the newest entry")
      try checkEqual(after[0].digest, made[2 - number].digest, "digest")
      try sandbox.checkWhole()
    }
    // Without a number it is the one before, so twice is nothing.
    try sandbox.succeed(["rollback"])
    try checkEqual(try whoAnswer(vip, pods, times: 10), [pods.places[1]], "after rollback")
    try sandbox.succeed(["rollback"])
    try checkEqual(try whoAnswer(vip, pods, times: 10), [pods.places[0]], "after another")
    let status = try sandbox.succeed(["status", "-o", "json"]).output
    try check(
      status.contains("\"generation\": \(try sandbox.history()[0].generation)"), "status: \(status)"
    )
  },
  KernelTest("history_takes_back_a_prune_and_a_delete") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.attachSmall()
    let first = Manifest.both("web", vip: web, pods.places)
    try sandbox.apply(first + Manifest.both("mail", vip: mail, pods.places))
    let whole = try sandbox.succeed(["dump", "all", "-o", "json"]).output
    try sandbox.apply(first, ["--prune"])
    try check(Socket(.v4, SK_TCP).connectError(mail) != 0, "mail is served after --prune")
    let said = try sandbox.succeed(["rollback"])
    try check(said.output.contains("service/mail created"), said.all)
    try checkEqual(try sandbox.succeed(["dump", "all", "-o", "json"]).output, whole, "the table")
    _ = try whoAnswers(mail, pods)
    try sandbox.succeed(["delete", "service", "shop/web"])
    try check(Socket(.v4, SK_TCP).connectError(web) != 0, "web is served after delete")
    try sandbox.succeed(["rollback"])
    _ = try whoAnswers(web, pods)
    try checkEqual(
      try sandbox.history().map { $0.command.prefix { $0 != " " } },
      ["rollback", "delete", "rollback", "apply", "apply"], "commands")
    try sandbox.checkWhole()
  },
  KernelTest("history_says_what_it_has_when_it_has_not", inVM: false) { sandbox in
    let vip = Variant.v4.vip(1)
    try sandbox.attachSmall(["--keep-history", "2"])
    var none = try sandbox.run(["rollback"])
    try check(none.code == 1 && none.errors.contains("no earlier generation"), none.all)
    for number in 1...5 {
      try sandbox.apply(Manifest.both("web", vip: vip, [Variant.v4.pod(number)]))
    }
    let entries = try sandbox.history()
    try checkEqual(entries.map(\.state), ["current", "kept", "kept", "-", "-"], "states")
    none = try sandbox.run(["rollback", entries[4].generation])
    try check(
      none.code == 1 && none.errors.contains("not kept")
        && none.errors.contains(entries[2].generation),
      none.all)
    none = try sandbox.run(["rollback", "4711"])
    try check(none.code == 1 && none.errors.contains(entries[1].generation), none.all)
    try checkEqual(
      Disk.list(sandbox.state + "/history"),
      (entries[...2].map { $0.generation + ".objects" } + ["log"]).sorted(), "files")
    // Damage on disk is noticed before anything is changed.
    let file = sandbox.state + "/history/\(entries[1].generation).objects"
    let text = try Disk.read(file)
    try Disk.write(text.replacing("10.0.0.4", with: "10.0.0.9"), to: file)
    none = try sandbox.run(["rollback"])
    try check(none.code == 74 && none.errors.contains("damaged"), none.all)
    try sandbox.checkWhole()
    try sandbox.succeed(["rollback", entries[2].generation])
  },
  KernelTest("history_goes_on_after_a_reboot", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let vip = Variant.v4.vip(1)
    try sandbox.attachSmall()
    for place in pods.places { try sandbox.apply(Manifest.both("web", vip: vip, [place])) }
    let before = try sandbox.history()
    try sandbox.detach()
    try sandbox.attachSmall()
    try checkEqual(try sandbox.history(), before, "history after attach")
    try sandbox.succeed(["rollback"])
    try checkEqual(try whoAnswers(vip, pods), pods.places[0], "after rollback")
    let after = try sandbox.history()
    guard let old = UInt64(before[0].generation), let new = UInt64(after[0].generation) else {
      throw Failure("no generation")
    }
    try check(new > old, "generation \(new) after \(old)")
    try sandbox.succeed(["detach", "--forget"])
    try checkEqual(try sandbox.history(), [], "history after --forget")
  },
  KernelTest("history_finishes_what_a_killed_writer_left", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let vip = Variant.v4.vip(1)
    try sandbox.attachSmall()
    try sandbox.apply(Manifest.both("web", vip: vip, [pods.places[0]]))
    let dataplane = try Dataplane(pin: sandbox.pin)
    let old = try dataplane.tables.readSnapshot().table
    // The history cannot be written: the state of a writer that was killed just before that.
    let obstacle = sandbox.state + "/history/log.new"
    try CallFailed.check(mkdir(obstacle, 0o700) == 0 ? 0 : -errno, "mkdir")
    let apply = try sandbox.apply(
      Manifest.both("web", vip: vip, [pods.places[1]]), ["--terminate", "none"])
    try check(apply.errors.contains("not in the history"), apply.all)
    rmdir(obstacle)
    try checkEqual(try sandbox.history().count, 1, "entries")
    // Or before it had come to the kernel.
    try dataplane.tables.commit(dataplane.tables.prepare(old))
    try checkEqual(try whoAnswers(vip, pods), pods.places[0], "before the next command")
    let said = try sandbox.succeed(["history"])
    try check(said.errors.contains("was interrupted"), said.all)
    let check1 = try sandbox.run(["verify"])
    try check(check1.code == 1, check1.all)
    // The next command does what was begun, and then its own.
    let next = try sandbox.apply(Manifest.both("mail", vip: Variant.v4.vip(2), [pods.places[2]]))
    try check(next.errors.contains("finished a change that was interrupted: apply"), next.all)
    try checkEqual(try whoAnswers(vip, pods), pods.places[1], "after the next command")
    let entries = try sandbox.history()
    try checkEqual(entries.map(\.command), ["apply", "apply", "apply"], "commands")
    try sandbox.checkWhole()
    try sandbox.succeed(["rollback", entries[2].generation])
    try checkEqual(try whoAnswers(vip, pods), pods.places[0], "after rollback")
    // Objects that no entry tells of are found.
    Disk.remove(sandbox.state + "/history")
    try sandbox.apply(Manifest.both("web", vip: vip, [pods.places[2]]))
    try checkEqual(try sandbox.history().map(\.command), ["apply", "found"], "commands")
    try sandbox.succeed(["rollback"])
    try checkEqual(try whoAnswers(vip, pods), pods.places[0], "after rollback to what was found")
  },
  KernelTest("history_is_readable_whenever_a_writer_is_killed", inVM: false, timeLimit: 240) {
    sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let vip = Variant.v4.vip(1)
    try sandbox.attachSmall()
    let web = Manifest.both("web", vip: vip, pods.places)
    try sandbox.apply(web)
    let many = (1...300).map { number in
      Manifest.both(
        "s\(number)", vip: Variant.v4.vip(number + 1), [Variant.v4.pod(number % 16 + 1)])
    }.joined()
    let start = sk_milliseconds()
    try sandbox.apply(web + many)
    let time = sk_milliseconds() - start
    try sandbox.apply(web, ["--prune"])
    var (killed, finished) = (0, 0)
    for step in 0..<40 {
      let isPrune = step % 2 == 1
      let apply = try sandbox.start(
        ["apply", "-f", "-"] + (isPrune ? ["--prune"] : []), input: isPrune ? web : web + many)
      // Reading the input comes first.
      sk_sleep(Int32(time / 3 + time * step / 55))
      if apply.kill() == 128 + SIGKILL { killed += 1 }
      let read = try sandbox.succeed(["history"])
      try check(!read.errors.contains("passed over"), read.all)
      let entries = try sandbox.history()
      _ = try whoAnswers(vip, pods)
      let next = try sandbox.apply(web)
      if next.errors.contains("finished a change") {
        finished += 1
        try checkEqual(try sandbox.history().count, entries.count + 1, "entries")
      }
      try check(["current"].contains(try sandbox.history()[0].state), "nothing is current")
      try sandbox.checkWhole()
      try check(
        Disk.list(sandbox.state).allSatisfy { $0 != "pending" }, "left: \(Disk.list(sandbox.state))"
      )
    }
    try check(killed >= 10, "only \(killed) of 40 were killed in time")
    print("\(killed) writers killed, \(finished) of them had begun their change")
  },
]

/// A line of `socklb history`.
struct HistoryLine: Equatable {
  var generation: String
  var state: String
  var command: String
  var digest: String
}

extension Sandbox {
  func attachSmall(_ options: [String] = []) throws {
    try succeed(
      [
        "attach", "--cgroup", cgroup, "--max-services", "512", "--max-frontends", "1024",
        "--max-backends", "2048",
      ] + options)
  }

  func history() throws -> [HistoryLine] {
    try succeed(["history"]).output.split(separator: "\n").dropFirst().map { line in
      let columns = line.split(separator: "  ").map { $0.drop { $0 == " " } }
        .map { String($0.reversed().drop { $0 == " " }.reversed()) }
      try check(columns.count == 6, "a line of history: \(line)")
      return HistoryLine(
        generation: columns[0], state: columns[2], command: columns[3], digest: columns[5])
    }
  }

  /// The kernel has what it should have.
  func checkWhole() throws {
    let verify = try run(["verify"])
    try check(verify.code == 0, verify.all)
  }
}
