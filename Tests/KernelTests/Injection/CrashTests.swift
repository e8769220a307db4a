import BPFLoader
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// The real command is killed before each of its system calls, and a writer of the library before
/// each of its stores.
let crashTests: [KernelTest] =
  Scenario.all.map { scenario in
    KernelTest(
      "crash_in_\(scenario.name.replacing(" ", with: "_"))", inVM: false,
      timeLimit: InjectionLimit.timeLimit
    ) { sandbox in
      try killBeforeEachCall(scenario, sandbox)
    }
  } + [
    KernelTest(
      "crash_that_left_only_the_disk_changed_is_finished_by_a_refused_command", inVM: false
    ) { sandbox in
      let arguments = ["delete", "service", "shop/s3"]
      let before = Scenario(
        name: "delete service", arguments: arguments,
        before: .attached(.init(backends: [1: [1, 2], 3: [3]])),
        after: .attached(.init(backends: [1: [1, 2]])))
      try sandbox.establish(before)
      let calls = try sandbox.systemCalls(of: arguments, input: nil)
      try sandbox.establish(before)
      guard
        let rename = calls.lastIndex(where: {
          $0.name == "rename" && $0.arguments.contains("/objects\"")
        }),
        let first = calls[rename...].first(where: { $0.name == "bpf" && $0.changesState })
      else { throw Failure("no kill between disk and kernel: \(calls)") }
      let killed = try sandbox.run(arguments, input: nil, disturbing: first, by: .kill)
      try checkEqual(killed.code, 128 + SIGKILL, killed.all)
      let next = try sandbox.run(arguments)
      try check(next.code == 1 && next.errors.contains("finished a change"), next.all)
      try sandbox.checkTraffic(.attached(.init(backends: [1: [1, 2]])), after: "the next command")
      try checkEqual(try sandbox.measure().frontends?.count, 1, "frontends")
    },
    KernelTest("crash_before_each_store", timeLimit: 180) { sandbox in
      try killBeforeEachStore(sandbox)
    },
  ]

private func killBeforeEachCall(_ scenario: Scenario, _ sandbox: Sandbox) throws {
  try sandbox.establish(scenario)
  var command = try scenario.commandLine(sandbox)
  let calls = try sandbox.systemCalls(of: command, input: scenario.input)
  let after = try sandbox.measure()
  try sandbox.establish(scenario)
  command = try scenario.commandLine(sandbox)
  let kills = InjectionLimit.shuffled(calls.filter(\.changesState))
  let start = sk_milliseconds()
  var tried = 0
  for call in kills {
    if InjectionLimit.isReached(since: start, tried) { break }
    let what = "kill -9 before \(call)"
    let outcome = try sandbox.run(command, input: scenario.input, disturbing: call, by: .kill)
    if outcome.code == 0 {
      // How often a hash has to be asked for all of it differs from run to run.
      try sandbox.establish(scenario)
      command = try scenario.commandLine(sandbox)
      continue
    }
    try checkEqual(outcome.code, 128 + SIGKILL, "\(what): \(outcome.all)")
    tried += 1
    try sandbox.checkTraffic(scenario.before, scenario.after, after: what)
    // Attached as a whole, or not at all: then nothing leads anywhere.
    if case .detached(let objects) = scenario.before, !Dataplane.isAttached(pin: sandbox.pin) {
      try sandbox.checkTraffic(.detached(objects), after: what)
    }
    let next = try sandbox.run(command, input: scenario.input)
    try check(next.code == 0, "the next command after \(what): \(next.all)")
    let found = try sandbox.measure()
    try check(
      found == after, "the next command after \(what): \(found.difference(from: after))")
    try sandbox.checkTraffic(scenario.after, after: what)
    if case .attached = scenario.after { try sandbox.succeed(["status"]) }
    try sandbox.establish(scenario)
    command = try scenario.commandLine(sandbox)
  }
  try check(tried >= min(5, kills.count), "only \(tried) kills")
  print("\(scenario.name): \(tried) of \(kills.count) kills")
}

/// A writer of the library, in a process of its own, is killed before its first store, its second
/// and so on, until it comes to its end.
private func killBeforeEachStore(_ sandbox: Sandbox) throws {
  func table(_ objects: [Int: [Int]], _ names: String) throws -> [Frontend] {
    try objects.sorted { $0.key < $1.key }.map { number, pods in
      let variant: Variant = number % 2 == 0 ? .v6 : .v4
      return try frontend(
        variant.vip(number), .udp, of: "test/\(names)\(number % 4)", portName: "p\(number)",
        pods.map { variant.pod($0) })
    }
  }
  let before = [1: [1, 2], 2: [1, 2], 3: [3], 4: [4], 5: [5, 6], 8: [7], 9: [8, 9]]
  let after = [1: [1, 2], 2: [2], 3: [7], 4: [4, 8], 6: [9, 10], 7: [3], 8: [7], 9: [10, 11]]
  // Services 8 and 9 stay, under other names.
  let old = try table(before, "old")
  let new = try table(after, "new")
  let dataplane = try sandbox.attach(old)
  let states = [before, after].map { Scenario.State.attached(.init(backends: $0)) }
  var store = 0
  while true {
    store += 1
    let child = try CallFailed.check(sk_fork(), "fork")
    if child == 0 {
      StoreTrap.countdown.store(store, ordering: .relaxed)
      do { try dataplane.serve(new) } catch { _exit(1) }
      _exit(0)
    }
    let code = sk_wait_child(child, 20_000)
    let what = "kill -9 before store \(store)"
    try sandbox.checkTraffic(states[0], states[1], after: what)
    for (frontends, state) in [(new, states[1]), (old, states[0])] {
      try dataplane.serve(frontends)
      let snapshot = try dataplane.tables.readSnapshot()
      try check(snapshot.isConsistent, "after \(what): a writer seems to be at work")
      try checkEqual(try dataplane.tables.strayTallies(), 0, "free ids with counts after \(what)")
      try checkEqual(
        snapshot.table, ServiceTable(frontends: frontends), "the table after \(what)")
      try sandbox.checkTraffic(state, after: what)
    }
    if code == 0 { break }
    try checkEqual(code, 128 + SIGKILL, what)
  }
  try check(store > 50, "only \(store) stores")
  print("\(store - 1) stores, killed before each")
}
