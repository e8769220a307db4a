import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What goes wrong on nodes: half a detach, lost files, cgroups within cgroups.
let mishapTests: [KernelTest] =
  Variant.allCases.map { variant in
    KernelTest("connected_\(variant)_udp_socket_that_names_its_vip_is_answered") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...5)
      let vip = variant.vip(1)
      try sandbox.attach([try frontend(vip, .udp, pods.places)])
      for _ in 0..<20 {
        let client = try Socket(variant, SK_UDP)
        try client.connect(vip)
        try client.send("x", to: vip)
        try pods.echo()
        guard let answer = try client.receive() else { throw Failure("no answer") }
        try checkEqual(answer.from, vip, "who answers")
      }
    }
  } + [
    KernelTest("nested_cgroups_are_attached_to_once") { sandbox in
      let inner = try sandbox.makeCgroup("inner")
      let said = try sandbox.succeed([
        "attach", "--cgroup", inner, "--cgroup", sandbox.cgroup,
      ])
      try check(said.errors.contains("\(inner) is below \(sandbox.cgroup)"), said.all)
      let pods = try Pods(.v4, SK_TCP, 1...3)
      let vip = Variant.v4.vip(1)
      let dataplane = try Dataplane(pin: sandbox.pin)
      try dataplane.serve([try frontend(vip, .tcp, pods.places)])
      try Sandbox.join(inner)
      let client = try Socket(.v4, SK_TCP)
      try client.connect(vip)
      try checkEqual(try client.peerName, vip, "getpeername in the inner cgroup")
      _ = try pods.accept()
      try Sandbox.join(sandbox.cgroup)
    },
    KernelTest("a_missing_hook_is_found") { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(["status"])
      for cgroup in Disk.list(sandbox.pin + "/links") {
        Disk.remove(sandbox.pin + "/links/\(cgroup)/connect4")
      }
      let status = try sandbox.run(["status"])
      try check(status.code == 1 && status.output.contains("connect4 not attached"), status.all)
      let apply = try sandbox.succeed(
        ["apply", "-f", "-"],
        input: Manifest.both("web", vip: Variant.v4.vip(1), [Variant.v4.pod(1)]))
      try check(apply.errors.contains("connect4 not attached"), apply.all)
      let attach = try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try check(
        attach.errors.contains("what was missing to \(sandbox.cgroup): connect4"), attach.all)
      try sandbox.succeed(["status"])
      try check(try sandbox.succeed(["dump"]).output.contains("shop/web"), "kept")
    },
    KernelTest("lost_objects_never_wipe_live_services") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let vip = Variant.v4.vip(1)
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(
        ["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
      Disk.remove(sandbox.state + "/objects")
      let other = Manifest.both("other", vip: Variant.v4.vip(2), pods.places)
      let refusedApply = try sandbox.run(["apply", "-f", "-"], input: other)
      try check(
        refusedApply.code == 1 && refusedApply.errors.contains("--prune"), refusedApply.all)
      _ = try whoAnswers(vip, pods)
      try sandbox.succeed(["apply", "--prune", "-f", "-"], input: other)
      _ = try whoAnswers(Variant.v4.vip(2), pods)
    },
    KernelTest("lost_objects_and_a_killed_writer_wipe_nothing_either") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...2)
      let vip = Variant.v4.vip(1)
      let attach = ["attach", "--cgroup", sandbox.cgroup]
      try sandbox.succeed(attach)
      try sandbox.succeed(
        ["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
      let objects = try Disk.read(sandbox.state + "/objects")
      try Dataplane(pin: sandbox.pin).tables.markUnfinished()
      Disk.remove(sandbox.state + "/objects")
      for command in [["upgrade"], attach] {
        let refused = try sandbox.run(command)
        try check(
          refused.code == 1 && refused.errors.contains("objects is missing"), refused.all)
        _ = try whoAnswers(vip, pods)
      }
      try Disk.write(objects, to: sandbox.state + "/objects")
      try check(
        try sandbox.succeed(["upgrade"]).errors.contains("finished what an interrupted"), "upgrade")
      try sandbox.succeed(["verify"])
      _ = try whoAnswers(vip, pods)
    },
    KernelTest("an_attach_that_was_killed_before_its_table_is_not_taken_for_whole") { sandbox in
      let vip = Variant.v4.vip(1)
      let pods = try Pods(.v4, SK_TCP, 1...1)
      let attach = ["attach", "--cgroup", sandbox.cgroup]
      try sandbox.succeed(attach)
      try sandbox.succeed(
        ["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
      // As the rename of the pins leaves it: an empty table, and no generation yet.
      let dataplane = try Dataplane(pin: sandbox.pin)
      try dataplane.serve([])
      let header = try MappedArray<svc_header>(BPFMap(pinned: sandbox.pin + "/header"))
      header.publish(0, at: 0, offset: MemoryLayout<svc_header>.offset(of: \.generation) ?? 8)
      let doctor = try sandbox.run(["doctor"])
      try check(doctor.code == 1 && doctor.output.contains("a writer was killed"), doctor.all)
      try checkEqual(dataplane.tables.generation, 0, "the generation after doctor")
      try check(
        try sandbox.succeed(attach).errors.contains("finished what an interrupted"), "attach")
      _ = try whoAnswers(vip, pods)
    },
    KernelTest("source_ranges_of_a_killed_writer_let_nobody_through") { sandbox in
      let pods = try Pods(.v4, SK_TCP, 1...1)
      let vip = Variant.v4.vip(1)
      let dataplane = try sandbox.attach()
      // As if a writer had been killed between the ranges and the frontend with the first index.
      let ranges = try HashMap<svc_range4, UInt32>(
        BPFMap(pinned: sandbox.pin + "/maps/ranges4"))
      try ranges.update(svc_range4(prefix_length: 32, frontend: 0, addr_be: 0), 1)
      let served = try frontend(vip, .tcp, pods.places)
        .with(kind: .loadBalancer, sourceRanges: ["10.9.0.0/16"])
      try dataplane.serve([served])
      let client = try Socket(.v4, SK_TCP)
      try client.bind(Variant.v4.pod(3, port: 0))
      try checkEqual(client.connectError(vip), EACCES, "from outside of the ranges")
      try checkEqual(try ranges.all().count, 1, "ranges in the kernel")
      try pods.checkIdle()
    },
    KernelTest("a_stuck_writer_does_not_keep_detach_from_its_work", inVM: false) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      let lock = try StateDirectory(sandbox.state).lock()
      let said = try sandbox.succeed(["detach"])
      try check(said.errors.contains("detaching all the same"), said.all)
      try checkEqual(sandbox.pins, [], "pins")
      withExtendedLifetime(lock) {}
    },
  ]
