import Glibc
import ServiceDataplane
import SocketKit

/// Where a measuring process runs: a cgroup with two below it, and an empty directory. They are
/// removed however that process ends; its namespaces end with it.
struct Enclosure {
  let directory: String
  let cgroup: String

  var servers: String { cgroup + "/servers" }
  var clients: String { cgroup + "/clients" }

  init(directory: String, cgroup: String) {
    self.directory = directory
    self.cgroup = cgroup
  }

  /// Runs this program again with `arguments` and `--inside DIRECTORY CGROUP`; its exit code.
  static func run(_ arguments: [String], seconds: Int) throws -> Int32 {
    guard geteuid() == 0 else { throw Wrong(what: "this needs root") }
    sk_catch_signals()
    let enclosure = try Enclosure(process: getpid())
    defer { enclosure.remove() }
    for path in [enclosure.cgroup, enclosure.servers, enclosure.clients] {
      if mkdir(path, 0o755) != 0 { throw Wrong(what: "mkdir \(path): errno \(errno)") }
    }
    let command =
      ["/proc/self/exe"] + arguments + ["--inside", enclosure.directory, enclosure.cgroup]
    var copies: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    copies.append(nil)
    defer { for copy in copies { free(copy) } }
    let child = try Call.check(sk_spawn(copies, 0, 1, 2), "starting the measuring process")
    for _ in 0..<seconds * 10 {
      let code = sk_wait_child(child, 100)
      if code != -EAGAIN { return code }
      if sk_caught_signal() != 0 { break }
    }
    let why = sk_caught_signal() != 0 ? "interrupted" : "not done after \(seconds) seconds"
    try? StandardStreams.write(Array("socklb-bench: \(why)\n".utf8), to: .error)
    kill(child, SIGKILL)
    _ = sk_wait_child(child, 5000)
    return 1
  }

  private init(process: pid_t) throws {
    cgroup = try Cgroup.root().path + "/socklb-bench-\(process)"
    var template = Array("/tmp/socklb-bench.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Wrong(what: "no temporary directory") }
    directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// What a killed process had started, an `nft -f` for instance, ends too.
  private func remove() {
    for path in [servers, clients] {
      let file = Glibc.open(path + "/cgroup.kill", O_WRONLY | O_CLOEXEC)
      guard file >= 0 else { continue }
      _ = write(file, "1", 1)
      close(file)
    }
    for path in [clients, servers, cgroup] {
      // A process that was killed leaves its cgroup a moment later.
      for _ in 0..<500 where rmdir(path) != 0 && errno == EBUSY { sk_sleep(10) }
    }
    rmdir(directory)
  }

  /// Sockets belong to the cgroup in which they are made.
  static func join(_ cgroup: String) throws {
    let file = Glibc.open(cgroup + "/cgroup.procs", O_WRONLY | O_CLOEXEC)
    defer { close(file) }
    guard file >= 0, write(file, "0", 1) == 1 else {
      throw Wrong(what: "joining \(cgroup): errno \(errno)")
    }
  }
}
