import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// The real command: attach, detach, dump, status. What needs manifests: ManifestTests.
let commandTests: [KernelTest] = [
  KernelTest("command_attach_twice_changes_nothing") { sandbox in
    let attach = ["attach", "--cgroup", sandbox.cgroup, "--max-backends", "1000"]
    let first = try sandbox.succeed(attach)
    try checkEqual(first.output, "", "standard output")
    try check(first.errors.contains("attached to \(sandbox.cgroup)"), first.all)
    let before = try sandbox.succeed(["status", "-o", "json"])
    let other = try sandbox.makeCgroup("other")
    let second = try sandbox.succeed(["attach", "--cgroup", other])
    try check(second.errors.contains("already attached, nothing was changed"), second.all)
    try check(second.errors.contains("attached to \(sandbox.cgroup)"), second.all)
    try check(second.errors.contains("\(other) is below \(sandbox.cgroup)"), second.all)
    try check(!second.errors.contains("attached to \(other)"), second.all)
    let after = try sandbox.succeed(["status", "-o", "json"])
    try checkEqual(after.output, before.output, "status")
  },
  KernelTest("command_detach_of_nothing_succeeds") { sandbox in
    let nothing = try sandbox.succeed(["detach"])
    try check(nothing.errors.contains("nothing was attached at \(sandbox.pin)"), nothing.all)
    try check(!Disk.exists(sandbox.state), "detach made a state directory")
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let ended = try sandbox.succeed(["detach"])
    try check(ended.errors.contains("\(SocketHook.allCases.count) links ended"), ended.all)
    try checkEqual(sandbox.pins, [], "the bpffs")
    try sandbox.succeed(["detach"])
  },
  KernelTest("command_dump_reads_the_kernel_without_a_state_directory") { sandbox in
    let vip = Variant.v4.vip(1)
    let pods = try Pods(.v4, SK_UDP, 1...2)
    let frontends = [
      try frontend(vip, .udp, of: "shop/web", portName: "http", pods.places),
      try frontend(Variant.v6.vip(1), .tcp, of: "shop/empty", []),
    ]
    let dataplane = try sandbox.attach(frontends)
    for _ in 1...3 { try Socket(.v4, SK_UDP).connect(vip) }
    try checkEqual(Socket(.v6, SK_TCP).connectError(Variant.v6.vip(1)), refused, "connect")
    // Written by this process, printed by another one.
    let table = ServiceTable(frontends: frontends)
    for view in DumpView.allCases {
      for format in DumpFormat.allCases {
        let expected = TableDump(
          table,
          counters: view == .counters || view == .all
            ? try dataplane.tables.readSnapshot(withCounters: true).counters : [:]
        ).render(view, as: format)
        let dump = try sandbox.succeed(["dump", view.rawValue, "-o", format.rawValue])
        try checkEqual(dump.output, String(decoding: expected, as: UTF8.self), "dump \(view)")
      }
    }
    let counters = try sandbox.succeed(["dump", "counters"]).output
    try check(counters.contains("shop/web:http") && counters.contains("3"), counters)
    try check(!Disk.exists(sandbox.state), "dump made a state directory")
  },
  KernelTest("command_not_attached_names_attach", inVM: false) { sandbox in
    for arguments in [["dump"], ["status"]] {
      let outcome = try sandbox.run(arguments)
      try checkEqual(outcome.code, 1, "socklb \(arguments): \(outcome.all)")
      try checkEqual(outcome.output, "", "standard output")
      try check(outcome.errors.contains("socklb attach"), outcome.all)
    }
  },
  KernelTest("command_attach_refuses_what_is_no_cgroup", inVM: false) { sandbox in
    let plain = try sandbox.run(["attach", "--cgroup", sandbox.directory])
    try checkEqual(plain.code, 69, plain.all)
    try check(plain.errors.contains("cgroup2"), plain.all)
    let missing = try sandbox.run(["attach", "--cgroup", sandbox.cgroup + "/missing"])
    try checkEqual(missing.code, 1, missing.all)
    let place = try sandbox.run(
      ["attach", "--cgroup", sandbox.cgroup], pin: sandbox.directory + "/pins")
    try checkEqual(place.code, 69, place.all)
    try check(place.errors.contains("bpffs"), place.all)
    try checkEqual(sandbox.pins, [], "the bpffs")
  },
  KernelTest("command_that_attached_may_be_gone") { sandbox in
    // The loader has exited; only pins keep the programs.
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try Dataplane(pin: sandbox.pin).serve([frontend(vip, .tcp, pods.places)])
    let client = try Socket(.v4, SK_TCP)
    try client.connect(vip)
    try checkEqual(try client.peerName, vip, "getpeername")
    try checkEqual(try pods.accept().pod, pods.places[0], "the backend")
    let status = try sandbox.succeed(["status"])
    for hook in ["connect4", "connect6", "sendmsg4", "recvmsg6", "getpeername6"] {
      try check(status.output.contains(hook), "status does not name \(hook): \(status.all)")
    }
    try check(status.output.contains(sandbox.cgroup), status.all)
  },
  KernelTest("command_attach_cleans_up_after_a_crashed_one") { sandbox in
    // What a kill between two pins leaves: a directory beside the real one.
    try sandbox.attach()
    try CallFailed.check(
      rename(sandbox.pin, sandbox.pin + "-new") == 0 ? 0 : -errno, "rename")
    try check(!Dataplane.isAttached(pin: sandbox.pin), "half an attach counts as attached")
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try checkEqual(sandbox.pins, ["socklb"], "the bpffs")
    // And detach removes such a half, too.
    try CallFailed.check(
      rename(sandbox.pin, sandbox.pin + "-new") == 0 ? 0 : -errno, "rename")
    try sandbox.succeed(["detach"])
    try checkEqual(sandbox.pins, [], "the bpffs after detach")
  },
]
