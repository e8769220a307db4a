import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `doctor`: the canary, and what it finds on a node that something went wrong on.
let doctorTests: [KernelTest] = [
  KernelTest("doctor_finds_nothing_wrong_and_leaves_nothing_behind") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
    _ = try whoAnswers(vip, pods)
    let before = try sandbox.succeed(["dump", "all"])
    let doctor = try sandbox.succeed(["doctor"])
    for hook in SocketHook.allCases {
      try check(
        doctor.output.contains("\(hook.rawValue) works below \(sandbox.cgroup)"),
        "\(hook.rawValue): \(doctor.all)")
    }
    for step in ["connect6", "getpeername6", "sendmsg4", "recvmsg6"] {
      try check(doctor.output.contains("\(step) (v4-mapped) works"), "\(step): \(doctor.all)")
    }
    try check(!doctor.output.contains("FAIL"), doctor.all)
    try checkEqual(try sandbox.succeed(["dump", "all"]).output, before.output, "the table")
    try checkEqual(
      Disk.list(sandbox.cgroup).filter { Disk.isDirectory(sandbox.cgroup + "/" + $0) }, [],
      "cgroups")
    _ = try whoAnswers(vip, pods)
    // For programs.
    let json = try sandbox.succeed(["doctor", "-o", "json"])
    try check(json.output.contains("\"healthy\": true"), json.all)
    try check(json.output.contains("\"result\": \"ok\""), json.all)
  },
  KernelTest("doctor_names_each_hook_that_is_missing", timeLimit: 180) { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let links = sandbox.pin + "/links/"
    guard let id = Disk.list(links).first else { throw Failure("no links") }
    for hook in SocketHook.allCases {
      Disk.remove(links + "\(id)/\(hook.rawValue)")
      let doctor = try sandbox.run(["doctor"])
      try checkEqual(doctor.code, 1, doctor.all)
      let lines = doctor.output.split(separator: "\n").filter { $0.hasPrefix("FAIL     canary") }
      try check(
        lines.contains { $0.contains(" \(hook.rawValue) ") || $0.contains(" \(hook.rawValue):") },
        "\(hook.rawValue) was not found out by trying: \(doctor.all)")
      // No other hook is blamed.
      try check(lines.allSatisfy { $0.contains(hook.rawValue) }, doctor.all)
      try check(
        doctor.output.contains("\(hook.rawValue) not effective for \(sandbox.cgroup)"),
        doctor.all)
      let attach = try sandbox.succeed(["attach"])
      try check(
        attach.errors.contains("missing to \(sandbox.cgroup): \(hook.rawValue)"), attach.all)
    }
    try sandbox.succeed(["doctor"])
  },
  KernelTest("doctor_says_what_it_can_without_anything_attached") { sandbox in
    let doctor = try sandbox.run(["doctor"])
    try checkEqual(doctor.code, 1, doctor.all)
    try check(doctor.output.contains("nothing is attached at \(sandbox.pin)"), doctor.all)
    try check(doctor.output.contains("ok       kernel"), doctor.all)
    try check(!Disk.exists(sandbox.state), "doctor made a state directory")
  },
  KernelTest("what_a_killed_doctor_left_is_taken_out_by_the_next_writer") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let left = try frontend(
      Place("127.255.255.254", 61234), .tcp, of: Dataplane.canaryService.description,
      [Place("127.255.255.253", 4000)])
    try CallFailed.check(mkdir(sandbox.cgroup + "/socklb-doctor-1", 0o755), "mkdir")
    try Dataplane(pin: sandbox.pin).serve([left])
    try check(try sandbox.succeed(["dump"]).output.contains("socklb-doctor"), "it was there")
    try sandbox.succeed(["doctor"])
    try check(!Disk.exists(sandbox.cgroup + "/socklb-doctor-1"), "the scratch cgroup is there")
    try check(!(try sandbox.succeed(["dump"]).output.contains("socklb-doctor")), "after doctor")
    try Dataplane(pin: sandbox.pin).serve([left])
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
    try check(!(try sandbox.succeed(["dump"]).output.contains("socklb-doctor")), "after apply")
  },
  KernelTest("doctor_finds_a_killed_writer_and_changes_nothing") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let header = try MappedArray<svc_header>(BPFMap(pinned: sandbox.pin + "/header"))
    let offset = MemoryLayout<svc_header>.offset(of: \.generation)!
    let odd = header.acquire(at: 0, offset: offset) + 1
    header.publish(odd, at: 0, offset: offset)
    let doctor = try sandbox.run(["doctor"])
    try checkEqual(doctor.code, 1, doctor.all)
    try check(doctor.output.contains("killed in the middle of a change"), doctor.all)
    try check(doctor.output.contains("no hook was tried"), doctor.all)
    try checkEqual(header.acquire(at: 0, offset: offset), odd, "the generation")
  },
  KernelTest("doctor_does_not_wait_for_a_stuck_writer", inVM: false) { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let lock = try StateDirectory(sandbox.state).lock()
    let start = sk_milliseconds()
    let doctor = try sandbox.succeed(["doctor"])
    try check(sk_milliseconds() - start < 15_000, "it took too long")
    try check(doctor.output.contains("no hook was tried: the lock"), doctor.all)
    withExtendedLifetime(lock) {}
  },
  KernelTest("doctor_finds_a_state_directory_that_is_not_ours") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let doctor = try sandbox.run(["doctor"], state: sandbox.directory + "/other")
    try checkEqual(doctor.code, 1, doctor.all)
    try check(doctor.output.contains("FAIL     state"), doctor.all)
    try check(!Disk.exists(sandbox.directory + "/other"), "doctor made a state directory")
  },
]
