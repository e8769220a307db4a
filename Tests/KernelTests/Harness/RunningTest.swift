import Glibc
import SocketKit

/// A test that was begun: its process, its directory and its cgroup.
final class RunningTest {
  struct Result: CustomStringConvertible {
    var name: String
    /// nil when there was none.
    var failure: String?
    /// In milliseconds: how long it took, and for how long processors worked for it.
    var (took, computed): (Int, Int)

    var description: String {
      let times = "(\(seconds(took)) s, of processors \(seconds(computed)) s)"
      guard let failure else { return "ok \(name) \(times)" }
      return "FAIL \(name): \(failure) \(times)"
    }
  }

  private let test: KernelTest
  private let cgroup: String
  private let start = sk_milliseconds()
  private var directory: String?
  private var process: Process?
  private var failure: String?

  var name: String { test.name }
  var isAlone: Bool { test.isAlone }
  private var output: String { (directory ?? "") + "/output" }

  init(_ test: KernelTest, cgroup: String, socklb: String) {
    self.test = test
    self.cgroup = cgroup
    do { try begin(socklb) } catch { failure = "\(error)" }
  }

  private func begin(_ socklb: String) throws {
    var template = Array("/tmp/socklb-kernel-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure("no temporary directory") }
    let made = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    directory = made
    try CallFailed.check(mkdir(cgroup, 0o755) == 0 ? 0 : -errno, "mkdir \(cgroup)")
    process = try Process(
      [
        "/proc/self/exe", "--run", test.name, "--directory", made, "--cgroup", cgroup,
        "--socklb", socklb,
      ], output: output, errors: output)
  }

  /// What became of it, when it has come to an end; it is brought to one when its time is up or the
  /// tests are interrupted. Nothing of it is left then.
  func result(isInterrupted: Bool) -> Result? {
    let took = sk_milliseconds() - start
    let isLate = took > test.timeLimit * 1000
    if let process {
      let code = process.ended
      if code == nil && !isLate && !isInterrupted { return nil }
      if code == nil { process.kill() }
      failure = isInterrupted ? "interrupted" : reason(code)
    }
    let computed = processorTime()
    Self.removeCgroup(cgroup)
    if let directory { Disk.remove(directory) }
    return Result(name: name, failure: failure, took: took, computed: computed)
  }

  private func reason(_ code: Int32?) -> String? {
    if code == 0 { return nil }
    let text = (try? Disk.read(output)) ?? ""
    let lines = text.split(separator: "\n").suffix(30).joined(separator: "\n    ")
    guard let code else { return "no end after \(test.timeLimit) s\n    \(lines)" }
    return code == 1 ? lines : "exit code \(code)\n    \(lines)"
  }

  /// Milliseconds, of all that ran in its cgroup.
  private func processorTime() -> Int {
    let lines = ((try? Disk.read(cgroup + "/cpu.stat")) ?? "").split(separator: "\n")
    let usage = lines.first { $0.hasPrefix("usage_usec ") }?.split(separator: " ").last
    return usage.flatMap { Int($0) }.map { $0 / 1000 } ?? 0
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
        Glibc.kill(pid, SIGKILL)
      }
      sk_sleep(10)
    }
    say("note: \(path) could not be removed")
  }
}
