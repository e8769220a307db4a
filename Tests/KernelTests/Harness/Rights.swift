import Glibc
import SocketKit

/// Runs a command as somebody else: `socklb-kernel-tests --as USER:GROUP:CAPABILITIES COMMAND…`.
struct Rights {
  enum Capability: UInt64, CaseIterable {
    case netAdmin = 12
    case perfmon = 38
    case bpf = 39

    var text: String {
      switch self {
      case .netAdmin: "CAP_NET_ADMIN"
      case .perfmon: "CAP_PERFMON"
      case .bpf: "CAP_BPF"
      }
    }
  }

  var user: Int32
  var group: Int32
  var capabilities: UInt64
  private var command: [String] = []

  init(user: Int32, group: Int32, _ capabilities: [Capability] = []) {
    self.user = user
    self.group = group
    self.capabilities = capabilities.reduce(0) { $0 | 1 << $1.rawValue }
  }

  init?(commandLine: [String]) {
    guard commandLine.count > 3, commandLine[1] == "--as" else { return nil }
    let numbers = commandLine[2].split(separator: ":").compactMap { UInt64($0) }
    guard numbers.count == 3 else { return nil }
    user = Int32(numbers[0])
    group = Int32(numbers[1])
    capabilities = numbers[2]
    command = Array(commandLine.dropFirst(3))
  }

  /// What to put in front of a command.
  var wrapper: [String] { ["/proc/self/exe", "--as", "\(user):\(group):\(capabilities)"] }

  func execute() -> Never {
    var copies: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    copies.append(nil)
    let code = sk_execute_as(user, group, capabilities, copies)
    say("executing \(command): errno \(-code)")
    exit(125)
  }
}
