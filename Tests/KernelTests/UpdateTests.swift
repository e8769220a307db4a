import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// Connecting while the table changes.
let updateTests: [KernelTest] = [
  KernelTest("backends_replaced_1000_times_while_clients_connect", inVM: false, timeLimit: 180) {
    sandbox in
    try replaceWhileConnecting(sandbox, versions: 1000)
  },
  KernelTest("backends_replaced_100_times_while_clients_connect", timeLimit: 180) { sandbox in
    try replaceWhileConnecting(sandbox, versions: 100)
  }.inVMOnly,
]

/// Which versions of the table may be seen: `done` is in force, `begun` may be.
private final class Versions: Sendable {
  let begun = Atomic(0)
  let done = Atomic(0)
  let stop = Atomic(false)
}

/// One thread replaces all backends of a service, again and again; in the other one, connected
/// and unconnected sockets use it. Each must reach a backend of a version that was in force at
/// some time during the call: no older one, no backend that was not written yet, no refusal.
private func replaceWhileConnecting(_ sandbox: Sandbox, versions count: Int) throws {
  let pods = try AnyPods(.v4)
  let vip = Variant.v4.vip(1)
  let bystander = Variant.v4.vip(2)
  // Lists of different lengths, so that slots are cut and joined; long ones, so that a list that
  // is seen before its slots are written is caught.
  @Sendable func frontends(_ version: Int) throws -> [Frontend] {
    let backends = (0...(version * 37 % 61)).map { Variant.v4.pod(1024 + version * 64 + $0) }
    return [
      try frontend(vip, .udp, backends),
      try frontend(bystander, .udp, of: "test/bystander", [Variant.v4.pod(1)]),
    ]
  }
  func version(of pod: Place) throws -> Int {
    let parts = pod.address.split(separator: ".").compactMap { Int($0) }
    guard parts.count == 4 else { throw Failure("reached \(pod)") }
    return (parts[2] * 256 + parts[3] - 1024) / 64
  }
  let dataplane = try sandbox.attach(try frontends(0))
  let versions = Versions()
  let writer = try Background {
    defer { versions.stop.store(true, ordering: .releasing) }
    for version in 1...count {
      versions.begun.store(version, ordering: .sequentiallyConsistent)
      try dataplane.serve(frontends(version))
      versions.done.store(version, ordering: .sequentiallyConsistent)
    }
  }
  let sticky = try Socket(.v4, SK_UDP)
  var connects = 0
  var seen = Set<Int>()
  do {
    while !versions.stop.load(ordering: .acquiring) {
      for how in 0..<3 {
        let oldest = versions.done.load(ordering: .sequentiallyConsistent)
        let client = how == 2 ? sticky : try Socket(.v4, SK_UDP)
        let target = connects % 16 == 0 && how == 0 ? bystander : vip
        if how == 0 {
          try client.connect(target)
          try client.send("x")
        } else {
          try client.send("x", to: target)
        }
        let newest = versions.begun.load(ordering: .sequentiallyConsistent)
        let pod = try pods.receive().pod
        if target == bystander {
          try checkEqual(pod, Variant.v4.pod(1), "the backend of the other service")
        } else {
          let reached = try version(of: pod)
          try check(
            (oldest...newest).contains(reached),
            "reached version \(reached), while \(oldest)…\(newest) were in force (way \(how))")
          seen.insert(reached)
        }
      }
      connects += 1
    }
  } catch {
    try? writer.join()
    throw error
  }
  try writer.join()
  try check(seen.count > count / 10, "only \(seen.count) of \(count) versions were seen")
  let counters = try dataplane.counters(of: "test/web")
  try checkEqual(counters.refused, 0, "refused")
  try checkEqual(
    counters.translated + (try dataplane.counters(of: "test/bystander").translated),
    UInt64(connects * 3), "translated")
}
