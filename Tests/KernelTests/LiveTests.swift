import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `socklb run --manifests`: the directory is what is served, whatever is done to it.
let liveTests: [KernelTest] = [
  KernelTest("live_serves_what_is_there_and_what_comes") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...4)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox)
    // Ready means served.
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "at the start")
    // Renamed, written in place, appended.
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[1]]), "web.yaml")
    try awaitAnswer(web, pods, pods.places[1])
    try Disk.write(
      Manifest.both("web", vip: web, [pods.places[2]]), to: sandbox.manifests + "/web.yaml")
    try awaitAnswer(web, pods, pods.places[2])
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[3]]), "mail.json.yaml")
    try awaitAnswer(mail, pods, pods.places[3])
    // What is no manifest is none.
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml~")
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), ".web.yaml.swp")
    unlink(sandbox.manifests + "/mail.json.yaml")
    try awaitNobody(mail, pods)
    try checkEqual(try whoAnswers(web, pods), pods.places[2], "the other one")
    let status = try sandbox.succeed(["status"])
    try check(
      status.output.contains("process \(run.process.pid) follows \(sandbox.manifests)"), status.all)
    try run.end()
    try checkEqual(try whoAnswers(web, pods), pods.places[2], "after its end")
    try sandbox.checkWhole()
    try check(
      try sandbox.history().allSatisfy { $0.command == "run" }, "history")
    try check(!(try sandbox.succeed(["status"]).output.contains("follows")), "status at the end")
  },
  KernelTest("live_editors_that_rename_leave_no_gap", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    let file = sandbox.manifests + "/web.yaml"
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox)
    for round in 1...6 {
      let pod = pods.places[round % 2]
      // vim: the old one becomes a backup, the new one is written, the backup goes.
      try CallFailed.check(rename(file, file + "~") == 0 ? 0 : -errno, "rename")
      sk_sleep(10)
      _ = try whoAnswers(web, pods)
      try Disk.write(Manifest.both("web", vip: web, [pod]), to: file)
      unlink(file + "~")
      try awaitAnswer(web, pods, pod)
    }
    // sed -i
    let tool = try Process(
      ["/bin/sed", "-i", "s/\(pods.places[0].address)/\(pods.places[1].address)/", file],
      output: sandbox.directory + "/sed", errors: sandbox.directory + "/sed")
    try checkEqual(tool.wait(seconds: 10), 0, "sed")
    try awaitAnswer(web, pods, pods.places[1])
    try check(!run.messages.contains("deleted"), "it was gone: \(run.messages)")
    try run.end()
  },
  KernelTest("live_config_maps_are_swapped_as_a_whole") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let vips = [Variant.v4.vip(1), Variant.v4.vip(2)]
    func version(_ name: String, _ pod: Place) throws {
      let place = sandbox.manifests + "/" + name
      try CallFailed.check(mkdir(place, 0o755) == 0 ? 0 : -errno, "mkdir")
      for (number, vip) in vips.enumerated() {
        try Disk.write(Manifest.both("s\(number)", vip: vip, [pod]), to: place + "/s\(number).yaml")
      }
      try sandbox.link(name, "..data_tmp")
      try CallFailed.check(
        rename(sandbox.manifests + "/..data_tmp", sandbox.manifests + "/..data") == 0 ? 0 : -errno,
        "rename")
    }
    try version("..2026_1", pods.places[0])
    for number in vips.indices { try sandbox.link("..data/s\(number).yaml", "s\(number).yaml") }
    let run = try LiveCommand(sandbox, ["-R"])
    for vip in vips { try checkEqual(try whoAnswers(vip, pods), pods.places[0], "first") }
    for round in 2...4 {
      let pod = pods.places[round % 3]
      try version("..2026_\(round)", pod)
      Disk.remove(sandbox.manifests + "/..2026_\(round - 1)")
      for vip in vips { try awaitAnswer(vip, pods, pod) }
    }
    try check(!run.messages.contains("deleted"), "it was gone: \(run.messages)")
    try run.end()
  },
  KernelTest("live_a_broken_file_keeps_its_last_good_version") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    var run = try LiveCommand(sandbox)
    try sandbox.put("kind: Service\napiVersion: v1\nmetadata: {name: web\n", "web.yaml")
    try run.waitFor("web.yaml cannot be used")
    try sandbox.put(Manifest.both("mail", vip: mail, [pods.places[1]]), "mail.yaml")
    try awaitAnswer(mail, pods, pods.places[1])
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "the broken one")
    for _ in 0..<100 where !(try sandbox.succeed(["status"]).output.contains("BROKEN")) {
      sk_sleep(50)
    }
    let status = try sandbox.succeed(["status", "-o", "json"])
    try check(
      status.output.contains("\"file\": \"\(sandbox.manifests)/web.yaml\""), status.all)
    // A start knows of the last good version, too.
    try run.end()
    run = try LiveCommand(sandbox, name: "run2")
    try check(run.messages.contains("web.yaml cannot be used"), run.messages)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "after a start")
    // Two files that disagree, and one whose address is another Service's.
    try sandbox.put(Manifest.both("mail", vip: web, [pods.places[2]]), "other.yaml")
    try run.waitFor("is in the input twice")
    try sandbox.put(Manifest.both("thief", vip: mail, [pods.places[2]]), "thief.yaml")
    try run.waitFor("is already allocated to Service shop/mail")
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "mail")
    // Mended, all of it.
    unlink(sandbox.manifests + "/mail.yaml")
    unlink(sandbox.manifests + "/other.yaml")
    try awaitAnswer(mail, pods, pods.places[2])
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[1]]), "web.yaml")
    try awaitAnswer(web, pods, pods.places[1])
    try run.waitFor("web.yaml is good again")
    try run.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_a_directory_that_goes_and_comes_back") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox)
    let path = sandbox.directory + "/manifests"
    Disk.remove(path)
    try run.waitFor("what is known stays in force")
    sk_sleep(200)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "without the directory")
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[1]]), "web.yaml")
    try awaitAnswer(web, pods, pods.places[1])
    // Replaced by another one.
    mkdir(path + "-new", 0o755)
    try Disk.write(Manifest.both("web", vip: web, [pods.places[0]]), to: path + "-new/web.yaml")
    try CallFailed.check(rename(path, path + "-old") == 0 ? 0 : -errno, "rename")
    try CallFailed.check(rename(path + "-new", path) == 0 ? 0 : -errno, "rename")
    try awaitAnswer(web, pods, pods.places[0])
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[1]]), "web.yaml")
    try awaitAnswer(web, pods, pods.places[1])
    // Empty: nobody meant that.
    unlink(path + "/web.yaml")
    try run.waitFor("no file has a Service any more")
    try checkEqual(try whoAnswers(web, pods), pods.places[1], "of an empty directory")
    try run.end()
  },
  KernelTest("live_directories_below_are_followed_with_R", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox, ["-R"])
    let below = sandbox.manifests + "/a/b"
    mkdir(sandbox.manifests + "/a", 0o755)
    mkdir(below, 0o755)
    try Disk.write(Manifest.both("mail", vip: mail, [pods.places[0]]), to: below + "/mail.yaml")
    try awaitAnswer(mail, pods, pods.places[0])
    try Disk.write(Manifest.both("mail", vip: mail, [pods.places[1]]), to: below + "/mail.yaml")
    try awaitAnswer(mail, pods, pods.places[1])
    Disk.remove(sandbox.manifests + "/a")
    try awaitNobody(mail, pods)
    try run.end()
  },
]
