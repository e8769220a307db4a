import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Attach and detach, in this process.
private let hooks = SocketHook.allCases.count

let lifeTests: [KernelTest] = [
  KernelTest("life_attach_detach_attach") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    let vip = Variant.v4.vip(1)
    for _ in 1...3 {
      try sandbox.attach([frontend(vip, .tcp, pods.places)])
      let client = try Socket(.v4, SK_TCP)
      try client.connect(vip)
      let connection = try pods.accept().connection
      try sandbox.detach()
      try checkEqual(
        try Socket(.v4, SK_TCP).connectError(vip), networkUnreachable, "connect after detach")
      // What is connected stays connected.
      try client.send("still there")
      try checkEqual(try connection.receive()?.text, "still there", "after detach")
    }
  },
  KernelTest("life_detach_leaves_no_pin_link_or_program") { sandbox in
    let before = sandbox.pins
    var dataplane: Dataplane? = try sandbox.attach()
    let attachments = try dataplane?.attachments() ?? []
    try checkEqual(attachments.map(\.hook), SocketHook.allCases.map(\.rawValue).sorted(), "hooks")
    for attachment in attachments {
      try checkEqual(attachment.cgroupPath, sandbox.cgroup, "the cgroup")
      try check(attachment.isLive, "\(attachment.hook) is dead")
      try checkEqual(attachment.tag.utf8.count, 16, "digits of the tag \(attachment.tag)")
      try check(BPFProgram(id: attachment.programID) != nil, "no program \(attachment.programID)")
    }
    try checkEqual(try Dataplane.detach(pin: sandbox.pin), hooks, "links that were ended")
    dataplane = nil
    try checkEqual(sandbox.pins, before, "the bpffs")
    // The kernel frees programs a moment later, from a work queue.
    for attachment in attachments {
      for _ in 0..<1000 where BPFProgram(id: attachment.programID) != nil { sk_sleep(2) }
      try check(
        BPFProgram(id: attachment.programID) == nil, "the program of \(attachment.hook) remains")
    }
    try checkEqual(try Dataplane.detach(pin: sandbox.pin), nil, "detach of nothing")
  },
  KernelTest("life_uses_no_file_descriptor_when_it_is_over") { sandbox in
    func cycle() throws {
      let dataplane = try sandbox.attach()
      for number in 1...3 {
        try dataplane.serve([frontend(Variant.v4.vip(number), .tcp, [Variant.v4.pod(1)])])
      }
      _ = try Dataplane(pin: sandbox.pin).tables.readSnapshot(withCounters: true)
      _ = try dataplane.attachments()
      try sandbox.detach()
    }
    func openFiles() -> [String] { Disk.list("/proc/self/fd") }
    try cycle()
    let before = openFiles()
    for _ in 1...3 { try cycle() }
    try checkEqual(openFiles(), before, "/proc/self/fd")
    // A failure in the middle leaves none behind either.
    do {
      try sandbox.attach(
        [frontend(Variant.v4.vip(1), .tcp, (1...16).map { Variant.v4.pod($0) })],
        capacities: Capacities(services: 1, frontends: 1, backends: 4))
      throw Failure("a table that does not fit was accepted")
    } catch DataplaneError.capacity {}
    try check(!Dataplane.isAttached(pin: sandbox.pin), "attached after a failure")
    try checkEqual(sandbox.pins, [], "the bpffs after a failure")
    try checkEqual(openFiles(), before, "/proc/self/fd after a failure")
  },
  KernelTest("life_two_cgroups_attached_and_a_third_untouched") { sandbox in
    let pods = try Pods(.v4, SK_UDP, 1...1)
    let vip = Variant.v4.vip(1)
    let cgroups = try ["one", "two", "three"].map(sandbox.makeCgroup)
    let dataplane = try sandbox.attach(
      [frontend(vip, .udp, pods.places)], to: Array(cgroups.prefix(2)))
    try checkEqual(try dataplane.attachments().count, 2 * hooks, "attachments")
    for (cgroup, error) in zip(cgroups, [0, 0, networkUnreachable]) {
      try Sandbox.join(cgroup)
      try checkEqual(try Socket(.v4, SK_UDP).connectError(vip), error, "connect in \(cgroup)")
    }
    // The parent of both is not attached either.
    try Sandbox.join(sandbox.cgroup)
    try checkEqual(
      try Socket(.v4, SK_UDP).connectError(vip), networkUnreachable, "connect in the parent")
  },
  KernelTest("life_child_cgroups_are_translated_too") { sandbox in
    let pods = try Pods(.v4, SK_UDP, 1...1)
    let vip = Variant.v4.vip(1)
    _ = try sandbox.makeCgroup("before")
    try sandbox.attach([frontend(vip, .udp, pods.places)])
    for name in ["before", "after", "after/below"] {
      if name != "before" { _ = try sandbox.makeCgroup(name) }
      try Sandbox.join(sandbox.cgroup + "/" + name)
      let client = try Socket(.v4, SK_UDP)
      try client.connect(vip)
      try client.send(name)
      try checkEqual(try pods.receive().datagram.text, name, "the datagram")
    }
  },
  KernelTest("life_a_removed_cgroup_is_shown_as_dead") { sandbox in
    let cgroup = try sandbox.makeCgroup("short")
    let dataplane = try sandbox.attach(to: [cgroup, sandbox.cgroup])
    try CallFailed.check(rmdir(cgroup) == 0 ? 0 : -errno, "rmdir")
    for _ in 0..<200 where try dataplane.attachments().count(where: \.isLive) != hooks {
      sk_sleep(20)
    }
    let live = try dataplane.attachments().filter(\.isLive)
    try checkEqual(live.count, hooks, "attachments that live")
    try check(live.allSatisfy { $0.cgroupPath == sandbox.cgroup }, "the wrong ones live")
    try checkEqual(try Dataplane.detach(pin: sandbox.pin), 2 * hooks, "links that were ended")
  },
]
