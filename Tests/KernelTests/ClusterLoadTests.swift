import APIServerKit
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// From an event of the API server to a connect that comes to the new backend, and a start.
///
/// `CLUSTER_SERVICES` says among how many Services with a slice of 10 endpoints each, `CLUSTER_CHANGES`
/// how many changes, `CLUSTER_PAUSE` how many milliseconds lie between two, `CLUSTER_FIGURES` a file
/// that gets the result. `CLUSTER_CHURN_SECONDS` is how long the churn lasts.
let clusterLoadTests: [KernelTest] = [
  KernelTest("cluster_a_change_is_seen_in_time", inVM: false, timeLimit: 600) { try speed($0) }
    .alone("it measures milliseconds"),
  KernelTest("cluster_a_flood_of_changes_is_kept_up_with", inVM: false, timeLimit: 600) {
    try flood($0)
  }.alone("it takes what two processors can do"),
  KernelTest("cluster_ten_thousand_services_fit_in_120_MB", inVM: false) { try size($0) },
  KernelTest("cluster_churn_leaves_nothing_behind", inVM: false, timeLimit: 900) { try churn($0) },
]

private func number(_ name: String, _ standard: Int) -> Int {
  getenv(name).flatMap { Int(String(cString: $0)) } ?? standard
}

private func note(_ figures: String) throws {
  print(figures)
  guard let path = getenv("CLUSTER_FIGURES").map({ String(cString: $0) }) else { return }
  let before = (try? Disk.read(path)) ?? ""
  try Disk.write(before + figures + "\n", to: path)
}

private func memory(_ run: LiveCommand) throws -> String {
  let lines = try Disk.read("/proc/\(run.process.pid)/status").split(separator: "\n")
  return ["VmRSS", "VmHWM"].compactMap { name in
    lines.first { $0.hasPrefix(name) }.map {
      $0.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
  }.joined(separator: ", ")
}

/// The one endpoint of a Service that is looked at, beside those that are only there.
private func slice(_ number: Int, _ pod: Int) -> String {
  Manifest.slice("s\(number)", [Variant.v4.pod(pod)], "UDP")
}

private func vip(_ number: Int) -> Place {
  Place("172.29.\(number / 250).\(number % 250 + 1)", 80)
}

private func speed(_ sandbox: Sandbox) throws {
  let count = number("CLUSTER_SERVICES", 500)
  let changes = number("CLUSTER_CHANGES", 40)
  let pause = number("CLUSTER_PAUSE", 100)
  let watched = 50
  let cluster = try TestCluster(sandbox)
  try cluster.server.putServices(count, endpoints: 10)
  for number in 0..<watched {
    try cluster.server.apply(
      Manifest.service("s\(number)", vip: vip(number), "UDP") + slice(number, 1))
  }
  let begin = sk_milliseconds()
  let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, capacity: [])
  let started = sk_milliseconds()
  while true {
    let client = try Socket(.v4, SK_UDP)
    // Before it is served there is no way to it.
    if client.connectError(vip(0)) == 0,
      try client.ownName.address == Variant.v4.pod(1).address
    {
      break
    }
    if sk_milliseconds() - begin > 60_000 { throw Failure("not served: \(run.messages)") }
    sk_sleep(5)
  }
  let served = sk_milliseconds()
  sk_sleep(500)
  let afterStart = try memory(run)
  var times: [Int] = []
  for round in 0..<changes {
    let pod = round / watched % 15 + 2
    let wanted = Variant.v4.pod(pod).address
    let text = slice(round % watched, pod)
    let start = microseconds()
    try cluster.server.apply(text)
    while true {
      let client = try Socket(.v4, SK_UDP)
      try client.connect(vip(round % watched))
      // A socket that connects to an address of its own host gets that as its own.
      if try client.ownName.address == wanted { break }
      if microseconds() - start > 10_000_000 { throw Failure("change \(round) is not seen") }
    }
    times.append(microseconds() - start)
    sk_sleep(Int32(pause))
  }
  times.sort()
  func share(_ percent: Int) -> Double {
    Double(times[min(times.count - 1, times.count * percent / 100)]) / 1000
  }
  try note(
    "\(count) services with 10 endpoints, \(changes) changes, \(pause) ms between them: p50 \(share(50)) ms, "
      + "p90 \(share(90)) ms, p99 \(share(99)) ms, most \(share(100)) ms; attached after "
      + "\(started - begin) ms, served after \(served - started) ms more; \(afterStart); at the end "
      + (try memory(run)))
  try cluster.awaitTruth(sandbox)
  try run.end()
}

private func flood(_ sandbox: Sandbox) throws {
  let count = number("CLUSTER_SERVICES", 500)
  let seconds = number("CLUSTER_SECONDS", 5)
  let rate = number("CLUSTER_RATE", 1000)
  let cluster = try TestCluster(sandbox)
  try cluster.server.putServices(count, endpoints: 10)
  try cluster.server.apply(Manifest.service("s0", vip: vip(0), "UDP") + slice(0, 1))
  let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, capacity: [])
  try cluster.awaitTruth(sandbox)
  let begin = sk_milliseconds()
  var made = 0
  while sk_milliseconds() - begin < seconds * 1000 {
    let due = (Int(sk_milliseconds()) - Int(begin)) * rate / 1000
    while made < due {
      try cluster.server.put(
        APIServer.slice(made * 7919 % count, endpoints: 10, variant: made % 200))
      made += 1
    }
    sk_sleep(2)
  }
  // The last one comes behind all others.
  try cluster.server.apply(slice(0, 2))
  let end = microseconds()
  while true {
    let client = try Socket(.v4, SK_UDP)
    try client.connect(vip(0))
    if try client.ownName.address == Variant.v4.pod(2).address { break }
    if microseconds() - end > 30_000_000 { throw Failure("the last change is not seen") }
  }
  let behind = Double(microseconds() - end) / 1000
  try note(
    "\(made) changes in \(seconds) s among \(count) services: in force \(behind) ms after the last; "
      + (try memory(run)))
  try cluster.awaitTruth(sandbox)
  try check(made >= seconds * rate * 9 / 10, "the test itself was too slow: \(made) changes")
  try check(behind < 5000, "it has fallen behind by \(behind) ms")
  try run.end()
}

/// What is kept of 10,000 Services and as many slices of 10 endpoints, when the start is over.
private func size(_ sandbox: Sandbox) throws {
  let cluster = try TestCluster(sandbox)
  try cluster.server.putServices(10_000, endpoints: 10)
  let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, capacity: [])
  try run.waitFor("changed 20000 objects", seconds: 60)
  // Until the objects are stored, and what that has needed is given back.
  var found = ""
  for _ in 0..<20 {
    sk_sleep(500)
    found = try memory(run)
    if (residentKilobytes(found) ?? .max) <= 120 * 1024 {
      print(found)
      return try run.end()
    }
  }
  throw Failure("ten seconds after the start: \(found)")
}

/// Of what `memory` says.
private func residentKilobytes(_ text: String) -> Int? {
  text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
}

/// A day of changes in a short time: nothing grows.
private func churn(_ sandbox: Sandbox) throws {
  let seconds = number("CLUSTER_CHURN_SECONDS", 60)
  let seed = getenv("CLUSTER_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1...9999)
  print("CLUSTER_SEED=\(seed)")
  var random = SeededNumbers(seed: seed)
  let count = 300
  let cluster = try TestCluster(sandbox)
  let server = cluster.server
  try server.putServices(count, endpoints: 4)
  let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, capacity: [])
  try cluster.awaitTruth(sandbox)
  let statm = "/proc/\(run.process.pid)/statm"
  func kilobytes() throws -> Int {
    (try Disk.read(statm).split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4
  }
  func files() -> Int { Disk.list("/proc/\(run.process.pid)/fd").count }
  /// Everything as it was at the start.
  func settle() throws {
    for number in 0..<count {
      try server.put(APIServer.service(number))
      try server.put(APIServer.slice(number, endpoints: 4))
    }
    try cluster.awaitTruth(sandbox, seconds: 60)
    sk_sleep(1000)
  }
  var changes = 0
  func disturb(_ milliseconds: Int) throws {
    let begin = sk_milliseconds()
    while sk_milliseconds() - begin < milliseconds {
      for _ in 0..<50 {
        let number = Int(random.next() % UInt64(count))
        switch random.next() % 10 {
        case 0: _ = try server.delete("Service", "load-\(number % 10)", "svc-\(number)")
        case 1: _ = try server.delete("EndpointSlice", "load-\(number % 10)", "svc-\(number)-1")
        case 2: try server.put(APIServer.service(number))
        default:
          try server.put(
            APIServer.slice(
              number, endpoints: Int(random.next() % 5), variant: Int(random.next() % 200)))
        }
        changes += 1
      }
      switch random.next() % 40 {
      case 0: server.dropConnections(byReset: true)
      case 1: server.disturbWatches(.expired)
      case 2: server.compact()
      case 3: server.disturbWatches(.cutEvent)
      default: break
      }
      sk_sleep(30)
    }
  }
  // What is only made once, and what a table of this size needs, is there after a tenth of it.
  try disturb(seconds * 100)
  try settle()
  let (memory, descriptors) = (try kilobytes(), files())
  let before = try mapUse(sandbox)
  try disturb(seconds * 900)
  try settle()
  let (memoryAfter, descriptorsAfter) = (try kilobytes(), files())
  let after = try mapUse(sandbox)
  try note(
    "\(changes) changes in \(seconds) s: RSS \(memory / 1024) MB, then \(memoryAfter / 1024) MB; descriptors "
      + "\(descriptors), then \(descriptorsAfter); maps \(before), then \(after)")
  try checkEqual(after, before, "what is in use of the maps")
  try check(descriptorsAfter <= descriptors + 2, "descriptors: \(descriptors), \(descriptorsAfter)")
  // What an allocator keeps differs from time to time.
  try check(memoryAfter <= memory * 5 / 4 + 8192, "memory: \(memory) KB, \(memoryAfter) KB")
  try run.end()
  try sandbox.checkWhole()
}

/// As `status` says it, of one family.
private func mapUse(_ sandbox: Sandbox) throws -> String {
  try sandbox.succeed(["status"]).output.split(separator: "\n")
    .first { $0.hasPrefix("IPv4") }.map(String.init) ?? "nothing"
}
