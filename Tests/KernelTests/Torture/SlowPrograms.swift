import BPFLoader
import BPFTestObject
import Glibc
import ServiceDataplane

/// A second set of the programs on the same maps, for another cgroup: those that wait between their
/// reads. Attached for as long as this lives.
final class SlowPrograms {
  private var links: [CgroupLink] = []

  init(_ sandbox: Sandbox, cgroup: String, waiting milliseconds: Int) throws {
    let fd = try CallFailed.check(
      open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "opening \(cgroup)")
    let directory = FileDescriptor(owning: fd)
    guard let elf = SlowObject.elf(waiting: milliseconds) else {
      throw Failure("SVC_TEST_DELAY is not in the object")
    }
    let object = try OpenObject(elf: elf, name: "slow")
    for name in object.mapNames {
      let path = sandbox.pin + (name == "header" ? "/header" : "/maps/\(name)")
      try object.reuse(BPFMap(pinned: path), as: name)
    }
    try TallyShape.tell(object)
    let loaded = try object.load()
    for hook in SocketHook.allCases {
      links.append(
        try CgroupLink.attach(
          loaded.program(hook.rawValue), to: directory, as: hook, cgroupPath: cgroup))
    }
  }
}
