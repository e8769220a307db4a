import Glibc
import SocketKit

/// Somebody who looks a name up again and again, as real clients do, and writes down what came.
final class DNSClient {
  enum Kind: CaseIterable {
    /// glibc, which connects a socket for each lookup.
    case getaddrinfo
    case getaddrinfoTCP
    case dig
    case digTCP
    /// One socket for all lookups, not connected; it takes replies from the server only.
    case sendto
    /// As systemd-resolved: one connected socket as long as there is no error; then a new one,
    /// and the question is asked again.
    case resolved
  }

  /// One lookup, in milliseconds of the monotonic clock.
  struct Lookup {
    var start: Int
    var end: Int
    /// The answer, or `failed: …`.
    var answer: String
    var hasFailed: Bool { answer.hasPrefix("failed") }
  }

  let name: String
  /// It waits with a connected socket, which is ended when its server goes.
  let isConnected: Bool
  private let log: String
  private let stopFile: String
  private let process: Process

  init(_ kind: Kind, in pod: ClusterPod, of cluster: Cluster, server: String) throws {
    name = "\(kind) to \(server) in \(pod.name)"
    isConnected = kind != .sendto
    let base = cluster.sandbox.directory + "/\(kind)-\(pod.name)-\(server)"
    (log, stopFile) = (base + ".log", base + ".stop")
    var tools = [try Tool.python.path(), "-c", Self.script]
    if kind == .getaddrinfo || kind == .getaddrinfoTCP {
      let options = "timeout:2 attempts:1" + (kind == .getaddrinfoTCP ? " use-vc" : "")
      tools = ["/usr/bin/env", "RES_OPTIONS=\(options)"] + tools
    }
    let way: [String] =
      switch kind {
      case .getaddrinfo, .getaddrinfoTCP: ["getaddrinfo"]
      case .dig: ["dig", try Tool.dig.path()]
      case .digTCP: ["dig", try Tool.dig.path(), "+tcp"]
      case .sendto: ["sendto"]
      case .resolved: ["resolved"]
      }
    process = try pod.run(
      tools + [log, stopFile, KubeDNS.question, server] + way, output: base + ".output")
    try Disk.write("", to: log)
  }

  /// What it has written down so far. The last line may be half a line.
  func lookups() throws -> [Lookup] {
    try Disk.read(log).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map {
      let words = $0.split(separator: " ", maxSplits: 2).map(String.init)
      guard words.count == 3, let start = Int(words[0]), let end = Int(words[1]) else {
        throw Failure("\(name) wrote '\($0)'")
      }
      return Lookup(start: start, end: end, answer: words[2])
    }
  }

  /// Lets it end its last lookup; all of them.
  func stop() throws -> [Lookup] {
    try Disk.write("", to: stopFile)
    try checkEqual(process.wait(seconds: 10), 0, "\(name): \(log)")
    return try lookups()
  }

  private static let script = """
    import os, socket, struct, subprocess, sys, time
    log, stop, name, server, way = sys.argv[1:6]
    family = socket.AF_INET6 if ':' in server else socket.AF_INET
    number, kept = 0, None

    def question():
        global number
        number += 1
        labels = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.'))
        return struct.pack('>6H', number & 0xffff, 0x100, 1, 0, 0, 0) + labels + b'\\0\\0\\1\\0\\1'

    def answer(asked, reply):
        if reply[:2] != asked[:2]: return None
        if reply[3] & 15 or reply[6:8] == b'\\0\\0': raise OSError('rcode %d' % (reply[3] & 15))
        return socket.inet_ntoa(reply[-4:])

    def exchange(send):
        asked = question()
        send(asked)
        while True:
            reply, source = kept.recvfrom(2048)
            if source[:2] != (server, 53): raise OSError('a reply from %s' % (source,))
            found = answer(asked, reply)
            if found: return found

    def new():
        kept = socket.socket(family, socket.SOCK_DGRAM)
        kept.settimeout(2)
        return kept

    def getaddrinfo():
        return socket.getaddrinfo(name, 80, 0, socket.SOCK_STREAM)[0][4][0]

    def dig():
        found = subprocess.run(sys.argv[6:] + ['+short', '+tries=1', '+time=2', '@' + server, name],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if found.returncode: raise OSError('%d %s' % (found.returncode, found.stdout[:200]))
        return found.stdout.strip()

    def sendto():
        global kept
        kept = kept or new()
        return exchange(lambda asked: kept.sendto(asked, (server, 53)))

    def resolved():
        global kept
        for attempt in range(3):
            if not kept:
                kept = new()
                kept.connect((server, 53))
            try:
                return exchange(kept.send)
            except socket.timeout:
                raise
            except OSError as error:
                kept.close()
                kept = None
                problem = error
        raise problem

    def now(): return time.monotonic_ns() // 1000000

    with open(log, 'a', buffering=1) as out:
        while not os.path.exists(stop):
            start = now()
            try:
                found = globals()[way]()
            except OSError as error:
                found = 'failed: %s %s' % (type(error).__name__, error)
            out.write('%d %d %s\\n' % (start, now(), found.replace('\\n', ' ')))
            time.sleep(0.1 if way == 'dig' else 0.02)
    """
}

/// A program that only some tests need.
enum Tool: String {
  case dnsmasq, dig
  case python = "python3"

  func path() throws -> String {
    let found = ["/usr/sbin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/bin/"].map {
      $0 + rawValue
    }.first(where: Disk.exists)
    guard let found else {
      throw Failure("there is no \(rawValue): scripts/install-deps.sh --for test, as root")
    }
    return found
  }
}
