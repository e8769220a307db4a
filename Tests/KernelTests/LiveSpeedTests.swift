import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// From rename(2) of one file to a connect that comes to the new backend.
///
/// `LIVE_SERVICES` says among how many Services, each with a file of its own, `LIVE_CHANGES` how many
/// changes, `LIVE_PAUSE` how many milliseconds lie between two, `LIVE_FIGURES` a file that gets the
/// result. `LIVE_KIND=service` changes whole Services instead of their slices.
let liveSpeedTests: [KernelTest] = [
  KernelTest("live_a_change_is_seen_in_time", inVM: false, timeLimit: 600) { try speed($0) }
    .alone("it measures milliseconds")
]

private func number(_ name: String, _ standard: Int) -> Int {
  getenv(name).flatMap { Int(String(cString: $0)) } ?? standard
}

private func speed(_ sandbox: Sandbox) throws {
  let count = number("LIVE_SERVICES", 500)
  let changes = number("LIVE_CHANGES", 40)
  let pause = number("LIVE_PAUSE", 150)
  let isService = getenv("LIVE_KIND").map { String(cString: $0) } == "service"
  func vip(_ number: Int) -> Place {
    Place("172.30.\(number / 250).\(number % 250 + 1)", 80)
  }
  func text(_ number: Int, _ pod: Int, _ round: Int) -> String {
    let slice = Manifest.slice(
      "s\(number)", [Variant.v4.pod(pod)], "UDP")
    return Manifest.service("s\(number)", vip: vip(number), "UDP")
      .replacing(
        "metadata: {",
        with: isService ? "metadata: {annotations: {round: \"\(round)\"}, " : "metadata: {")
      + slice
  }
  for number in 0..<count {
    try Disk.write(text(number, 1, 0), to: sandbox.manifests + "/s\(number).yaml")
  }
  let begin = sk_milliseconds()
  let run = try LiveCommand(sandbox, capacity: [])
  let startTime = sk_milliseconds() - begin
  var times: [Int] = []
  var renaming = 0
  var pods = [Int](repeating: 1, count: count)
  for round in 0..<changes {
    let number = round * 7919 % count
    let pod = pods[number] % 16 + 1
    pods[number] = pod
    let file = sandbox.manifests + "/s\(number).yaml"
    try Disk.write(text(number, pod, round), to: file + ".tmp")
    let wanted = Variant.v4.pod(pod).address
    let before = microseconds()
    try CallFailed.check(rename(file + ".tmp", file) == 0 ? 0 : -errno, "rename")
    let start = microseconds()
    // The file system may wait for its journal there; nobody can have seen the file before.
    renaming = max(renaming, start - before)
    while true {
      let client = try Socket(.v4, SK_UDP)
      try client.connect(vip(number))
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
  let memory =
    try Disk.read("/proc/\(run.process.pid)/status").split(separator: "\n")
    .first { $0.hasPrefix("VmRSS") } ?? ""
  let figures =
    "\(count) services, \(changes) changes, \(pause) ms between them: p50 \(share(50)) ms, "
    + "p90 \(share(90)) ms, p99 \(share(99)) ms, most \(share(100)) ms; \(renaming / 1000) ms in rename at most; start \(startTime) ms; \(memory)"
  if let path = getenv("LIVE_FIGURES") {
    try Disk.write(figures + "\n" + (run.messages.suffix(20000)), to: String(cString: path))
  }
  try run.end()
  try sandbox.checkWhole()
  // Far from what it is on an idle machine: others are at work on this one.
  try check(share(50) < 50, figures)
}

func microseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}
