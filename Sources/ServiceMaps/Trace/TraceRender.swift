/// Writes lines of a trace. Everything here is done 100,000 times a second.
public struct TraceRender: Sendable {
  public enum Format: String, Sendable, CaseIterable {
    case text, json
  }

  /// Where a process is.
  public struct Place: Hashable, Sendable {
    public var pod: PodOfProcess?
    /// `host`, or the name in /run/netns.
    public var namespaceName: String?
    /// nil: not known.
    public var namespaceInode: UInt32?

    public init(
      pod: PodOfProcess? = nil, namespaceName: String? = nil, namespaceInode: UInt32? = nil
    ) {
      self.pod = pod
      self.namespaceName = namespaceName
      self.namespaceInode = namespaceInode
    }
  }

  private let format: Format
  /// CLOCK_REALTIME - CLOCK_MONOTONIC.
  public var clockOffset: Int64
  private var output = OutputBuffer()
  private var second: Int64 = .min
  /// As RFC 3339 has it, up to the seconds.
  private var secondText: ArraySlice<UInt8> = []

  public init(_ format: Format, clockOffset: Int64) {
    self.format = format
    self.clockOffset = clockOffset
  }

  /// What was written since it was taken or cleared.
  public var bytes: [UInt8] { output.bytes }

  /// Keeps the memory, if nobody holds `bytes` any more.
  public mutating func clear() { output.removeAll() }

  /// What was written since the last time.
  public mutating func take() -> [UInt8] {
    let bytes = output.bytes
    output.removeAll()
    return bytes
  }

  public mutating func write(
    _ line: TraceJoin.Line, _ service: ServicePortName?, owner: NamespacedName?, _ place: Place
  ) {
    if format == .json {
      json(line, service, owner, place)
    } else {
      text(line, service, owner, place)
    }
    output.append("\n")
  }

  // MARK: Time

  /// `20:31:05.123456`, or with `date` as RFC 3339 has it, in UTC.
  private mutating func time(_ monotonic: UInt64, date: Bool) {
    let wall = Int64(bitPattern: monotonic) &+ clockOffset
    if wall / 1_000_000_000 != second {
      second = wall / 1_000_000_000
      secondText = Array(UTCTime(seconds: second).description.utf8).dropLast()
    }
    output.append(date ? secondText : secondText.dropFirst(11))
    output.append(".")
    output.append(sixDigits: UInt32(wall % 1_000_000_000 / 1000))
    if date { output.append("Z") }
  }

  // MARK: Text

  /// `20:31:05.123456 host 812/curl connect4 10.96.0.10:80/TCP default/web:http -> 10.244.0.3:8080
  /// (random, 1 of 3): established after 310 µs`
  private mutating func text(
    _ line: TraceJoin.Line, _ service: ServicePortName?, _ owner: NamespacedName?, _ place: Place
  ) {
    let decision = line.decision
    time(line.later ?? decision.time, date: false)
    output.append(" ")
    if let pod = place.pod {
      output.append("pod:")
      output.append(pod.uid)
      if let container = pod.container { output.append("/" + container.prefix(12)) }
    } else if let name = place.namespaceName {
      output.append(name == "host" ? name : "netns:" + SocketDump.word(name))
    } else if let inode = place.namespaceInode {
      output.append("net:[")
      output.append(number: inode)
      output.append("]")
    } else {
      output.append("-")
    }
    output.append(" ")
    output.append(number: decision.process.pid)
    output.append("/")
    output.append(SocketDump.word(decision.process.command))
    output.append(" ")
    output.append(line.later == nil ? decision.hook.rawValue : "outcome")
    output.append(" ")
    address(decision.vip, decision.vipPort)
    output.append("/")
    output.append(Self.transport(decision.transport))
    output.append(" ")
    if let service {
      output.append(service.service)
      output.append(":")
      if service.port.isEmpty {
        output.append(number: decision.vipPort)
      } else {
        output.append(service.port)
      }
    } else if let owner {
      output.append(owner)
    } else {
      output.append("-")
    }
    output.append(" -> ")
    if let backend = decision.backend {
      output.append(backend.address, backend.port)
      if line.later == nil { text(decision.reason, decision.candidates) }
    } else {
      output.append("refused: ")
      output.append(decision.reason.text)
      output.append(" (\(decision.reason.error ?? "?"))")
    }
    if let outcome = line.outcome {
      output.append(": ")
      text(outcome)
    }
  }

  private mutating func text(_ reason: TraceDecision.Reason, _ candidates: UInt32) {
    output.append(" (")
    output.append(reason.text)
    if candidates > 1 {
      output.append(reason == .sticky ? "; there are " : ", 1 of ")
      output.append(number: candidates)
    }
    output.append(")")
  }

  private mutating func text(_ outcome: TraceOutcome) {
    switch outcome.result {
    case .established: output.append("established after ")
    case .refused: output.append("refused by the backend after ")
    case .timedOut: output.append("timed out after ")
    case .failed: output.append("failed with \(Self.name(ofError: outcome.error)) after ")
    case .givenUp: output.append("given up by the client after ")
    case .notSent:
      output.append("no SYN was sent, mostly because there is no route to the backend")
      return
    case .connecting:
      output.append("no answer yet")
      return
    case .reset: output.append("ended with \(Self.name(ofError: outcome.error)) after ")
    case .closed: output.append("closed after ")
    }
    duration(outcome.nanoseconds)
    if outcome.isEnd {
      output.append(", \(outcome.sent) bytes sent, \(outcome.received) received")
    }
    if outcome.retransmissions > 0 {
      output.append(
        ", \(outcome.retransmissions) retransmission\(outcome.retransmissions == 1 ? "" : "s")")
    }
  }

  /// `310 µs`, `12 ms`, `7.1 s`.
  private mutating func duration(_ nanoseconds: UInt64) {
    switch nanoseconds {
    case ..<10_000_000:
      output.append(number: nanoseconds / 1000)
      output.append(" µs")
    case ..<10_000_000_000:
      output.append(number: nanoseconds / 1_000_000)
      output.append(" ms")
    default:
      output.append(number: nanoseconds / 1_000_000_000)
      output.append(".")
      output.append(number: nanoseconds / 100_000_000 % 10)
      output.append(" s")
    }
  }

  private mutating func address(_ address: IPAddress, _ port: UInt16) {
    if let port = Port(port) {
      output.append(address, port)
      return
    }
    output.append(address.family == .v6 ? "[\(address)]:0" : "\(address):0")
  }

  private static func transport(_ number: UInt8) -> String {
    TransportProtocol(rawValue: number)?.description ?? "\(number)"
  }

  /// Of connections; others by number.
  static func name(ofError error: UInt32) -> String {
    switch error {
    case 32: "EPIPE"
    case 99: "EADDRNOTAVAIL"
    case 101: "ENETUNREACH"
    case 103: "ECONNABORTED"
    case 104: "ECONNRESET"
    case 110: "ETIMEDOUT"
    case 111: "ECONNREFUSED"
    case 112: "EHOSTDOWN"
    case 113: "EHOSTUNREACH"
    default: "error \(error)"
    }
  }

  // MARK: JSON

  /// The keys are a contract: docs/cli.md.
  private mutating func json(
    _ line: TraceJoin.Line, _ service: ServicePortName?, _ owner: NamespacedName?, _ place: Place
  ) {
    let decision = line.decision
    output.append(line.later == nil ? "{\"type\":\"decision\"" : "{\"type\":\"outcome\"")
    output.append(",\"time\":\"")
    time(line.later ?? decision.time, date: true)
    output.append("\",\"cookie\":")
    output.append(number: decision.cookie)
    output.append(",\"pid\":")
    output.append(number: decision.process.pid)
    output.append(",\"command\":")
    output.append(quoted: decision.process.command)
    output.append(",\"pod\":")
    if let pod = place.pod {
      output.append("{\"uid\":")
      output.append(quoted: pod.uid)
      output.append(",\"containerID\":")
      text(pod.container)
      output.append("}")
    } else {
      output.append("null")
    }
    output.append(",\"cgroupID\":")
    output.append(number: decision.cgroup)
    output.append(",\"networkNamespace\":{\"name\":")
    text(place.namespaceName)
    output.append(",\"inode\":")
    if let inode = place.namespaceInode { output.append(number: inode) } else { text(nil) }
    output.append(",\"cookie\":")
    output.append(number: decision.namespace)
    output.append("},\"hook\":\"")
    output.append(decision.hook.rawValue)
    output.append("\",\"protocol\":\"")
    output.append(Self.transport(decision.transport))
    output.append("\",\"vip\":{\"address\":\"")
    output.append(decision.vip)
    output.append("\",\"port\":")
    output.append(number: decision.vipPort)
    output.append("},\"service\":")
    if let name = service?.service ?? owner { output.append(quoted: name) } else { text(nil) }
    output.append(",\"portName\":")
    text(service?.port)
    output.append(",\"backend\":")
    if let backend = decision.backend {
      output.append("{\"address\":\"")
      output.append(backend.address)
      output.append("\",\"port\":")
      output.append(number: backend.port.number)
      output.append("}")
    } else {
      output.append("null")
    }
    output.append(",\"why\":\"")
    output.append(decision.reason.rawValue)
    output.append("\",\"candidates\":")
    if decision.candidates > 0 { output.append(number: decision.candidates) } else { text(nil) }
    output.append(",\"error\":")
    text(decision.reason.error)
    output.append(",\"outcome\":")
    if let outcome = line.outcome { json(outcome) } else { text(nil) }
    output.append("}")
  }

  private mutating func json(_ outcome: TraceOutcome) {
    output.append("{\"result\":\"")
    output.append(outcome.result.rawValue)
    output.append("\",\"nanoseconds\":")
    output.append(number: outcome.nanoseconds)
    output.append(",\"error\":")
    text(outcome.error == 0 ? nil : Self.name(ofError: outcome.error))
    output.append(",\"retransmissions\":")
    output.append(number: outcome.retransmissions)
    output.append(",\"bytesSent\":")
    output.append(number: outcome.sent)
    output.append(",\"bytesReceived\":")
    output.append(number: outcome.received)
    output.append("}")
  }

  private mutating func text(_ text: String?) {
    if let text { output.append(quoted: text) } else { output.append("null") }
  }
}
