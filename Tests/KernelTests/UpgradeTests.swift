import BPFLoader
import BPFObject
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// Other programs take the place of those that are attached, while applications go on.
let upgradeTests: [KernelTest] = [
  KernelTest("upgrade_does_nothing_when_the_programs_are_the_same") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let before = try Dataplane(pin: sandbox.pin).attachments().map(\.programID)
    let said = try sandbox.succeed(["upgrade"])
    try check(said.errors.contains("nothing was changed"), said.all)
    let again = try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try check(again.errors.contains("already attached, nothing was changed"), again.all)
    try checkEqual(
      try Dataplane(pin: sandbox.pin).attachments().map(\.programID), before, "program ids")
  },
  KernelTest("upgrade_by_the_command_keeps_what_sockets_and_services_have") { sandbox in
    let udp = try Pods(.v4, SK_UDP, 1...4)
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let manifest = Manifest.both("web", vip: vip, udp.places, "UDP")
    try sandbox.succeed(["apply", "-f", "-"], input: manifest)
    let dataplane = try Dataplane(pin: sandbox.pin)
    try check(try dataplane.upgrade(programs: otherBuild()).replaced > 0, "another build")
    let connected = try Socket(.v4, SK_UDP)
    try connected.connect(vip)
    let sender = try Socket(.v4, SK_UDP)
    try sender.send("x", to: vip)
    let pod = try udp.echo()
    try checkEqual(try sender.receive()?.from, vip, "the source of a reply before")
    let counted = try dataplane.counters(of: "shop/web").translated

    let said = try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try check(said.errors.contains("replaced"), said.all)

    try checkEqual(try connected.peerName, vip, "getpeername after the upgrade")
    try sender.send("x", to: vip)
    try checkEqual(try udp.echo(), pod, "the backend of a socket that has one")
    try checkEqual(try sender.receive()?.from, vip, "the source of a reply after")
    try checkEqual(try dataplane.counters(of: "shop/web").translated, counted + 1, "translated")
    try check(try sandbox.succeed(["upgrade"]).errors.contains("nothing was changed"), "again")
  },
  KernelTest("upgrade_that_was_killed_is_finished_by_the_next_command") { sandbox in
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let manifest = Manifest.both("web", vip: vip, [Variant.v4.pod(1)])
    let dataplane = try Dataplane(pin: sandbox.pin)
    let tags = try dataplane.attachments().map(\.tag)
    _ = try dataplane.upgrade(programs: otherBuild())
    try check(try dataplane.attachments().map(\.tag) != tags, "the other build has the same tags")
    try header(sandbox).store(UInt32(1), at: 0, offset: offset(\.switching))
    let said = try sandbox.succeed(["apply", "-f", "-"], input: manifest)
    try check(said.errors.contains("finished an upgrade"), said.all)
    try checkEqual(try dataplane.attachments().map(\.tag), tags, "tags")
    try check(!dataplane.tables.isSwitching, "still switching")
  },
  KernelTest("upgrade_refuses_what_a_newer_release_attached") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try header(sandbox).store(UInt32(9 << 16 | 8 << 8 | 7), at: 0, offset: offset(\.version))
    let said = try sandbox.run(["upgrade"])
    try check(
      said.code == 1 && said.errors.contains("9.8.7")
        && said.errors.contains(ReleaseVersion.current.description), said.all)
    try header(sandbox).store(UInt32(99), at: 0, offset: offset(\.layout_version))
    for command in [["upgrade"], ["attach", "--cgroup", sandbox.cgroup], ["dump"]] {
      let said = try sandbox.run(command)
      try check(
        said.code == 1 && said.errors.contains("layout 99") && said.errors.contains("9.8.7"),
        said.all)
    }
  },
  KernelTest("upgrade_attaches_a_hook_that_is_missing") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    for cgroup in Disk.list(sandbox.pin + "/links") {
      Disk.remove(sandbox.pin + "/links/\(cgroup)/connect4")
    }
    try checkEqual(try sandbox.run(["status"]).code, 1, "status")
    let said = try sandbox.succeed(["upgrade"])
    try check(said.errors.contains("what was missing to \(sandbox.cgroup): connect4"), said.all)
    try sandbox.succeed(["status"])
  },
  KernelTest("upgrade_between_two_builds_while_clients_connect", inVM: false, timeLimit: 2400) {
    let whole = Int(getenvText("UPGRADES"))
    try upgradeUnderLoad($0, whole: whole ?? 8, switches: whole == nil ? 200 : 1000)
  },
  KernelTest("upgrade_a_few_times_while_clients_connect", timeLimit: 240) {
    try upgradeUnderLoad($0, whole: 4, switches: 20)
  }.inVMOnly,
]

private func header(_ sandbox: Sandbox) throws -> MappedArray<svc_header> {
  try MappedArray(BPFMap(pinned: sandbox.pin + "/header"))
}

private func offset(_ member: PartialKeyPath<svc_header>) -> Int {
  MemoryLayout<svc_header>.offset(of: member) ?? -1
}

func getenvText(_ name: String) -> String {
  getenv(name).map { String(cString: $0) } ?? ""
}

/// The programs with another constant in the mixing function that draws backends: as good a
/// build, with other tags.
func otherBuild() throws -> [UInt8] {
  var elf = CompiledObject.socklb.elf
  let constant: [UInt8] = [0xeb, 0x11, 0x31, 0x13]
  var found = 0
  for start in 0..<elf.count - 4 where Array(elf[start..<start + 4]) == constant {
    elf[start] = 0xed
    found += 1
  }
  try check(found > 0, "the constant 0x94d049bb133111eb is not in the programs")
  return elf
}

private func upgradeUnderLoad(_ sandbox: Sandbox, whole: Int, switches: Int) throws {
  let variant = Variant.v4
  let targets = (1...8).map { number in
    ConnectLoad.Target(
      vip: variant.vip(number), transport: number % 4 == 0 ? .tcp : .udp,
      backends: [variant.pod(number), variant.pod(number + 8)])
  }
  let dataplane = try sandbox.attach(
    targets.map { try frontend($0.vip, $0.transport, of: "test/\($0.vip.port)", $0.backends) })
  let builds = [try otherBuild(), CompiledObject.socklb.elf]
  let load = try ConnectLoad(variant, targets, pods: 1...16)
  do {
    for number in 0..<whole {
      let result = try dataplane.upgrade(programs: builds[number % 2])
      try check(result.replaced >= 4, "upgrade \(number) replaced \(result.replaced)")
    }
    let first = try dataplane.loadPrograms(builds[0])
    let second = try dataplane.loadPrograms(builds[1])
    for number in 0..<switches {
      let result: Dataplane.Upgrade
      if number % 2 == 0 {
        result = try dataplane.switchLinks(to: first, always: true)
      } else {
        result = try dataplane.switchLinks(to: second, always: true)
      }
      try checkEqual(result.replaced, 9, "links that were switched")
    }
  } catch {
    _ = try? load.stop()
    throw error
  }
  let connects = try load.stop()
  let counters = try dataplane.tables.readSnapshot(withCounters: true).counters.values
  try checkEqual(counters.reduce(0) { $0 + $1.refused }, 0, "refused")
  try checkEqual(counters.reduce(0) { $0 + $1.translated }, UInt64(connects), "translated")
  try check(connects > 100, "only \(connects) connects")
  print("\(whole) upgrades, \(switches) switches of all links, \(connects) connects")
}
