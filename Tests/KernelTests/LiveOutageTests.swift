import Glibc
import SocketKit

/// What must not take Services away: other commands, files that come and go, disks that do not
/// answer.
let liveOutageTests: [KernelTest] = [
  KernelTest("live_a_refusal_because_of_others_leaves_the_rest", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[1]]), "mail.yaml")
    let run = try LiveCommand(sandbox)
    // Somebody takes everything away, and gives one address to another Service.
    try sandbox.succeed(
      ["apply", "--prune", "-f", "-"], input: Manifest.both("thief", vip: mail, [pods.places[2]]))
    try run.waitFor("is refused now")
    try awaitAnswer(web, pods, pods.places[0])
    try checkEqual(try whoAnswers(mail, pods), pods.places[2], "the address that was taken")
    // It is served as soon as it can be.
    try sandbox.succeed(["delete", "service", "shop/thief"])
    try awaitAnswer(mail, pods, pods.places[1], seconds: 20)
    try run.waitFor("mended: what")
    try run.end()
  },
  KernelTest("live_what_came_with_the_last_service_going_is_not_forgotten", inVM: false) {
    sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    func put(_ pod: Place) throws {
      try sandbox.put(Manifest.slice("web", [pod], "TCP"), "slice.yaml")
    }
    try sandbox.put(Manifest.service("web", vip: web, "TCP"), "web.yaml")
    try put(pods.places[0])
    var run = try LiveCommand(sandbox)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "at the start")
    try run.end()
    unlink(sandbox.manifests + "/web.yaml")
    try put(pods.places[1])
    run = try LiveCommand(sandbox, name: "run2")
    try run.waitFor("no file has a Service any more")
    try check(pods.places.contains(try whoAnswers(web, pods)), "nobody answers")
    try sandbox.put(Manifest.service("web", vip: web, "TCP"), "web.yaml")
    try awaitAnswer(web, pods, pods.places[1])
    try run.end()
  },
  KernelTest("live_a_half_written_file_is_not_read_by_a_look_at_all", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let first = Manifest.both("web", vip: web, [pods.places[0]])
    let second = Manifest.both("mail", vip: mail, [pods.places[1]])
    try sandbox.put(first + second, "all.yaml")
    let run = try LiveCommand(sandbox)
    let fd = open(sandbox.manifests + "/all.yaml", O_WRONLY | O_TRUNC)
    try CallFailed.check(fd >= 0 ? 0 : -errno, "open")
    func write(_ text: String) throws {
      try CallFailed.check(Glibc.write(fd, text, text.utf8.count) >= 0 ? 0 : -errno, "write")
    }
    try write(first)
    sk_sleep(20)
    kill(run.process.pid, SIGHUP)
    try run.waitFor("SIGHUP")
    sk_sleep(200)
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "the half that is not written")
    try write(second)
    close(fd)
    sk_sleep(200)
    try check(!run.messages.contains("deleted"), "it was gone: \(run.messages)")
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "at the end")
    try run.end()
  },
  KernelTest("live_a_link_whose_file_is_renamed_away_leaves_no_gap", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    let real = sandbox.directory + "/real"
    try CallFailed.check(mkdir(real, 0o755) == 0 ? 0 : -errno, "mkdir")
    let file = real + "/web.yaml"
    try Disk.write(Manifest.both("web", vip: web, [pods.places[0]]), to: file)
    try sandbox.link(file, "web.yaml")
    // The last Service would stay anyway.
    try sandbox.put(
      Manifest.both("mail", vip: Variant.v4.vip(2), [pods.places[0]]), "mail.yaml")
    let run = try LiveCommand(sandbox)
    for round in 1...4 {
      let pod = pods.places[round % 2]
      try CallFailed.check(rename(file, file + "~") == 0 ? 0 : -errno, "rename")
      sk_sleep(15)
      _ = try whoAnswers(web, pods)
      try Disk.write(Manifest.both("web", vip: web, [pod]), to: file)
      try awaitAnswer(web, pods, pod)
    }
    try check(!run.messages.contains("deleted"), "it was gone: \(run.messages)")
    try run.end()
  },
  KernelTest("live_an_object_that_moved_is_known_by_its_new_file", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[1]]), "mail.yaml")
    var run = try LiveCommand(sandbox)
    let file = sandbox.manifests + "/web"
    try CallFailed.check(rename(file + ".yaml", file + "2.yaml") == 0 ? 0 : -errno, "rename")
    sk_sleep(400)
    try run.end()
    try sandbox.put("kind: Service\nmetadata: {name: web\n", "web2.yaml")
    run = try LiveCommand(sandbox, name: "run2")
    sk_sleep(200)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "the last good version")
    try run.end()
  },
  KernelTest("live_prune_without_a_directory_takes_nothing", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let web = Variant.v4.vip(1)
    // Made known by another command: of no file, and --prune would take it away.
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(
      ["apply", "-f", "-"], input: Manifest.both("web", vip: web, [pods.places[0]]))
    let run = try LiveCommand(
      sandbox, ["--prune", "--allow-empty"], directory: sandbox.directory + "/missing")
    sk_sleep(200)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "what was known")
    try run.end()
  },
  KernelTest("live_another_directory_in_its_place_is_waited_for", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[1]]), "mail.yaml")
    let run = try LiveCommand(sandbox)
    let (place, new) = (sandbox.manifests, sandbox.directory + "/new")
    try CallFailed.check(mkdir(new, 0o755) == 0 ? 0 : -errno, "mkdir")
    try Disk.write(Manifest.both("web", vip: web, [pods.places[1]]), to: new + "/web.yaml")
    try CallFailed.check(rename(place, place + ".old") == 0 ? 0 : -errno, "rename")
    try CallFailed.check(rename(new, place) == 0 ? 0 : -errno, "rename")
    try awaitAnswer(web, pods, pods.places[1])
    sk_sleep(300)
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "the file that comes a moment later")
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[1]]), "mail.yaml")
    sk_sleep(1500)
    try check(!run.messages.contains("deleted"), "it was gone: \(run.messages)")
    try run.end()
  },
]
