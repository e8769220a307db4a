import Glibc
import ServiceDataplane
import SocketKit

/// The parent process: runs each test in a process of its own and cleans up behind it.
struct Runner {
  var socklb: String

  /// - Returns: the exit code.
  func run(_ tests: [KernelTest]) -> Int32 {
    guard let root = try? Cgroup.root().path else {
      say("kernel tests: no cgroup2 file system is mounted")
      return 69
    }
    sk_catch_signals()
    var failed: [String] = []
    var skipped = 0
    for (number, test) in tests.enumerated() {
      if let feature = test.missingFeature {
        say("skip \(test.name): \(feature.name) comes with Linux \(feature.since)")
        skipped += 1
        continue
      }
      let start = sk_milliseconds()
      let reason = run(test, cgroup: "\(root)/socklb-test-\(getpid())-\(number)")
      let time = "\(seconds(since: start)) s"
      if let reason {
        say("FAIL \(test.name): \(reason) (\(time))")
        failed.append(test.name)
      } else {
        say("ok \(test.name) (\(time))")
      }
      if sk_caught_signal() != 0 { return 128 + sk_caught_signal() }
    }
    for name in failed { say("failed: \(name)") }
    say("kernel tests: \(tests.count - skipped) run, \(skipped) skipped")
    return failed.isEmpty ? 0 : 1
  }

  /// - Returns: why the test failed; nil when it did not.
  private func run(_ test: KernelTest, cgroup: String) -> String? {
    var template = Array("/tmp/socklb-kernel-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { return "no temporary directory" }
    let directory = String(
      decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { Disk.remove(directory) }
    guard mkdir(cgroup, 0o755) == 0 else { return "mkdir \(cgroup): errno \(errno)" }
    defer { Self.removeCgroup(cgroup) }
    let output = directory + "/output"
    let process: Process
    do {
      process = try Process(
        [
          "/proc/self/exe", "--run", test.name, "--directory", directory, "--cgroup", cgroup,
          "--socklb", socklb,
        ], output: output, errors: output)
    } catch {
      return "\(error)"
    }
    let code = process.wait(seconds: test.timeLimit) { sk_caught_signal() != 0 }
    if sk_caught_signal() != 0 { return "interrupted" }
    if code == 0 { return nil }
    let text = (try? Disk.read(output)) ?? ""
    let lines = text.split(separator: "\n").suffix(30).joined(separator: "\n    ")
    guard let code else { return "no end after \(test.timeLimit) s\n    \(lines)" }
    return code == 1 ? lines : "exit code \(code)\n    \(lines)"
  }

  /// Ends what a test left running in its cgroup, and removes the cgroup.
  private static func removeCgroup(_ path: String) {
    for name in Disk.list(path) where Disk.isDirectory(path + "/" + name) {
      removeCgroup(path + "/" + name)
    }
    for _ in 0..<500 {
      if rmdir(path) == 0 || errno == ENOENT { return }
      let left = (try? Disk.read(path + "/cgroup.procs")) ?? ""
      for pid in left.split(separator: "\n").compactMap({ pid_t($0) }) where pid != getpid() {
        kill(pid, SIGKILL)
      }
      sk_sleep(10)
    }
    say("note: \(path) could not be removed")
  }

  private func seconds(since start: Int) -> String {
    let hundredths = (sk_milliseconds() - start) / 10
    return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
  }
}

/// One line on standard output, at once.
func say(_ line: String) {
  print(line)
  fflush(nil)
}
