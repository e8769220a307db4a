import Glibc

/// One system call of a command: the `number`-th of its name, counted from 1 in the main thread.
struct SystemCall: CustomStringConvertible {
  var name: String
  var number: Int
  /// As strace writes it, from the parenthesis on.
  var arguments: String

  /// The command of a bpf() call.
  var command: String { String(arguments.prefix { $0 != "," && $0 != ")" }) }

  /// Whether it changes anything that outlives the process.
  var changesState: Bool {
    switch name {
    case "bpf":
      let changing = [
        "UPDATE", "DELETE", "LINK_CREATE", "LINK_DETACH", "LINK_UPDATE", "OBJ_PIN", "MAP_FREEZE",
      ]
      return changing.contains(where: command.contains)
    case "write": return !isOutput
    case "openat": return arguments.contains("O_CREAT")
    default: return true
    }
  }

  /// Type information, which libbpf loads mostly to find out what the kernel knows.
  var isProbe: Bool { command == "BPF_BTF_LOAD" }

  /// To standard output or error.
  var isOutput: Bool { name == "write" && (command == "1" || command == "2") }

  var description: String { "\(name) \(number) (\(arguments.prefix(60)))" }
}

/// What strace does to one system call.
enum Injection: CustomStringConvertible {
  case error(String)
  /// Before the call does anything.
  case kill
  /// Until SIGCONT comes.
  case stop

  var description: String {
    switch self {
    case .error(let name): name
    case .kill: "kill -9"
    case .stop: "a stop"
    }
  }

  fileprivate var isError: Bool {
    if case .error = self { true } else { false }
  }

  fileprivate var option: String {
    switch self {
    case .error(let name): "error=\(name)"
    case .kill: "signal=KILL"
    case .stop: "signal=STOP"
    }
  }
}

extension Sandbox {
  private static let strace = "/usr/bin/strace"
  private static let traced =
    "bpf,write,fsync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,openat,flock"

  /// The system calls of a command that succeeds, in their order.
  func systemCalls(of arguments: [String], input: String?) throws -> [SystemCall] {
    let log = directory + "/strace"
    let outcome = try run(
      arguments, input: input,
      by: [Self.strace, "--seccomp-bpf", "-f", "-qq", "-o", log, "-e", "trace=\(Self.traced)"])
    try check(outcome.code == 0, "strace socklb \(arguments): \(outcome.all)")
    var counts: [String: Int] = [:]
    var main: Substring?
    var calls: [SystemCall] = []
    for line in try Disk.read(log).split(separator: "\n") {
      guard let blank = line.firstIndex(of: " ") else { continue }
      let pid = line[..<blank]
      main = main ?? pid
      let text = line[blank...].drop { $0 == " " }
      guard pid == main, text.first?.isLetter == true, let parenthesis = text.firstIndex(of: "(")
      else { continue }
      let name = String(text[..<parenthesis])
      counts[name, default: 0] += 1
      calls.append(
        SystemCall(
          name: name, number: counts[name, default: 0],
          arguments: String(text[text.index(after: parenthesis)...])))
    }
    try check(!calls.isEmpty, "strace saw nothing of \(arguments)")
    return calls
  }

  /// Runs a command and disturbs one of its system calls.
  func run(
    _ arguments: [String], input: String?, disturbing call: SystemCall, by injection: Injection
  ) throws -> Outcome {
    do {
      // libbpf takes a failed probe for a missing feature; the verifier may need half a minute to
      // refuse what is left then.
      return try run(
        arguments, input: input, by: disturbing(call, by: injection), seconds: 300)
    } catch {
      throw Failure("\(injection) at \(call): \(error)")
    }
  }

  func disturbing(_ call: SystemCall, by injection: Injection) -> [String] {
    // With --seccomp-bpf, which is faster, strace 6.1 injects errors and no signals.
    [Self.strace] + (injection.isError ? ["--seccomp-bpf"] : []) + [
      "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call.name)",
      "-e", "inject=\(call.name):\(injection.option):when=\(call.number)",
    ]
  }
}
