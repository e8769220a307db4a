// SAFETY, all of this file: pointers given to C live until the call returns, and point to values
// that nobody else uses meanwhile.

import CKernel
import Glibc
import ServiceMaps

/// A frontend and its backend on loopback addresses, with sockets that hold both ports until the
/// value goes.
@safe final class CanaryPlace {
  private var place: ck_canary_place

  let vip: IPAddress
  let backend: IPAddress

  /// - Returns: nil when the port is taken.
  init?(vip: IPAddress, backend: IPAddress, port: Port) throws(DataplaneError) {
    self.vip = vip
    self.backend = backend
    var place = ck_canary_place()
    // Nothing to close before ck_canary_open has said so.
    place.held = (-1, -1)
    place.servers = (-1, -1)
    self.place = place
    place.family = vip.family == .v4 ? 4 : 6
    place.vip_port = port.number
    unsafe withUnsafeMutableBytes(of: &place.vip) { unsafe $0.copyBytes(from: vip.bytes) }
    unsafe withUnsafeMutableBytes(of: &place.backend) { unsafe $0.copyBytes(from: backend.bytes) }
    let code = unsafe ck_canary_open(&place)
    if code == -EADDRINUSE { return nil }
    if code != 0 { throw .system("opening sockets at \(vip) and \(backend)", errno: -code) }
    self.place = place
  }

  deinit { unsafe ck_canary_close(&place) }

  var port: Port? { Port(place.vip_port) }
  var backendPort: Port? { Port(place.backend_port) }

  fileprivate var raw: ck_canary_place { place }
}

/// A child in a scratch cgroup that uses the frontends; killed when the value goes.
@safe final class CanaryChild {
  private var canary = ck_canary()
  private static let patience: Int32 = 15_000

  /// - Parameter cgroup: the directory that the child moves into.
  init(
    cgroup: String, v4: CanaryPlace?, v6: CanaryPlace?
  ) throws(DataplaneError) {
    // A family of 0 is left out.
    var places = (v4?.raw ?? ck_canary_place(), v6?.raw ?? ck_canary_place())
    let procs = unsafe open(cgroup + "/cgroup.procs", O_WRONLY | O_CLOEXEC)
    guard procs >= 0 else { throw .failed("opening \(cgroup)/cgroup.procs", errno: errno) }
    defer { close(procs) }
    let code = unsafe withUnsafePointer(to: &places) { places in
      unsafe places.withMemoryRebound(to: ck_canary_place.self, capacity: 2) { places in
        unsafe ck_canary_start(&canary, procs, places)
      }
    }
    if code != 0 { throw .system("starting a child process", errno: -code) }
  }

  deinit { end() }

  /// Kills it and waits for its end.
  func end() {
    guard canary.pid > 0 else { return }
    unsafe ck_canary_end(&canary)
    canary.pid = 0
  }

  /// What it found, and the cookies of its sockets, which are still open.
  func report() throws(DataplaneError) -> (
    results: [CanaryOutcome.Way: [CanaryOutcome.Step: CanaryOutcome.Result]], cookies: Set<UInt64>
  ) {
    var report = ck_canary_report()
    let code = unsafe ck_canary_report(&canary, &report, Self.patience)
    if code != 0 { throw .system("waiting for the canary's report", errno: -code) }
    if report.error != 0 {
      throw .failed("moving a process into the scratch cgroup", errno: -report.error)
    }
    let steps = Int(CK_CANARY_STEPS.rawValue)
    let outcomes = unsafe withUnsafeBytes(of: report.outcome) {
      unsafe Array($0.bindMemory(to: Int32.self))
    }
    let cookies = unsafe withUnsafeBytes(of: report.cookies) {
      unsafe Array($0.bindMemory(to: UInt64.self))
    }
    var results: [CanaryOutcome.Way: [CanaryOutcome.Step: CanaryOutcome.Result]] = [:]
    // Both are in the order of ck_canary_report.
    for (way, name) in CanaryOutcome.Way.allCases.enumerated() {
      for (step, stepName) in CanaryOutcome.Step.allCases.enumerated() {
        results[name, default: [:]][stepName] = Self.result(outcomes[way * steps + step])
      }
    }
    return (results, Set(cookies).subtracting([0]))
  }

  /// It closes its sockets; they are closed when this returns.
  func closeSockets() throws(DataplaneError) {
    let code = unsafe ck_canary_release(&canary, Self.patience)
    if code != 0 { throw .system("waiting for the canary to close its sockets", errno: -code) }
  }

  private static func result(_ code: Int32) -> CanaryOutcome.Result {
    if code < 0 { return .failed(SystemText.error(-code)) }
    switch ck_canary_outcome(UInt32(code)) {
    case CK_CANARY_OK: return .works
    case CK_CANARY_UNTRANSLATED: return .untranslated
    case CK_CANARY_WRONG: return .wrongAddress
    case CK_CANARY_SILENT: return .noAnswer
    default: return .untested
    }
  }
}
