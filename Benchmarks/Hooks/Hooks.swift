import Glibc
import ServiceDataplane
import SocketKit

struct HookOptions {
  var rounds = 15
  var count = 2000
  var services = 1
  var names: [String] = []
  var format = "text"
  /// Directory and cgroup, in the process that measures.
  var inside: (directory: String, cgroup: String)?

  static let usage = """
    usage: socklb-bench hooks [--rounds N] [--count N] [--services N] [--case TEXT]… [-o FORMAT]

      --rounds N     how often everything is measured (15)
      --count N      operations in one reading (2000)
      --services N   services in the table (1)
      --case TEXT    only cases with this in their name; several: any of them
      -o FORMAT      text, json or markdown
    """

  init(_ arguments: some Sequence<String>) throws {
    var rest = Array(arguments)[...]
    func value() throws -> String {
      guard let value = rest.popFirst() else { throw Wrong(what: Self.usage) }
      return value
    }
    func number(_ range: ClosedRange<Int>) throws -> Int {
      guard let number = Int(try value()), range.contains(number) else {
        throw Wrong(what: Self.usage)
      }
      return number
    }
    while let option = rest.popFirst() {
      switch option {
      case "--rounds": rounds = try number(1...1000)
      case "--count": count = try number(1...100_000)
      case "--services": services = try number(1...30_000)
      case "--case": names.append(try value())
      case "-o": format = try value()
      case "--help": throw Wrong(what: Self.usage)
      case "--inside": inside = (try value(), try value())
      default: throw Wrong(what: Self.usage)
      }
    }
    guard !cases.isEmpty else {
      throw Wrong(what: "the cases are:\n" + HookCase.all.map(\.name).joined(separator: "\n"))
    }
    guard ["text", "json", "markdown"].contains(format) else { throw Wrong(what: Self.usage) }
  }

  var cases: [HookCase] {
    names.isEmpty
      ? HookCase.all : HookCase.all.filter { test in names.contains { test.name.contains($0) } }
  }
}

/// What each hook costs in the kernel.
enum Hooks {
  static func run(_ arguments: some Sequence<String>) throws -> Int32 {
    let arguments = Array(arguments)
    let options = try HookOptions(arguments)
    guard let inside = options.inside else { return try outside(arguments) }
    var bench = try HookBench(options, directory: inside.directory, cgroup: inside.cgroup)
    var results: [HookResult] = []
    for test in options.cases {
      results.append(try bench.run(test))
    }
    let report = HookReport(options: options, results: results, notes: bench.notes)
    try StandardStreams.write(Array(report.rendered.utf8), to: .output)
    return 0
  }

  /// Makes cgroup and directory, measures in another process, and removes them whatever happens.
  private static func outside(_ arguments: [String]) throws -> Int32 {
    let cgroup = try Cgroup.root().path + "/socklb-bench-\(getpid())"
    var template = Array("/tmp/socklb-bench.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Wrong(what: "no temporary directory") }
    let directory = String(
      decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    let cgroups = [cgroup, cgroup + "/servers", cgroup + "/clients"]
    sk_catch_signals()
    defer {
      for path in cgroups.reversed() { remove(path) }
      rmdir(directory)
    }
    for path in cgroups where mkdir(path, 0o755) != 0 {
      throw Wrong(what: "mkdir \(path): errno \(errno)")
    }
    let command = ["/proc/self/exe", "hooks"] + arguments + ["--inside", directory, cgroup]
    var copies: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    copies.append(nil)
    defer { for copy in copies { free(copy) } }
    let child = try Call.check(sk_spawn(copies, 0, 1, 2), "starting the measuring process")
    for _ in 0..<6000 {
      let code = sk_wait_child(child, 100)
      if code != -EAGAIN { return code }
      if sk_caught_signal() != 0 { break }
    }
    kill(child, SIGKILL)
    _ = sk_wait_child(child, 5000)
    return 1
  }

  /// A process that was killed leaves its cgroup a moment later.
  private static func remove(_ cgroup: String) {
    for _ in 0..<500 where rmdir(cgroup) != 0 && errno == EBUSY { sk_sleep(10) }
  }
}
