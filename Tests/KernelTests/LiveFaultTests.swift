import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What goes wrong while `socklb run` is at work, and what it makes of it.
let liveFaultTests: [KernelTest] = [
  KernelTest("live_a_disk_that_cannot_be_written_delays_nothing", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let web = Variant.v4.vip(1)
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    let run = try LiveCommand(sandbox)
    let obstacle = sandbox.state + "/objects.new"
    try CallFailed.check(mkdir(obstacle, 0o700) == 0 ? 0 : -errno, "mkdir")
    for number in [1, 2] {
      try sandbox.put(Manifest.both("web", vip: web, [pods.places[number]]), "web.yaml")
      try awaitAnswer(web, pods, pods.places[number])
      try run.waitFor("the state directory cannot be written")
    }
    var status = ""
    for _ in 0..<50 where !status.contains("TROUBLE") {
      status = try sandbox.succeed(["status"]).output
      sk_sleep(50)
    }
    try check(status.contains("the state directory cannot be written"), status)
    rmdir(obstacle)
    try run.waitFor("mended: the state directory")
    try sandbox.checkWhole()
    try run.end()
    try sandbox.checkWhole()
    try checkEqual(try sandbox.history().count, 2, "entries")
  },
  KernelTest(
    "live_killed_at_any_time_the_next_start_serves_the_directory", inVM: false, timeLimit: 240
  ) {
    sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...4)
    let vips = (1...3).map { Variant.v4.vip($0) }
    func put(_ number: Int, _ pod: Int) throws {
      try sandbox.put(
        Manifest.both("s\(number)", vip: vips[number], [pods.places[pod]]), "s\(number).yaml")
    }
    for number in vips.indices { try put(number, 0) }
    for round in 0..<12 {
      let run = try LiveCommand(sandbox, name: "run\(round)", waits: round % 3 != 2)
      for step in 0..<4 {
        for number in vips.indices { try put(number, (round + step) % 4) }
        sk_sleep(Int32.random(in: 0...12))
      }
      run.process.kill()
      // Whatever was reached: each leads to one that its file named.
      for vip in vips { _ = try whoAnswers(vip, pods) }
    }
    let run = try LiveCommand(sandbox)
    for (number, vip) in vips.enumerated() {
      try checkEqual(
        try whoAnswer(vip, pods, times: 5), [pods.places[14 % 4]], "s\(number) after a start")
    }
    try run.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_random_changes_end_as_the_directory_says", inVM: false, timeLimit: 240) {
    sandbox in
    try sandbox.put(Manifest.both("s0", vip: Variant.v4.vip(1), [Variant.v4.pod(1)]), "s0.yaml")
    let run = try LiveCommand(sandbox, ["-R"])
    let directory = sandbox.manifests
    mkdir(directory + "/below", 0o755)
    for round in 0..<8 {
      for _ in 0..<Int.random(in: 20...120) {
        let number = Int.random(in: 1...12)
        let place = Bool.random() ? directory : directory + "/below"
        let file = "\(place)/s\(number).yaml"
        let text = Manifest.both(
          "s\(number)", vip: Variant.v4.vip(number + 1),
          (0...Int.random(in: 0...3)).map { _ in Variant.v4.pod(Int.random(in: 1...16)) })
        switch Int.random(in: 0..<9) {
        case 0...2:
          try Disk.write(text, to: file + ".tmp")
          rename(file + ".tmp", file)
        case 3, 4: try Disk.write(text, to: file)
        case 5: unlink(file)
        case 6: try Disk.write(String(text.prefix(Int.random(in: 0...200))), to: file)
        case 7: rename(file, "\(place)/s\(number).yml")
        default:
          Disk.remove(directory + "/below")
          mkdir(directory + "/below", 0o755)
        }
        if Int.random(in: 0..<4) == 0 { sk_sleep(Int32.random(in: 0...60)) }
      }
      // All files good, and none disagrees with another.
      Disk.remove(directory + "/below")
      mkdir(directory + "/below", 0o755)
      for name in Disk.list(directory) where name != "s0.yaml" && name != "below" {
        unlink(directory + "/" + name)
      }
      for number in 1...8 where Bool.random() {
        try sandbox.put(
          Manifest.both(
            "s\(number)", vip: Variant.v4.vip(number + 1), [Variant.v4.pod(Int.random(in: 1...16))]),
          "s\(number).yaml")
      }
      let wanted = try sandbox.succeed(
        ["apply", "--dry-run", "--prune", "-o", "json", "-R", "-f", directory])
      var last = ""
      for _ in 0..<100 {
        last = try sandbox.succeed(["dump", "-o", "json"]).output
        if last == wanted.output { break }
        sk_sleep(50)
      }
      try checkEqual(last, wanted.output, "round \(round): \(run.messages.suffix(2000))")
    }
    try run.end()
    try sandbox.checkWhole()
  },
  KernelTest("live_ends_sockets_whose_backend_went", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_UDP, 1...2)
    let web = Variant.v4.vip(1)
    try sandbox.put(Manifest.both("mail", vip: Variant.v4.vip(2), pods.places, "UDP"), "mail.yaml")
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]], "UDP"), "web.yaml")
    let run = try LiveCommand(sandbox)
    let first = try Socket(.v4, SK_UDP)
    try first.connect(web)
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[1]], "UDP"), "web.yaml")
    try run.waitFor("ended 1 UDP socket of shop/web")
    // And of a Service that is gone: its name is known still.
    let second = try Socket(.v4, SK_UDP)
    try second.connect(web)
    unlink(sandbox.manifests + "/web.yaml")
    try run.waitFor("ended 1 UDP socket of shop/web", times: 2)
    try run.end()
  },
  KernelTest("live_a_directory_that_is_a_link_is_swapped", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    let link = sandbox.directory + "/current"
    for (number, pod) in pods.places.enumerated() {
      let place = sandbox.directory + "/release\(number)"
      mkdir(place, 0o755)
      try Disk.write(Manifest.both("web", vip: web, [pod]), to: place + "/web.yaml")
    }
    symlink("release0", link)
    let run = try LiveCommand(sandbox, directory: link)
    try check(run.messages.contains("looking every 2 s"), run.messages)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "at first")
    symlink("release1", link + "-new")
    try CallFailed.check(rename(link + "-new", link) == 0 ? 0 : -errno, "rename")
    try awaitAnswer(web, pods, pods.places[1])
    // A file outside of it, behind a link of its own.
    let outside = sandbox.directory + "/outside.yaml"
    try Disk.write(Manifest.both("mail", vip: Variant.v4.vip(2), [pods.places[0]]), to: outside)
    symlink(outside, link + "/mail.yaml")
    try awaitAnswer(Variant.v4.vip(2), pods, pods.places[0])
    try Disk.write(Manifest.both("mail", vip: Variant.v4.vip(2), [pods.places[1]]), to: outside)
    try awaitAnswer(Variant.v4.vip(2), pods, pods.places[1])
    try check(!run.messages.contains("deleted"), "it was gone: \(run.messages)")
    try run.end()
  },
]
