import Glibc
import SocketKit

/// Everything at once: docs/testing.md, "Torture".
let tortureTests: [KernelTest] = [
  KernelTest(
    "torture_1_000_000_connects_and_10_000_changes", inVM: false,
    timeLimit: Int(tortureSeconds) + 180
  ) { sandbox in
    try torture(
      sandbox,
      Torture.Bars(
        connects: 1_000_000, changes: 10_000, seconds: tortureSeconds...tortureSeconds + 130))
  }.alone("it keeps all processors busy by itself, and its bars are for a time"),
  KernelTest("torture_3_000_connects_and_200_changes", timeLimit: 120) { sandbox in
    try torture(sandbox, Torture.Bars(connects: 3_000, changes: 200, seconds: 5...90))
  }.inVMOnly,
  KernelTest("torture_without_grace_periods_is_caught", timeLimit: 150) { sandbox in
    let test = try Torture(
      sandbox,
      Torture.Bars(
        connects: .max, changes: .max, seconds: 0...120, withoutGracePeriods: true))
    let (totals, changes, _) = try test.run()
    try check(
      totals.errors > 0,
      "nothing went wrong although nobody waited: \(changes) changes, \(totals.text)")
    print("\(changes) changes, \(totals.text): \(test.firstError)")
  },
]

/// TORTURE_SECONDS: how long at least; longer if the machine is slow, until there is enough.
private let tortureSeconds: Int = {
  getenv("TORTURE_SECONDS").flatMap { Int(String(cString: $0)) } ?? 15
}()

private func torture(_ sandbox: Sandbox, _ bars: Torture.Bars) throws {
  let test = try Torture(sandbox, bars)
  let start = sk_milliseconds()
  let (totals, changes, snapshots) = try test.run()
  let report = "\(changes) changes, \(snapshots) snapshots, \(totals.text)"
  try check(totals.errors == 0, "\(test.firstError); \(report)")
  try check(totals.connects >= bars.connects, "too few connects: \(report)")
  try check(changes >= bars.changes, "too few changes: \(report)")
  try check(snapshots >= bars.snapshots, "too few snapshots: \(report)")
  try check(totals.slow > 0 && totals.tcp > 0 && totals.datagrams > 0, report)
  // Both happen now and then by right: the bars for that are not dead letters.
  try check(totals.refused_rightly > 0 && totals.untranslated_rightly > 0, report)
  print("\((sk_milliseconds() - start) / 1000) s: \(report)")
}
