import Glibc

/// Tests of the data plane with real sockets on the running kernel.
@main
struct KernelTests {
  static let usage = """
    usage: socklb-kernel-tests [--socklb PATH] [--filter TEXT] [--part K/N] [--jobs N]
                               [--vm | --every-kernel] [--list]
      --socklb PATH   the command to test (default: the one beside this program)
      --filter TEXT   only tests with TEXT in their names
      --part K/N      only each N-th of these, from the K-th on
      --jobs N        so many at a time, but for those that have to be alone (default: as many as
                      there are processors, 2 at most)
      --vm            those that say something about another kernel, and that fit into a virtual machine
      --every-kernel  of these only those that `make test` runs on every kernel
      --list          print the names
    """

  static func main() {
    if let wrapped = Rights(commandLine: CommandLine.arguments) { wrapped.execute() }
    var options: [String: String] = [:]
    var arguments = CommandLine.arguments.dropFirst()
    while let argument = arguments.popFirst() {
      switch argument {
      case "--vm", "--every-kernel", "--list": options[argument] = ""
      case "--socklb", "--filter", "--part", "--jobs", "--run", "--directory", "--cgroup":
        guard let value = arguments.popFirst() else { stop(usage, 64) }
        options[argument] = value
      default: stop(usage, 64)
      }
    }
    let socklb = options["--socklb"] ?? besideThisProgram("socklb")
    if let name = options["--run"] {
      guard let directory = options["--directory"], let cgroup = options["--cgroup"],
        let test = allTests.first(where: { $0.name == name })
      else { stop(usage, 64) }
      run(test, in: Sandbox(directory: directory, cgroup: cgroup, socklb: socklb))
    }
    let all = allTests.filter { test in
      (options["--vm"] == nil ? test.runsHere : test.runsInVM)
        && (options["--every-kernel"] == nil || EveryKernel.names.contains(test.name))
        && (options["--filter"].map(test.name.contains) ?? true)
    }
    let part = (options["--part"] ?? "1/1").split(separator: "/").map { Int($0) ?? 0 }
    guard part.count == 2, part[1] > 0, (1...part[1]).contains(part[0]) else { stop(usage, 64) }
    let jobs =
      options["--jobs"].map { Int($0) ?? 0 } ?? min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 2)
    guard jobs > 0 else { stop(usage, 64) }
    let tests = stride(from: part[0] - 1, to: all.count, by: part[1]).map {
      options["--vm"] == nil ? all[$0] : all[$0].slowed
    }
    if options["--list"] != nil {
      for test in tests { print(test.name) }
      return
    }
    guard getuid() == 0 else {
      stop("the kernel tests need root: CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN", 77)
    }
    guard access(socklb, X_OK) == 0 else { stop("there is no \(socklb); see --socklb", 64) }
    exit(Runner(socklb: socklb, jobs: jobs).run(tests))
  }

  /// The child process: one test, from beginning to end.
  private static func run(_ test: KernelTest, in sandbox: Sandbox) -> Never {
    do {
      try sandbox.enter()
      try test.body(sandbox)
    } catch {
      stop("\(error)", 1)
    }
    exit(0)
  }

  private static func besideThisProgram(_ name: String) -> String {
    guard let resolved = realpath("/proc/self/exe", nil) else { return name }
    defer { free(resolved) }
    let path = String(cString: resolved)
    return path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/" + name
  }

  private static func stop(_ message: String, _ code: Int32) -> Never {
    let line = message + "\n"
    write(STDERR_FILENO, line, line.utf8.count)
    exit(code)
  }
}

let allTests: [KernelTest] =
  connectTests + tallyTests + refusalTests + datagramTests + threadTests + stickyTests + memoryTests
  + reconnectTests + rotationTests
  + choiceTests + largeTableTests + updateTests + residentTests + tableTests + capacityTests
  + keptTests + policyTests + verdictTests + mishapTests + graceTests + lifeTests + layoutTests
  + keyTests
  + commandTests + socketDumpTests + traceTests + traceReaderTests + topTests + explainTests
  + explainAgreementTests
  + manifestTests + stateTests + historyTests + verifyTests + liveTests + liveLifeTests
  + liveSpeedTests + liveFaultTests + liveOutageTests + clusterTests + clusterFaultTests
  + clusterLoadTests + liveBesideTests
  + serviceE2ETests + serviceE2EPolicyTests + serviceE2EAffinityTests
  + churnTests + tortureTests + faultTests + crashTests + readerTests
  + complaintTests + terminationTests + lostSocketTests
  + recordReuseTests + socketLifeTests + flowTests + upgradeTests + growthTests
  + migrationTests
  + everyKernelTests + dnsTests + doctorTests + doctorFindingTests + reportTests + rightPlaceTests
  + accessTests
  + capabilityTests
  // The rules are the table's and do not depend on the kernel: once is enough.
  + (ruleTests + endpointRuleTests + changeRuleTests + serviceRuleTests + familyRuleTests)
  .map(\.onThisKernelOnly)
