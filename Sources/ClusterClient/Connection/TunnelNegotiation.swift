/// What is said to a proxy before it becomes a tunnel: bytes in, bytes out.
protocol TunnelNegotiation {
  mutating func start() -> [UInt8]
  /// - Parameter bytes: everything that has come and is not used up; what is used is removed.
  mutating func take(_ bytes: inout [UInt8]) throws(TunnelFailure) -> TunnelStep
}

enum TunnelStep {
  case needsMore
  case send([UInt8])
  case done
}

struct TunnelFailure: Error {
  var reason: String
}

/// CONNECT of HTTP/1.1.
struct ConnectNegotiation: TunnelNegotiation {
  private static let limit = 16 << 10

  var proxy: ProxyServer
  var target: String
  var userAgent: String

  mutating func start() -> [UInt8] {
    var text = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\nUser-Agent: \(userAgent)\r\n"
    if let authorization = proxy.authorization {
      text += "Proxy-Authorization: \(authorization.value)\r\n"
    }
    return Array((text + "\r\n").utf8)
  }

  mutating func take(_ bytes: inout [UInt8]) throws(TunnelFailure) -> TunnelStep {
    guard let end = Self.endOfHead(bytes) else {
      if bytes.count > Self.limit {
        throw TunnelFailure(reason: "the proxy \(proxy) answers without an end")
      }
      return .needsMore
    }
    let line = bytes.prefix { $0 != 0x0d && $0 != 0x0a }
    let words = line.split(separator: 0x20, maxSplits: 2).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      throw TunnelFailure(reason: "the proxy \(proxy) does not speak HTTP/1.1")
    }
    guard (200...299).contains(status) else {
      let hint = status == 407 ? "; it wants a user name and a password in its URL" : ""
      throw TunnelFailure(
        reason: "the proxy \(proxy) refuses to connect to \(target): it answered \(status)\(hint)")
    }
    bytes.removeFirst(end)
    return .done
  }

  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    var place = 0
    while place + 4 <= bytes.count {
      if bytes[place..<place + 4].elementsEqual([13, 10, 13, 10]) { return place + 4 }
      place += 1
    }
    return nil
  }
}

/// SOCKS version 5 (RFC 1928), with user name and password (RFC 1929). Names are resolved by the proxy.
struct SocksNegotiation: TunnelNegotiation {
  private enum Step {
    case method, login, reply
  }

  private let proxy: ProxyServer
  private let host: String
  private let port: Int
  private var step = Step.method

  init(_ proxy: ProxyServer, host: String, port: Int) throws(TunnelFailure) {
    let lengths = [
      host.utf8.count, proxy.user?.utf8.count ?? 1, proxy.password?.value.utf8.count ?? 1,
    ]
    guard lengths.allSatisfy({ $0 <= 255 }) else {
      throw TunnelFailure(
        reason: "a name, user or password of more than 255 bytes does not fit into SOCKS")
    }
    self.proxy = proxy
    self.host = host
    self.port = port
  }

  mutating func start() -> [UInt8] { proxy.user == nil ? [5, 1, 0] : [5, 2, 0, 2] }

  mutating func take(_ bytes: inout [UInt8]) throws(TunnelFailure) -> TunnelStep {
    switch step {
    case .method:
      guard bytes.count >= 2 else { return .needsMore }
      let (version, method) = (bytes[0], bytes[1])
      bytes.removeFirst(2)
      guard version == 5 else { throw failure("does not speak SOCKS 5") }
      if method == 0 { return .send(request()) }
      guard method == 2, let user = proxy.user else {
        throw failure("accepts no way to log in that its URL allows")
      }
      step = .login
      let name = Array(user.utf8)
      let password = Array((proxy.password?.value ?? "").utf8)
      return .send([1, UInt8(name.count)] + name + [UInt8(password.count)] + password)
    case .login:
      guard bytes.count >= 2 else { return .needsMore }
      let isAccepted = bytes[1] == 0
      bytes.removeFirst(2)
      guard isAccepted else { throw failure("does not accept the user name and password") }
      return .send(request())
    case .reply: return try reply(&bytes)
    }
  }

  private mutating func request() -> [UInt8] {
    step = .reply
    let address: [UInt8]
    switch IPText.bytes(host) {
    case let bytes? where bytes.count == 4: address = [1] + bytes
    case let bytes?: address = [4] + bytes
    case nil: address = [3, UInt8(host.utf8.count)] + Array(host.utf8)
    }
    return [5, 1, 0] + address + [UInt8(port >> 8), UInt8(port & 255)]
  }

  private func reply(_ bytes: inout [UInt8]) throws(TunnelFailure) -> TunnelStep {
    guard bytes.count >= 5 else { return .needsMore }
    guard bytes[0] == 5, bytes[1] == 0 else {
      let reasons = [
        1: "general failure", 2: "not allowed", 3: "network unreachable", 4: "host unreachable",
        5: "connection refused", 6: "time to live expired", 7: "command not supported",
        8: "address type not supported",
      ]
      let reason = reasons[Int(bytes[1])] ?? "error \(bytes[1])"
      throw failure("cannot connect to \(bracketed(host)):\(port): \(reason)")
    }
    let length: Int
    switch bytes[3] {
    case 1: length = 10
    case 3: length = 7 + Int(bytes[4])
    case 4: length = 22
    default: throw failure("answers with an unknown type of address")
    }
    guard bytes.count >= length else { return .needsMore }
    bytes.removeFirst(length)
    return .done
  }

  private func failure(_ what: String) -> TunnelFailure {
    TunnelFailure(reason: "the proxy \(proxy) \(what)")
  }
}
