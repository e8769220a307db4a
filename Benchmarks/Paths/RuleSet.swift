import Glibc
import PathKit
import ServiceMaps

/// Rules that do what kube-proxy's do, in the chains that kube-proxy makes.
enum RuleSet: String {
  case iptables
  case nft

  var name: String { rawValue }

  /// The tool that takes the rules on standard input. Of Debian's two variants of iptables-restore
  /// the other one (nf_tables) needs minutes for 5,000 Services.
  var command: [String] {
    switch self {
    case .iptables: ["iptables-legacy-restore", "-w", "5", "--noflush"]
    case .nft: ["nft", "-f", "-"]
    }
  }

  /// What the tool takes, one after the other.
  func texts(_ services: PathServices) -> [String] {
    switch self {
    case .iptables: [IPTablesRules(services: services).text]
    case .nft: NFTablesRules(services: services).texts
    }
  }

  /// As long and as little ordered as the names that kube-proxy makes of hashes.
  static func hash(_ kind: UInt64, _ number: Int, _ transport: TransportProtocol, length: Int)
    -> String
  {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
    var state = kind << 56 ^ UInt64(number) << 1 ^ (transport == .udp ? 1 : 0)
    var text: [UInt8] = []
    for _ in 0..<length {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
      text.append(digits[Int((mixed ^ mixed >> 31) % 32)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// A program of the system.
struct PathTool {
  private let path: String
  private let arguments: [String]

  init(_ command: [String]) throws {
    guard let name = command.first else { throw Wrong(what: "no command") }
    let places = ["/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"].map { $0 + name }
    guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
      throw Wrong(what: "there is no \(name): scripts/install-deps.sh --for bench")
    }
    self.path = path
    arguments = Array(command.dropFirst())
  }

  /// In this thread's network namespace; nanoseconds.
  @discardableResult
  func run(_ input: PathInput, seconds: Int32 = 60) throws -> Int64 {
    var copies: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
    copies.append(nil)
    defer { for copy in copies { free(copy) } }
    // What it says goes where complaints go: standard output is for the report.
    return try Call.check(
      pk_run(copies, input.file, 2, seconds * 1000),
      "\(path) \(arguments.joined(separator: " "))")
  }
}

/// What a tool reads, in memory.
final class PathInput {
  let file: Int32

  init(_ text: String) throws {
    var text = text
    file = try text.withUTF8 { bytes in
      try Call.check(pk_memory_file(bytes.baseAddress, Int64(bytes.count)), "keeping rules")
    }
  }

  deinit { close(file) }
}
