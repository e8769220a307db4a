import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Programs have to be effective where processes are, whatever was attached once.
let rightPlaceTests: [KernelTest] = [
  KernelTest("place_status_counts_the_cgroups_that_are_covered") { sandbox in
    let inner = try sandbox.makeCgroup("inner")
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let one = try sandbox.succeed(["status"])
    try check(one.output.contains("1 of 1 cgroups with processes"), one.all)
    let idle = try Idle(in: inner)
    let two = try sandbox.succeed(["status"])
    try check(two.output.contains("2 of 2 cgroups with processes"), two.all)
    let json = try sandbox.succeed(["status", "-o", "json"])
    try check(json.output.contains("\"covered\": 2"), json.all)
    withExtendedLifetime(idle) {}
  },
  KernelTest("place_a_detached_link_is_missed_where_it_ought_to_run") { sandbox in
    let inner = try sandbox.makeCgroup("inner")
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let idle = try Idle(in: inner)
    guard let id = Disk.list(sandbox.pin + "/links").first else { throw Failure("no links") }
    // The pin stays, and the link does nothing.
    try CgroupLink(pinned: sandbox.pin + "/links/\(id)/sendmsg6").detach()
    let status = try sandbox.run(["status"])
    try checkEqual(status.code, 1, status.all)
    try check(status.output.contains("sendmsg6 not effective for \(inner)"), status.all)
    try check(status.output.contains("0 of 2 cgroups with processes"), status.all)
    let attach = try sandbox.succeed(["attach"])
    try check(attach.errors.contains("missing to \(sandbox.cgroup): sendmsg6"), attach.all)
    try sandbox.succeed(["status"])
    withExtendedLifetime(idle) {}
  },
  KernelTest("place_a_nested_attach_is_found") { sandbox in
    let inner = try sandbox.makeCgroup("inner")
    try sandbox.attach(to: [sandbox.cgroup, inner])
    let idle = try Idle(in: inner)
    let status = try sandbox.run(["status"])
    try checkEqual(status.code, 1, status.all)
    try check(status.output.contains("effective twice for \(inner)"), status.all)
    try check(!status.output.contains("twice for \(sandbox.cgroup) "), status.all)
    withExtendedLifetime(idle) {}
  },
  KernelTest("place_another_agents_programs_are_named") { sandbox in
    let inner = try sandbox.makeCgroup("inner")
    try sandbox.succeed(["attach", "--cgroup", inner])
    let idle = try Idle(in: inner)
    var slow = sk_slow()
    try CallFailed.check(sk_slow_start(&slow, inner, 1), "attaching another program")
    defer { sk_slow_stop(&slow) }
    let after = try sandbox.succeed(["doctor"])
    try check(after.output.contains("(id "), after.all)
    try check(after.output.contains("runs after ours at connect4 for \(inner)"), after.all)
    // A second socklb, on the cgroup above: its programs run after those of the cgroup itself.
    let second = sandbox.directory + "/bpf/second"
    _ = try Dataplane.attach(
      pin: second, cgroups: [Cgroup(path: sandbox.cgroup)],
      capacities: FamilyCapacities(Sandbox.smallCapacities), instance: .random()
    ) { tables throws(DataplaneError) in try tables.prepare(ServiceTable()) }
    let two = try sandbox.run(["doctor"])
    try check(two.output.contains("this may be a second socklb"), two.all)
    try checkEqual(
      try sandbox.run(["status"]).code, 0, "others are no reason to call status unhealthy")
    _ = try Dataplane.detach(pin: second)
    withExtendedLifetime(idle) {}
  },
  KernelTest("place_a_cgroup_that_was_made_anew_is_attached_to_again") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let vip = Variant.v4.vip(1)
    let inner = try sandbox.makeCgroup("inner")
    try sandbox.succeed(["attach", "--cgroup", inner])
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
    try Sandbox.join(inner)
    var client: Socket? = try Socket(.v4, SK_TCP)
    try client?.connect(vip)
    _ = try pods.accept()
    try Sandbox.join(sandbox.cgroup)
    let counters = try sandbox.succeed(["dump", "counters"]).output
    try check(counters.contains("translated=1"), counters)
    try removeCgroup(inner)
    let status = try sandbox.run(["status"])
    try checkEqual(status.code, 1, status.all)
    try check(status.output.contains("gone"), status.all)
    let doctor = try sandbox.run(["doctor"])
    try checkEqual(doctor.code, 1, doctor.all)
    try check(doctor.output.contains("is gone"), doctor.all)
    // Nothing to attach to as long as nobody has made it.
    let early = try sandbox.run(["attach"])
    try checkEqual(early.code, 1, early.all)
    try check(early.errors.contains("--cgroup"), early.all)
    try CallFailed.check(mkdir(inner, 0o755) == 0 ? 0 : -errno, "mkdir")
    let again = try sandbox.succeed(["attach"])
    try check(again.errors.contains("removed the pins of a cgroup that is gone"), again.all)
    try check(again.errors.contains("attached to \(inner)"), again.all)
    try checkEqual(pinnedCgroups(sandbox).count, 1, "cgroups with pins")
    try sandbox.succeed(["status"])
    try checkEqual(try sandbox.succeed(["dump", "counters"]).output, counters, "counters")
    try Sandbox.join(inner)
    _ = try whoAnswers(vip, pods)
    try Sandbox.join(sandbox.cgroup)
    // The socket that was there before is as it was.
    try checkEqual(try client?.peerName, vip, "getpeername of the old socket")
    client = nil
    // The kernel takes a moment to end the links of a cgroup without sockets.
    for _ in 0..<50 where Disk.list(sandbox.pin + "/links").count > 1 {
      sk_sleep(100)
      try sandbox.succeed(["attach"])
    }
    try checkEqual(Disk.list(sandbox.pin + "/links"), pinnedCgroups(sandbox), "pins that are left")
    let third = try sandbox.succeed(["attach"])
    try check(third.errors.contains("already attached, nothing was changed"), third.all)
  },
  KernelTest("place_a_further_cgroup_is_added") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let vip = Variant.v4.vip(1)
    let (one, two) = (try sandbox.makeCgroup("one"), try sandbox.makeCgroup("two"))
    try sandbox.succeed(["attach", "--cgroup", one])
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
    let added = try sandbox.succeed(["attach", "--cgroup", two])
    try check(added.errors.contains("attached to \(two)"), added.all)
    try check(!added.errors.contains("already attached"), added.all)
    for cgroup in [one, two] {
      try Sandbox.join(cgroup)
      _ = try whoAnswers(vip, pods)
    }
    try Sandbox.join(sandbox.cgroup)
    // Both are remembered.
    try removeCgroup(one)
    try removeCgroup(two)
    for cgroup in [one, two] { try CallFailed.check(mkdir(cgroup, 0o755), "mkdir") }
    try sandbox.succeed(["attach"])
    try checkEqual(pinnedCgroups(sandbox).count, 2, "cgroups with pins")
    // The programs would run twice below it.
    let outer = try sandbox.run(["attach", "--cgroup", sandbox.cgroup])
    try checkEqual(outer.code, 1, outer.all)
    try check(outer.errors.contains("lies below it"), outer.all)
    try sandbox.succeed(["detach"])
    try checkEqual(sandbox.pins, [], "the bpffs")
  },
  KernelTest("place_programs_that_are_all_gone_are_loaded_again_on_the_same_maps") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
    let client = try Socket(.v4, SK_TCP)
    try client.connect(vip)
    _ = try pods.accept()
    let links = sandbox.pin + "/links"
    for cgroup in Disk.list(links) {
      for hook in Disk.list(links + "/" + cgroup) { Disk.remove(links + "/\(cgroup)/\(hook)") }
    }
    // Nothing is attached, so the backend shows; the kernel ends a link a moment after its pin.
    for _ in 0..<1000 where try client.peerName == vip { sk_sleep(2) }
    try checkEqual(try client.peerName, pods.places[0], "getpeername without a program")
    let attach = try sandbox.succeed(["attach"])
    try check(attach.errors.contains("attached to \(sandbox.cgroup)"), attach.all)
    try checkEqual(try client.peerName, vip, "getpeername of the old socket")
    _ = try whoAnswers(vip, pods)
    let counters = try sandbox.succeed(["dump", "counters"]).output
    try check(counters.contains("translated=2"), counters)
    try sandbox.succeed(["doctor"])
  },
  KernelTest("place_in_a_cgroup_namespace_the_same_is_seen", inVM: false) { sandbox in
    let (inner, beside) = (try sandbox.makeCgroup("inner"), try sandbox.makeCgroup("beside"))
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let idle = [try Idle(in: inner), try Idle(in: beside)]
    // Its root is the test's cgroup, and the mount shows what is above.
    let same = try sandbox.run(["status"], by: ["/usr/bin/unshare", "--cgroup"])
    try check(same.output.contains("3 of 3 cgroups with processes"), same.all)
    let doctor = try sandbox.run(["doctor"], by: ["/usr/bin/unshare", "--cgroup"])
    try checkEqual(doctor.code, 0, doctor.all)
    try check(doctor.output.contains("of the hierarchy"), doctor.all)
    // With a mount of its own, nothing outside of it.
    try Sandbox.join(inner)
    let mount = try Cgroup.root().path
    let own = try sandbox.run(
      ["doctor"],
      by: [
        "/usr/bin/unshare", "--cgroup", "--mount", "/bin/sh", "-c",
        "umount -l '\(mount)' && mount -t cgroup2 none '\(mount)' && exec \"$@\"", "sh",
      ])
    try Sandbox.join(sandbox.cgroup)
    try check(own.output.contains("cannot be seen from here: "), own.all)
    withExtendedLifetime(idle) {}
  },
]

/// A process that does nothing, in a cgroup, for as long as the value lives.
private final class Idle {
  private let pid: Int32

  init(in cgroup: String) throws {
    pid = try CallFailed.check(sk_fork_idle(), "fork")
    try Disk.write("\(pid)\n", to: cgroup + "/cgroup.procs")
  }

  deinit {
    kill(pid, SIGKILL)
    _ = sk_wait_child(pid, 5000)
  }
}

/// Not those that are put aside until the last socket is closed that was made there.
private func pinnedCgroups(_ sandbox: Sandbox) -> [String] {
  Disk.list(sandbox.pin + "/links").filter { UInt64($0) != nil }
}

/// Busy until the last process that was in it is buried.
private func removeCgroup(_ path: String) throws {
  for _ in 0..<500 {
    if rmdir(path) == 0 { return }
    sk_sleep(10)
  }
  throw Failure("\(path) cannot be removed")
}
