import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Who may read what: root alone, or a group that `attach --group` names.
let accessTests: [KernelTest] = [
  KernelTest("access_pins_are_roots_alone_whatever_the_umask") { sandbox in
    for mask: mode_t in [0, 0o777] {
      let before = umask(mask)
      // The directory of the state would be made with no rights at all, which is the user's wish.
      let attach = try sandbox.run(["attach", "--cgroup", sandbox.cgroup])
      umask(before)
      try checkEqual(attach.code, 0, attach.all)
      for (path, mode) in try modes(below: sandbox.pin) {
        let wanted: mode_t = Disk.isDirectory(path) ? 0o700 : 0o600
        try check(mode == wanted, "\(path) has the mode 0\(String(mode, radix: 8))")
      }
      try sandbox.succeed(["detach"])
    }
  },
  KernelTest("access_a_group_reads_without_root") { sandbox in
    try sandbox.openDirectory()
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let vip = Variant.v4.vip(1)
    let manifest = Manifest.both("web", vip: vip, pods.places)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup, "--group", "\(readers)"])
    try sandbox.succeed(["apply", "-f", "-"], input: manifest)
    _ = try whoAnswers(vip, pods)
    for (path, mode) in try modes(below: sandbox.pin) {
      let isShared = !path.contains("/links")
      let wanted: mode_t =
        Disk.isDirectory(path) ? isShared ? 0o750 : 0o700 : isShared ? 0o640 : 0o600
      try check(mode == wanted, "\(path) has the mode 0\(String(mode, radix: 8))")
    }
    let member = Rights(user: 65534, group: readers).wrapper
    for command in [
      ["dump", "all"], ["dump", "all", "-o", "json"], ["dump", "affinity"], ["dump", "objects"],
      ["describe", "service", "shop/web"],
    ] {
      let byRoot = try sandbox.succeed(command)
      let byMember = try sandbox.run(command, by: member)
      try checkEqual(byMember.code, 0, "\(command): \(byMember.all)")
      try checkEqual(byMember.output, byRoot.output, "\(command)")
    }
    let status = try sandbox.run(["status"], by: member)
    try checkEqual(status.code, 0, status.all)
    try check(status.output.contains("service ports 1/"), status.all)
    try check(status.output.contains("not asked: only root"), status.all)
    let diff = try sandbox.run(["diff", "-f", "-"], input: manifest, by: member)
    try checkEqual(diff.code, 0, diff.all)
    let doctor = try sandbox.run(["doctor"], by: member)
    try checkEqual(doctor.code, 0, doctor.all)
    try check(doctor.output.contains("not looked at"), doctor.all)
    // They change nothing.
    for command in [["apply", "-f", "-"], ["delete", "service", "shop/web"]] {
      let denied = try sandbox.run(command, input: manifest, by: member)
      try checkEqual(denied.code, 77, denied.all)
    }
    try check(try sandbox.run(["detach"], by: member).code != 0, "detach by a member")
    _ = try whoAnswers(vip, pods)
    // Nobody else reads.
    let stranger = try sandbox.run(["dump"], by: Rights(user: 65534, group: strangers).wrapper)
    try checkEqual(stranger.code, 77, stranger.all)
    try check(stranger.errors.contains("member of the group \(readers)"), stranger.all)
  },
  KernelTest("access_of_a_group_is_kept_and_can_be_taken_back") { sandbox in
    try sandbox.openDirectory()
    let member = Rights(user: 65534, group: readers).wrapper
    let attach = ["attach", "--cgroup", sandbox.cgroup]
    try sandbox.succeed(attach + ["--group", "\(readers)"])
    try sandbox.succeed(["detach"])
    try sandbox.succeed(attach)
    try checkEqual(try sandbox.run(["dump"], by: member).code, 0, "after attaching anew")
    try sandbox.succeed(["attach", "--group", "root"])
    let after = try sandbox.run(["dump"], by: member)
    try checkEqual(after.code, 77, after.all)
    try check(after.errors.contains("attach --group"), after.all)
    try checkEqual(try sandbox.run(["dump", "objects"], by: member).code, 77, "the state")
    // And to what is attached already.
    try sandbox.succeed(["attach", "--group", "\(readers)"])
    for view in ["frontends", "objects"] {
      try checkEqual(try sandbox.run(["dump", view], by: member).code, 0, view)
    }
  },
  KernelTest("access_a_bpffs_for_root_alone_is_named") { sandbox in
    try sandbox.openDirectory()
    let bpf = sandbox.directory + "/bpf"
    // As systemd mounts it.
    try CallFailed.check(chmod(bpf, 0o700), "chmod")
    let member = Rights(user: 65534, group: readers).wrapper
    let attach = ["attach", "--cgroup", sandbox.cgroup]
    let denied = try sandbox.run(attach + ["--group", "\(readers)"])
    try checkEqual(denied.code, 69, denied.all)
    try check(denied.errors.contains("\(bpf) has the mode 0700"), denied.all)
    try check(denied.errors.contains("--pin /run/socklb/bpf/socklb"), denied.all)
    try checkEqual(sandbox.pins, [], "pins")
    try check(!Disk.exists(sandbox.state + "/instance"), "the state was changed")
    try sandbox.succeed(attach)
    for command in ["dump", "status"] {
      let outcome = try sandbox.run([command], by: member)
      try checkEqual(outcome.code, 77, outcome.all)
      try check(outcome.errors.contains("entering \(bpf): Permission denied"), outcome.all)
      try check(outcome.errors.contains("chmod 0711 \(bpf)"), outcome.all)
    }
    try CallFailed.check(chmod(bpf, 0o711), "chmod")
    try sandbox.succeed(["attach", "--group", "\(readers)"])
    try checkEqual(try sandbox.run(["dump"], by: member).code, 0, "dump")
  },
  KernelTest("access_for_a_group_a_bpffs_of_its_own_is_mounted") { sandbox in
    try sandbox.openDirectory()
    let pin = sandbox.directory + "/run/bpf/socklb"
    let attach = try sandbox.run(
      ["attach", "--cgroup", sandbox.cgroup, "--group", "\(readers)"], pin: pin)
    try checkEqual(attach.code, 0, attach.all)
    let member = Rights(user: 65534, group: readers).wrapper
    let dump = try sandbox.run(["dump"], pin: pin, by: member)
    try checkEqual(dump.code, 0, dump.all)
    try checkEqual(try sandbox.run(["detach"], pin: pin).code, 0, "detach")
    // It is there already.
    let again = try sandbox.run(["attach", "--cgroup", sandbox.cgroup], pin: pin)
    try checkEqual(again.code, 0, again.all)
    try checkEqual(try sandbox.run(["dump"], pin: pin, by: member).code, 0, "dump")
    try checkEqual(try sandbox.run(["detach"], pin: pin).code, 0, "detach")
  },
  KernelTest("access_an_unknown_group_changes_nothing") { sandbox in
    let attach = try sandbox.run([
      "attach", "--cgroup", sandbox.cgroup, "--group", "no-such-group",
    ])
    try checkEqual(attach.code, 64, attach.all)
    try check(attach.errors.contains("no group 'no-such-group'"), attach.all)
    try checkEqual(sandbox.pins, [], "pins")
    try check(!Disk.exists(sandbox.state), "a state directory was made")
  },
  KernelTest("access_by_lookups_reads_the_same_as_by_memory") { sandbox in
    try sandbox.openDirectory()
    // Many times what is fetched at once, and not a multiple of it.
    var frontends: [Frontend] = []
    for variant in [Variant.v4, .v6] {
      for number in 1...2500 {
        let pods = (0..<number % 4).map { variant.pod(1 + (number + $0) % 200) }
        frontends.append(
          try frontend(
            variant.vip(number % 50, port: 1 + number), .tcp, of: "test/s\(number % 60)",
            portName: "p\(number)", pods))
      }
    }
    _ = try Dataplane.attach(
      pin: sandbox.pin, cgroups: [Cgroup(path: sandbox.cgroup)],
      capacities: FamilyCapacities(
        Capacities(services: 3000, frontends: 3000, backends: 9000)),
      instance: .random(), group: Group("\(readers)")!
    ) { tables throws(DataplaneError) in
      try tables.prepare(ServiceTable(frontends: frontends))
    }
    let byRoot = try sandbox.succeed(["dump", "backends"])
    let byMember = try sandbox.run(
      ["dump", "backends"], by: Rights(user: 65534, group: readers).wrapper)
    try checkEqual(byMember.code, 0, byMember.errors)
    try check(byRoot.output.split(separator: "\n").count > 7000, "too few lines")
    try check(byMember.output == byRoot.output, "they differ")
  },
]

/// The least capabilities of each command, as docs/cli.md has them: with exactly these it succeeds,
/// and without any single one it fails and names it.
let capabilityTests: [KernelTest] = [
  KernelTest("capabilities_of_each_command_are_the_least", timeLimit: 120) { sandbox in
    let manifest = Manifest.both("web", vip: Variant.v4.vip(1), [Variant.v4.pod(1)])
    typealias Need = (command: [String], capabilities: [Rights.Capability])
    let needs: [Need] = [
      (["attach", "--cgroup", sandbox.cgroup], [.bpf, .netAdmin, .perfmon]),
      (["apply", "-f", "-"], [.bpf]), (["delete", "-f", "-"], [.bpf]),
      (["apply", "-f", "-"], [.bpf]), (["dump", "sockets"], [.bpf, .perfmon]),
      (["trace", "--for", "50ms"], [.bpf, .perfmon]),
      (["trace", "--decisions-only", "--for", "50ms"], [.bpf]),
      (["top", "--once", "--interval", "50ms"], [.bpf, .perfmon]),
      (["explain", "shop/web"], [.bpf, .perfmon]),
      (["dump", "all"], []), (["status"], []), (["diff", "-f", "-"], []),
      (["describe", "service", "shop/web"], []), (["doctor"], []), (["detach"], []),
    ]
    for (command, capabilities) in needs {
      for left in capabilities {
        let rights = Rights(user: 0, group: 0, capabilities.filter { $0 != left })
        let denied = try sandbox.run(command, input: manifest, by: rights.wrapper)
        try checkEqual(denied.code, 77, "\(command) without \(left): \(denied.all)")
        try check(denied.errors.contains(left.text), "\(command) without \(left): \(denied.all)")
      }
      let rights = Rights(user: 0, group: 0, capabilities)
      let done = try sandbox.run(command, input: manifest, by: rights.wrapper)
      try checkEqual(done.code, 0, "\(command) with \(capabilities): \(done.all)")
    }
    try checkEqual(sandbox.pins, [], "pins")
  },
  KernelTest("capabilities_that_show_more") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    func run(_ command: String, _ capabilities: [Rights.Capability]) throws -> String {
      let rights = Rights(user: 0, group: 0, capabilities)
      let outcome = try sandbox.run([command], by: rights.wrapper)
      try checkEqual(outcome.code, 0, "\(command) with \(capabilities): \(outcome.all)")
      return outcome.output
    }
    try check(try run("status", []).contains("not asked"), "status asked without CAP_NET_ADMIN")
    try check(try run("status", [.netAdmin]).contains("1 of 1 cgroups"), "status did not ask")
    try check(try run("doctor", [.netAdmin]).contains("no hook was tried") == false, "doctor")
    try check(
      try run("doctor", [.netAdmin]).contains("canary       not looked at"),
      "the canary without CAP_BPF")
    try check(try run("doctor", [.bpf]).contains("sock_release works"), "the canary")
    try check(
      !(try run("doctor", [.bpf, .netAdmin, .perfmon]).contains("warning  capabilities")),
      "doctor still lacks something")
  },
]

/// Groups that need no name.
private let (readers, strangers): (Int32, Int32) = (4711, 4712)

extension Sandbox {
  /// Other users may pass; what is in it is as it was.
  fileprivate func openDirectory() throws {
    for path in [directory, directory + "/bpf"] {
      try CallFailed.check(chmod(path, 0o711), "chmod")
    }
  }
}

/// Of everything in a directory, and of itself.
private func modes(below path: String) throws -> [(String, mode_t)] {
  var info = stat()
  try CallFailed.check(lstat(path, &info), "lstat \(path)")
  var result = [(path, info.st_mode & 0o7777)]
  guard Disk.isDirectory(path) else { return result }
  for name in Disk.list(path) { result += try modes(below: path + "/" + name) }
  return result
}
