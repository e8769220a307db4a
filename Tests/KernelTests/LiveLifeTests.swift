import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Starts, ends and neighbours of `socklb run`.
let liveLifeTests: [KernelTest] = [
  KernelTest("live_a_second_one_leaves_or_waits") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let first = try LiveCommand(sandbox)
    let second = try LiveCommand(sandbox, name: "second", waits: false)
    try checkEqual(second.process.wait(seconds: 20), 75, "exit code: \(second.messages)")
    try check(
      second.messages.contains("process \(first.process.pid) follows \(sandbox.manifests)"),
      second.messages)
    let third = try LiveCommand(sandbox, ["--wait"], name: "third", waits: false)
    try third.waitFor("waiting for another")
    try first.end()
    try third.waitFor("following \(sandbox.manifests)")
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[1]]), "web.yaml")
    try awaitAnswer(web, pods, pods.places[1])
    try third.end(SIGINT)
  },
  KernelTest("live_a_start_after_kill_9_adopts_what_is_there") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0], pods.places[1]]), "web.yaml")
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[2]]), "mail.yaml")
    let first = try LiveCommand(sandbox)
    for _ in 0..<20 { _ = try whoAnswers(web, pods) }
    first.process.kill()
    try check(!(try sandbox.succeed(["status"]).output.contains("follows")), "status")
    let ids = try endpointIDs(sandbox)
    try check(ids.count == 3, "endpoints: \(ids)")
    _ = try whoAnswers(web, pods)
    // Changed while nobody looked: one goes, one gets another endpoint.
    unlink(sandbox.manifests + "/mail.yaml")
    try sandbox.put(Manifest.both("web", vip: web, pods.places), "web.yaml")
    let second = try LiveCommand(sandbox, name: "second")
    let after = try endpointIDs(sandbox)
    for (backend, id) in ids where backend.hasPrefix("web") {
      try checkEqual(after[backend], id, "the endpoint id of \(backend)")
    }
    try checkEqual(after.count, 3, "endpoints: \(after)")
    try checkEqual(
      try Dataplane(pin: sandbox.pin).counters(of: "shop/web").translated, 21, "counters")
    try check(Socket(.v4, SK_TCP).connectError(mail) != 0, "a Service whose file went is served")
    try second.end()
    try sandbox.checkWhole()
    // Nothing differs: nothing is written.
    let generation = try Dataplane(pin: sandbox.pin).tables.generation
    try LiveCommand(sandbox, name: "third").end()
    try checkEqual(try Dataplane(pin: sandbox.pin).tables.generation, generation, "generation")
  },
  KernelTest("live_what_is_in_the_journal_survives_kill_9", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    // So many that they are not stored whole for each change.
    let many = (0..<3000).map {
      Manifest.service("s\($0)", vip: Place("172.29.\($0 / 250).\($0 % 250 + 1)", 80))
    }
    try sandbox.put(many.joined(), "many.yaml")
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox, capacity: [])
    // Until one change is in the journal and the objects are not stored whole yet.
    var (seen, last) = (false, pods.places[0])
    for round in 1...100 where !seen {
      last = pods.places[round % 2]
      try sandbox.put(Manifest.both("web", vip: web, [last]), "web.yaml")
      try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[2]]), "mail.yaml")
      try awaitAnswer(web, pods, last)
      try awaitAnswer(mail, pods, pods.places[2])
      for _ in 0..<20 where !seen {
        let journal = (try? Disk.read(sandbox.state + "/journal")) ?? ""
        seen = journal.contains("\"\(last.address)\"")
        sk_sleep(1)
      }
    }
    try check(seen, "nothing was ever in the journal")
    run.process.kill()
    // What is known is what is served, although it was not stored whole. Changes may have been due to wait
    // for the end of a grace period.
    let verify = try sandbox.run(["verify"])
    let isWaiting =
      verify.all.contains("grace_pending: has 1") && verify.all.contains("1 difference\n")
    try check(verify.code == 0 || isWaiting, verify.all)
    try check(
      try sandbox.succeed(["describe", "service", "shop/mail"]).output
        .contains("\(pods.places[2].address)"), "describe")
    // A command that writes stores it whole; and what came from a file is known to.
    try sandbox.apply(Manifest.service("other", vip: Variant.v4.vip(3)))
    try check((try? Disk.read(sandbox.state + "/journal")) == nil, "the journal is there still")
    try sandbox.checkWhole()
    unlink(sandbox.manifests + "/mail.yaml")
    let second = try LiveCommand(sandbox, name: "second", capacity: [])
    try check(Socket(.v4, SK_TCP).connectError(mail) != 0, "a Service whose file went is served")
    try second.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_a_full_disk_keeps_nobody_from_being_served", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    mkdir(sandbox.state, 0o755)
    let isMounted = mount("none", sandbox.state, "tmpfs", 0, "size=256k") == 0
    try CallFailed.check(isMounted ? 0 : -errno, "a small disk")
    defer { umount2(sandbox.state, Int32(MNT_DETACH)) }
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox)
    let filler = sandbox.state + "/filler"
    let file = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    let block = [UInt8](repeating: 0, count: 4096)
    while write(file, block, block.count) > 0 {}
    try checkEqual(errno, ENOSPC, "filling the disk")
    close(file)
    func change(_ number: Int) throws {
      try sandbox.put(Manifest.both("web", vip: web, [pods.places[number % 2]]), "web.yaml")
      try awaitAnswer(web, pods, pods.places[number % 2])
    }
    try change(1)
    try run.waitFor("the state directory cannot be written")
    // Whoever waits for the lock does not keep changes from being served.
    let apply = try sandbox.start(
      ["apply", "-f", "-"], input: Manifest.service("other", vip: Variant.v4.vip(2)))
    sk_sleep(1500)
    for number in 2...5 { try change(number) }
    try checkEqual(apply.ended, nil, "apply while the disk is full")
    unlink(filler)
    try run.waitFor("mended: the state directory cannot be written")
    try checkEqual(apply.wait(seconds: 20), 0, "apply when there is room")
    try change(6)
    try run.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_detaches_at_its_end_when_told", inVM: false) { sandbox in
    try sandbox.put(Manifest.both("web", vip: Variant.v4.vip(1), [Variant.v4.pod(1)]), "web.yaml")
    try LiveCommand(sandbox, ["--detach-on-exit"]).end()
    try checkEqual(sandbox.pins, [], "the bpffs")
    // And starts anew.
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let run = try LiveCommand(sandbox, name: "again")
    try checkEqual(try whoAnswers(Variant.v4.vip(1), pods), pods.places[0], "attached anew")
    try sandbox.succeed(["detach"])
    try checkEqual(run.process.wait(seconds: 20), 1, "after a detach: \(run.messages)")
    try check(run.messages.contains("somebody has detached"), run.messages)
  },
  KernelTest("live_other_commands_go_on_beside_it") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox)
    try sandbox.apply(Manifest.both("mail", vip: mail, [pods.places[1]]))
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "applied")
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[2]]), "web.yaml")
    try awaitAnswer(web, pods, pods.places[2])
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "applied by hand, and left alone")
    // The directory goes before what is done to its objects by hand.
    try sandbox.succeed(["delete", "service", "shop/web"])
    try awaitAnswer(web, pods, pods.places[2])
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[0]]), "mail.yaml")
    try awaitAnswer(mail, pods, pods.places[0])
    // Others get the lock although there is always something to do.
    var rounds = 0
    let apply = try sandbox.start(
      ["apply", "-f", "-"], input: Manifest.both("third", vip: Variant.v4.vip(3), pods.places))
    while apply.ended == nil && rounds < 2000 {
      rounds += 1
      try sandbox.put(Manifest.both("web", vip: web, [pods.places[rounds % 3]]), "web.yaml")
      sk_sleep(5)
    }
    try checkEqual(apply.wait(seconds: 30), 0, "apply beside endless changes")
    try awaitAnswer(web, pods, pods.places[rounds % 3])
    _ = try whoAnswers(Variant.v4.vip(3), pods)
    try run.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_prune_takes_what_no_file_has", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.attachSmall()
    try sandbox.apply(Manifest.both("mail", vip: mail, pods.places))
    try sandbox.put("{", "broken.yaml")
    try sandbox.put(Manifest.both("web", vip: web, pods.places), "web.yaml")
    var run = try LiveCommand(sandbox, ["--prune"])
    // The broken file may be the one that has it.
    _ = try whoAnswers(mail, pods)
    try run.end()
    unlink(sandbox.manifests + "/broken.yaml")
    run = try LiveCommand(sandbox, ["--prune"], name: "again")
    try check(Socket(.v4, SK_TCP).connectError(mail) != 0, "it was not pruned")
    _ = try whoAnswers(web, pods)
    try run.end()
  },
  KernelTest("live_maps_grow_while_it_follows", inVM: false, timeLimit: 120) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    try sandbox.put(Manifest.both("s0", vip: Variant.v4.vip(1), pods.places), "s0.yaml")
    let run = try LiveCommand(
      sandbox,
      ["--initial-services", "8", "--initial-frontends", "8", "--initial-backends", "8"],
      capacity: [])
    for number in 1...60 {
      try sandbox.put(
        Manifest.both("s\(number)", vip: Variant.v4.vip(number + 1), pods.places),
        "s\(number).yaml")
    }
    for number in [60, 1, 30] { try awaitAnswer(Variant.v4.vip(number + 1), pods, pods.places[0]) }
    try run.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_nothing_is_lost_when_the_queue_of_changes_is_full", inVM: false, timeLimit: 120)
  {
    sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    try sandbox.put(Manifest.both("s0", vip: Variant.v4.vip(1), pods.places), "s0.yaml")
    let run = try LiveCommand(sandbox)
    // It stands still while more happens than the kernel remembers.
    kill(run.process.pid, SIGSTOP)
    let queue =
      Int(
        try Disk.read("/proc/sys/fs/inotify/max_queued_events")
          .prefix { $0.isNumber }) ?? 16384
    for number in 0..<(queue / 2 + 100) {
      let path = sandbox.manifests + "/x\(number % 2).yaml.tmp"
      try Disk.write("", to: path)
      unlink(path)
    }
    try sandbox.put(Manifest.both("s1", vip: Variant.v4.vip(2), [pods.places[1]]), "s1.yaml")
    unlink(sandbox.manifests + "/s0.yaml")
    kill(run.process.pid, SIGCONT)
    try awaitAnswer(Variant.v4.vip(2), pods, pods.places[1])
    try awaitNobody(Variant.v4.vip(1), pods)
    try run.end()
  },
  KernelTest("live_says_to_systemd_how_it_is", inVM: false) { sandbox in
    try sandbox.put(Manifest.both("web", vip: Variant.v4.vip(1), [Variant.v4.pod(1)]), "web.yaml")
    let path = sandbox.directory + "/notify"
    let socket = try CallFailed.check(sk_notify_socket(path), "a socket for notify")
    defer { close(socket) }
    let run = try LiveCommand(
      sandbox, ["--log-format", "json"],
      by: ["/usr/bin/env", "NOTIFY_SOCKET=\(path)", "WATCHDOG_USEC=200000"])
    var said = ""
    func take(until text: String) throws {
      var buffer = [UInt8](repeating: 0, count: 4096)
      for _ in 0..<500 {
        let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { said += String(decoding: buffer.prefix(count), as: UTF8.self) + "\n" }
        if said.contains(text) { return }
        if count <= 0 { sk_sleep(20) }
      }
      throw Failure("it did not say \(text), but \(said)")
    }
    try take(until: "READY=1\nSTATUS=1 files, 2 objects")
    try take(until: "WATCHDOG=1\nWATCHDOG=1")
    try sandbox.put("{", "broken.yaml")
    try take(until: "1 broken")
    try run.end()
    try take(until: "STOPPING=1")
    for line in run.messages.split(separator: "\n") {
      try check(line.hasPrefix("{\"time\":\"20") && line.hasSuffix("}"), "a line of JSON: \(line)")
    }
  },
]

/// The ids of all endpoints, by Service and address.
private func endpointIDs(_ sandbox: Sandbox) throws -> [String: UInt32] {
  var result: [String: UInt32] = [:]
  for state in try Dataplane(pin: sandbox.pin).tables.readStates() {
    for record in state.frontends.values {
      for slot in state.slotsOfList(record.list) {
        let name = state.services[record.service]?.name.service.name ?? "?"
        result["\(name) \(slot.backend)"] = slot.endpoint
      }
    }
  }
  return result
}
