import Glibc
import SocketKit

/// A `socklb run` that follows a directory beside the test.
final class LiveCommand {
  let process: Process
  private let errors: String
  private static let small = [
    "--max-services", "512", "--max-frontends", "1024", "--max-backends", "2048",
  ]

  /// Starts it and waits until it serves what the directory says.
  ///
  /// - Parameter waits: false: it may leave at once.
  convenience init(
    _ sandbox: Sandbox, _ options: [String] = [], name: String = "run", directory: String? = nil,
    capacity: [String] = small, waits: Bool = true, by wrapper: [String] = []
  ) throws {
    let directory = directory ?? sandbox.manifests
    try self.init(
      sandbox, following: ["--manifests", directory], options, name: name, capacity: capacity,
      by: wrapper)
    if waits { try waitFor("following \(directory)") }
  }

  /// Starts it and waits until it follows the cluster of a kubeconfig.
  convenience init(
    _ sandbox: Sandbox, kubeconfig: String, _ options: [String] = [], name: String = "run",
    capacity: [String] = small, waits: Bool = true
  ) throws {
    try self.init(
      sandbox,
      following: [
        "--kubeconfig", kubeconfig, "--node-name", "node-1", "--node-ip", "192.0.2.1",
      ], options, name: name, capacity: capacity, by: [])
    if waits { try waitFor("following the cluster") }
  }

  private init(
    _ sandbox: Sandbox, following source: [String], _ options: [String], name: String,
    capacity: [String], by wrapper: [String]
  ) throws {
    errors = sandbox.directory + "/\(name).err"
    process = try Process(
      wrapper + [sandbox.socklb, "run"] + source + ["--cgroup", sandbox.cgroup]
        + capacity + options + ["--pin", sandbox.pin, "--state", sandbox.state],
      output: sandbox.directory + "/\(name).out", errors: errors)
  }

  var messages: String { (try? Disk.read(errors)) ?? "" }

  /// Waits until it has said something, so many times.
  func waitFor(
    _ text: String, times: Int = 1, seconds: Int = 20, line: Int = #line, file: String = #fileID
  ) throws {
    for _ in 0..<seconds * 100 {
      if messages.split(separator: "\n").count(where: { $0.contains(text) }) >= times { return }
      if process.ended != nil { break }
      sk_sleep(10)
    }
    throw Failure("socklb run did not say '\(text)' (\(file):\(line)): \(messages)")
  }

  /// Ends it; the exit code is 0.
  func end(_ signal: Int32 = SIGTERM, line: Int = #line, file: String = #fileID) throws {
    kill(process.pid, signal)
    let code = process.wait(seconds: 20)
    let said = messages
    try checkEqual(code, 0, "socklb run: \(said)", line: line, file: file)
  }
}

extension Sandbox {
  /// A directory for manifests, which is there.
  var manifests: String {
    let path = directory + "/manifests"
    mkdir(path, 0o755)
    return path
  }

  /// Writes a file as careful programs do: beside it, and renamed.
  func put(_ text: String, _ name: String) throws {
    let path = manifests + "/" + name
    try Disk.write(text, to: path + ".tmp")
    try CallFailed.check(rename(path + ".tmp", path) == 0 ? 0 : -errno, "rename")
  }

  func link(_ target: String, _ name: String) throws {
    try CallFailed.check(
      symlink(target, manifests + "/" + name) == 0 ? 0 : -errno, "symlink \(name)")
  }
}

/// Waits until a new socket comes to this pod, and no other.
func awaitAnswer(
  _ vip: Place, _ pods: Pods, _ pod: Place, seconds: Int = 10, line: Int = #line,
  file: String = #fileID
) throws {
  var last = "nobody"
  for _ in 0..<seconds * 200 {
    let client = try Socket(pods.variant, SK_TCP)
    if client.connectError(vip) == 0 {
      let found = try pods.accept().pod
      if found == pod { return }
      last = "\(found)"
    } else {
      last = "nobody"
    }
    sk_sleep(5)
  }
  throw Failure("\(vip) leads to \(last), not to \(pod) (\(file):\(line))")
}

/// Waits until the address leads nowhere.
func awaitNobody(
  _ vip: Place, _ pods: Pods, seconds: Int = 10, line: Int = #line, file: String = #fileID
) throws {
  for _ in 0..<seconds * 200 {
    let client = try Socket(pods.variant, SK_TCP)
    if client.connectError(vip) != 0 { return }
    _ = try pods.accept()
    sk_sleep(5)
  }
  throw Failure("\(vip) is served still (\(file):\(line))")
}
