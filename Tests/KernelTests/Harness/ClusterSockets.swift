import Glibc
import SocketKit

// Sockets that live as long as a test, in pods that have a process, as all real ones do.

extension Cluster {
  /// A pod in which a process runs: it is by the processes that network namespaces are found.
  func livingPod(_ name: String, udp: [Int] = [], tcp: [Int] = []) throws -> ClusterPod {
    let pod = try self.pod(name, tcp: tcp, udp: udp)
    try pod.run(["/bin/sleep", "600"], output: "/dev/null")
    return pod
  }

  /// Makes these the only objects.
  func apply(pruning manifests: String) throws {
    try sandbox.succeed(["apply", "--prune", "-f", "-"], input: manifests)
  }

  /// What a question came to: which pod answered, and from where the reply seemed to come.
  struct Reply: Equatable {
    var pod: String
    var from: Place
  }

  /// Asks with a socket that is kept; nil when nobody answers.
  func question(_ socket: Socket, to: Place? = nil, tries: Int = 1000) throws -> Reply? {
    if let to { try socket.send("who", to: to) } else { try socket.send("who") }
    return try reply(to: socket, tries: tries)
  }

  /// The next reply that comes to a socket.
  func reply(to socket: Socket, tries: Int = 1000) throws -> Reply? {
    for _ in 0..<tries {
      try answerAll()
      if let reply = try socket.receive(within: 1) {
        let words = reply.text.split(separator: " ").map(String.init)
        guard words.count == 2 else { throw Failure("a reply said '\(reply.text)'") }
        return Reply(pod: words[0], from: reply.from)
      }
    }
    return nil
  }

  /// Asks, and expects a pod's name and the address that was asked.
  @discardableResult
  func ask(
    with socket: Socket, to: Place, isConnected: Bool, _ what: @autoclosure () -> String,
    line: Int = #line, file: String = #fileID
  ) throws -> String {
    guard let reply = try question(socket, to: isConnected ? nil : to) else {
      throw Failure("\(what()): no answer (\(file):\(line))")
    }
    try checkEqual(reply.from, to, "\(what()): where the reply came from", line: line, file: file)
    return reply.pod
  }
}

extension ClusterPod {
  func socket(_ variant: Variant, _ type: sk_type) throws -> Socket {
    try inside { try Socket(variant, type) }
  }

  /// Starts a program in the pod's network namespace. It ends with the test.
  @discardableResult
  func run(_ arguments: [String], output: String) throws -> Process {
    let process = try inside { try Process(arguments, output: output, errors: output) }
    processes.append(process)
    return process
  }

  /// The address that the family of a variant has here.
  func address(_ variant: Variant) -> String { variant == .v6 ? address6 : address }

  /// The same, as a client's socket writes it.
  func seen(_ variant: Variant, _ port: Int) -> Place {
    Place(variant == .mapped ? "::ffff:" + address : address(variant), port)
  }
}

extension Socket {
  /// The application finds its socket ended: it wakes, reads ECONNABORTED once, cannot send, and
  /// has no peer. (A UDP socket says EDESTADDRREQ when it sends: the error code of a socket that
  /// is not connected overrides the one that waits.)
  func checkEnded(_ what: @autoclosure () -> String, line: Int = #line, file: String = #fileID)
    throws
  {
    try check(
      sk_wait(descriptor, 0, 0) == 1, "\(what()): it sleeps on, its peer is \(peerText)",
      line: line, file: file)
    do {
      let received = try receive(within: 0)
      throw Failure("\(what()): received \(String(describing: received)) (\(file):\(line))")
    } catch let error as CallFailed {
      try checkEqual(error.code, ECONNABORTED, "\(what()): recv", line: line, file: file)
    }
    do {
      try send("to nobody")
      throw Failure("\(what()): send succeeds (\(file):\(line))")
    } catch let error as CallFailed {
      try check(
        [ECONNABORTED, EDESTADDRREQ, EPIPE].contains(error.code), "\(what()): \(error)",
        line: line, file: file)
    }
    try checkEqual(peerText, "none", "\(what()): the peer", line: line, file: file)
  }

  /// Nothing was done to it.
  func checkAlive(
    _ peer: Place?, _ what: @autoclosure () -> String, line: Int = #line, file: String = #fileID
  ) throws {
    try checkEqual(-sk_error(descriptor), 0, "\(what()): SO_ERROR", line: line, file: file)
    try checkEqual(
      peerText, peer?.description ?? "none", "\(what()): the peer", line: line, file: file)
  }

  /// The peer, or that there is none.
  var peerText: String {
    do {
      return try peerName.description
    } catch let error as CallFailed where error.code == ENOTCONN {
      return "none"
    } catch {
      return "\(error)"
    }
  }

  /// The socket of a descriptor that came from elsewhere.
  static func taken(from descriptor: Int32) throws -> Socket {
    Socket(owning: try CallFailed.check(descriptor, "taking a socket"))
  }
}
