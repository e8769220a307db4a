import Glibc
import SocketKit

/// A socket; no call on it blocks. Calls throw `CallFailed` with errno.
final class Socket {
  let descriptor: Int32

  init(_ variant: Variant, _ type: sk_type) throws {
    descriptor = try CallFailed.check(sk_socket(variant.socketFamily, type), "socket")
  }

  init(owning descriptor: Int32) { self.descriptor = descriptor }

  deinit { _ = close(descriptor) }

  // MARK: Connecting

  /// A TCP connection to a listener on this host is made before this returns, even though the
  /// socket does not block: the handshake runs inside the call, or soon after it.
  func connect(_ to: Place) throws {
    let result = sk_connect(descriptor, to.address, Int32(to.port))
    if result == -EINPROGRESS {
      try check(sk_wait(descriptor, 1, 5000) == 1, "the connection to \(to) was not made in 5 s")
      try CallFailed.check(sk_error(descriptor), "connect to \(to)")
      return
    }
    try CallFailed.check(result, "connect to \(to)")
  }

  /// errno of connect(), 0 when it succeeded or is in progress.
  func connectError(_ to: Place) -> Int32 {
    let result = sk_connect(descriptor, to.address, Int32(to.port))
    return result == -EINPROGRESS ? 0 : -result
  }

  /// Calls on it block from now on.
  func block() throws { try CallFailed.check(sk_block(descriptor), "fcntl") }

  func disconnect() throws { try CallFailed.check(sk_disconnect(descriptor), "disconnect") }

  var peerName: Place {
    get throws {
      var name = sk_name()
      try CallFailed.check(sk_peer_name(descriptor, &name), "getpeername")
      return Place(name)
    }
  }

  var ownName: Place {
    get throws {
      var name = sk_name()
      try CallFailed.check(sk_own_name(descriptor, &name), "getsockname")
      return Place(name)
    }
  }

  func closeAtOnce() throws { try CallFailed.check(sk_close_at_once(descriptor), "SO_LINGER") }

  // MARK: Sending

  func send(_ text: String) throws {
    try CallFailed.check(sk_send(descriptor, text, Int32(text.utf8.count)), "send")
  }

  func send(_ text: String, to: Place) throws {
    try CallFailed.check(-sendError(text, to: to), "sendto \(to)")
  }

  /// errno of sendto(), or 0.
  func sendError(_ text: String, to: Place) -> Int32 {
    let sent = sk_send_to(descriptor, text, Int32(text.utf8.count), to.address, Int32(to.port))
    return sent < 0 ? -sent : 0
  }

  func sendMessage(_ text: String, to: Place) throws {
    let size = Int32(text.utf8.count)
    try CallFailed.check(
      sk_send_message(descriptor, text, size, to.address, Int32(to.port)), "sendmsg to \(to)")
  }

  func sendFastOpen(_ text: String, to: Place) throws {
    let size = Int32(text.utf8.count)
    let sent = sk_send_fast_open(descriptor, text, size, to.address, Int32(to.port))
    if sent != -EINPROGRESS { try CallFailed.check(sent, "sendto(MSG_FASTOPEN) to \(to)") }
  }

  // MARK: Receiving

  struct Received: Equatable {
    var text: String
    var from: Place
    /// Where it was sent; only with `wantDestination`.
    var to: Place
  }

  /// What is there, or comes within the time; nil when nothing does.
  func receive(within milliseconds: Int = 2000) throws -> Received? {
    var from = sk_name()
    var to = sk_name()
    var buffer = [UInt8](repeating: 0, count: 2048)
    var count = sk_receive(descriptor, &buffer, Int32(buffer.count), &from, &to)
    if count == -EAGAIN, milliseconds > 0 {
      guard sk_wait(descriptor, 0, Int32(milliseconds)) == 1 else { return nil }
      count = sk_receive(descriptor, &buffer, Int32(buffer.count), &from, &to)
    }
    if count == -EAGAIN { return nil }
    try CallFailed.check(count, "recvmsg")
    return Received(
      text: String(decoding: buffer.prefix(Int(count)), as: UTF8.self), from: Place(from),
      to: Place(to))
  }

  func wantDestination() throws {
    try CallFailed.check(sk_want_destination(descriptor), "IP_PKTINFO")
  }

  // MARK: Serving

  func bind(_ to: Place) throws {
    try CallFailed.check(sk_bind(descriptor, to.address, Int32(to.port)), "bind \(to)")
  }

  func listen(backlog: Int = 1024) throws {
    try CallFailed.check(sk_listen(descriptor, Int32(backlog)), "listen")
  }

  /// nil when nobody is waiting.
  func accept(within milliseconds: Int = 0) throws -> Socket? {
    if milliseconds > 0 { _ = sk_wait(descriptor, 0, Int32(milliseconds)) }
    let accepted = sk_accept(descriptor)
    if accepted == -EAGAIN { return nil }
    return Socket(owning: try CallFailed.check(accepted, "accept"))
  }
}

/// A system call that failed.
struct CallFailed: Error, CustomStringConvertible {
  var call: String
  var code: Int32

  var description: String { "\(call): \(String(cString: strerror(code)))" }

  /// - Parameter result: -errno, or what the call returned.
  @discardableResult
  static func check(_ result: Int32, _ call: @autoclosure () -> String) throws -> Int32 {
    if result < 0 { throw CallFailed(call: call(), code: -result) }
    return result
  }
}
