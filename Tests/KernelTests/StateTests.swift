import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What outlives the command, the kernel's memory, and a lost directory.
let stateTests: [KernelTest] = [
  KernelTest("state_that_a_killed_writer_left_half_written_goes_with_the_next_change") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(["apply", "-f", "-"], input: example)
    func map(_ name: String) throws -> BPFMap { try BPFMap(pinned: sandbox.pin + "/maps/" + name) }
    let services = try MappedArray<svc_service>(map("services4"))
    let guards = try MappedArray<svc_guard_bucket6>(map("guards6"))
    // A record whose long name is not there yet, and the first half of an address.
    var record = svc_service()
    record.protocol = TransportProtocol.tcp.rawValue
    record.name_length = 60
    services.store(record, at: 40)
    guards.publish(0xfd, at: 1, offset: 15 * 16)
    let tables = try Dataplane(pin: sandbox.pin).tables
    tables.markUnfinished()
    try sandbox.succeed(["apply", "-f", "-"], input: example)
    try check(!tables.isUnfinished, "nothing was finished")
    try checkEqual(services[40].protocol, 0, "the record")
    try checkEqual(guards.acquire(at: 1, offset: 15 * 16), 0, "the address")
    try sandbox.succeed(["verify"])
  },
  KernelTest("state_is_restored_after_a_reboot") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(["apply", "-f", "-"], input: example + Manifest.withoutAddress)
    let before = try sandbox.succeed(["dump", "-o", "json"]).output
    // A reboot empties the bpffs; the disk stays. The new pins lie elsewhere.
    try sandbox.detach()
    try checkEqual(sandbox.pins, [], "the bpffs")
    let pin = sandbox.pin + "-after"
    let attach = try sandbox.run(["attach", "--cgroup", sandbox.cgroup], pin: pin)
    try checkEqual(attach.code, 0, attach.all)
    try checkEqual(try sandbox.run(["dump", "-o", "json"], pin: pin).output, before, "dump")
    let client = try Socket(.v4, SK_TCP)
    try client.connect(vip)
    _ = try pods.accept()
    let apply = try sandbox.run(["apply", "-f", "-"], input: example, pin: pin)
    try checkEqual(apply.code, 0, apply.all)
    try check(!apply.output.contains("created"), apply.all)
    try checkEqual(try sandbox.run(["detach", "--forget"], pin: pin).code, 0, "detach --forget")
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try checkEqual(try sandbox.succeed(["dump"]).output, "", "dump after --forget")
  },
  KernelTest("state_that_is_lost_wipes_nothing", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(["apply", "-f", "-"], input: example)
    let before = try sandbox.succeed(["dump", "all", "-o", "json"]).output
    let kept = sandbox.state + "-kept"
    try CallFailed.check(rename(sandbox.state, kept) == 0 ? 0 : -errno, "rename")
    let other = Manifest.both("other", vip: Variant.v4.vip(9), [Variant.v4.pod(1)])
    for arguments in [
      ["apply", "-f", "-"], ["apply", "-f", "-", "--prune"], ["delete", "service", "shop/web"],
    ] {
      let outcome = try sandbox.run(arguments, input: other)
      try checkEqual(outcome.code, 1, "\(arguments): \(outcome.all)")
      try check(outcome.errors.contains("--state"), outcome.all)
      try checkEqual(
        try sandbox.succeed(["dump", "all", "-o", "json"]).output, before, "dump after \(arguments)"
      )
    }
    let client = try Socket(.v4, SK_TCP)
    try client.connect(Variant.v4.vip(1))
    _ = try pods.accept()
    // The directory of another attach is refused, too; the right one is taken.
    let found = try sandbox.run(["apply", "-f", "-"], input: other, state: kept)
    try checkEqual(found.code, 0, found.all)
  },
  KernelTest("state_survives_a_killed_apply", inVM: false, timeLimit: 120) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let web = Manifest.both("web", vip: vip, pods.places)
    try sandbox.succeed(["apply", "-f", "-"], input: web)
    // Large enough that the kill falls into the middle now and then.
    let many = (1...300).map { number in
      Manifest.both(
        "s\(number)", vip: Variant.v4.vip(number + 1), [Variant.v4.pod(number % 16 + 1)])
    }.joined()
    let whole = try sandbox.succeed(
      ["apply", "-f", "-", "--dry-run", "-o", "json"], input: web + many
    ).output
    let start = sk_milliseconds()
    try sandbox.succeed(["apply", "-f", "-"], input: web + many)
    let time = sk_milliseconds() - start
    try sandbox.succeed(["apply", "-f", "-", "--prune"], input: web)
    var killed = 0
    for step in 0...15 {
      let delay = time * step / 14
      let apply = try sandbox.start(["apply", "-f", "-"], input: web + many)
      sk_sleep(Int32(delay))
      if apply.kill() == 128 + SIGKILL { killed += 1 }
      let client = try Socket(.v4, SK_TCP)
      try client.connect(vip)
      _ = try pods.accept()
      try checkEqual(try client.peerName, vip, "getpeername after a kill at \(delay) ms")
      // Whoever comes next mends it.
      try sandbox.succeed(["apply", "-f", "-"], input: web + many)
      try checkEqual(try sandbox.succeed(["dump", "-o", "json"]).output, whole, "the table")
      try sandbox.succeed(["apply", "-f", "-", "--prune"], input: web)
      try checkEqual(
        try sandbox.succeed(["dump", "frontends"]).output.split(separator: "\n").count, 1,
        "lines of the dump after --prune")
    }
    try check(killed >= 5, "only \(killed) of 16 were killed in time")
  },
]
