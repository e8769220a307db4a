import NIOCore

/// A GET or HEAD.
public struct HTTPQuestion: Sendable {
  /// Of whom it is asked.
  public var listener: HTTPListener
  /// Without the query; as it came, not decoded.
  public var path: String
  /// Without the question mark.
  public var query: String
  /// The header Accept; nil when there was none.
  public var accept: String?
}

public struct HTTPAnswer: Sendable {
  public var code: Int
  public var headers: [(name: String, value: String)]
  public var body: HTTPBody

  public init(code: Int, headers: [(name: String, value: String)], body: HTTPBody) {
    self.code = code
    self.headers = headers
    self.body = body
  }

  /// Text, with a newline at its end.
  public init(code: Int, text: String) {
    self.init(
      code: code,
      headers: [
        ("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"),
      ], body: HTTPBody(Array(text.utf8)))
  }
}

/// Bytes that any number of answers may share.
public struct HTTPBody: Sendable {
  let buffer: ByteBuffer

  public init(_ bytes: [UInt8]) { buffer = ByteBuffer(bytes: bytes) }

  public var count: Int { buffer.readableBytes }
}

/// A server at an address.
public struct HTTPListener: Hashable, Sendable {
  public var address: HTTPAddress
  /// What it is for. Connections are limited for each purpose by itself.
  public var purpose: String

  public init(_ purpose: String, _ address: HTTPAddress) {
    self.purpose = purpose
    self.address = address
  }
}
