import SocketKit

/// What an HTTP server answered.
struct HTTPReply {
  var code: Int
  /// Names in lower case.
  var headers: [String: String]
  var body: String
}

enum HTTPClient {
  /// Asks over a connection of its own.
  static func get(
    _ path: String, at place: Place, _ headers: [String] = [], method: String = "GET"
  ) throws -> HTTPReply {
    let socket = try ask(path, at: place, headers, method: method)
    var text = ""
    while true {
      guard let part = try socket.receive(within: 10_000) else {
        throw Failure("\(place)\(path) did not answer in 10 s, but: \(text)")
      }
      if part.text.isEmpty { break }
      text += part.text
    }
    guard let end = text.range(of: "\r\n\r\n") else { throw Failure("no answer: \(text)") }
    let lines = text[..<end.lowerBound].split(separator: "\r\n")
    let words = (lines.first ?? "").split(separator: " ")
    guard words.count >= 2, words[0] == "HTTP/1.1", let code = Int(words[1]) else {
      throw Failure("no answer: \(text)")
    }
    var found: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { found[parts[0].lowercased()] = String(parts[1].dropFirst()) }
    }
    let body = String(text[end.upperBound...])
    if method != "HEAD" {
      try checkEqual(found["content-length"], "\(body.utf8.count)", "Content-Length of \(path)")
    }
    return HTTPReply(code: code, headers: found, body: body)
  }

  /// Asks, and leaves the answer where it is.
  static func ask(
    _ path: String, at place: Place, _ headers: [String] = [], method: String = "GET"
  ) throws -> Socket {
    let socket = try Socket(place.address.contains(":") ? .v6 : .v4, SK_TCP)
    try socket.connect(place)
    let lines = ["\(method) \(path) HTTP/1.1", "Host: node", "Connection: close"] + headers
    try socket.send(lines.map { $0 + "\r\n" }.joined() + "\r\n")
    return socket
  }

  /// Whether nobody listens there.
  static func isRefused(_ place: Place) throws -> Bool {
    let socket = try Socket(place.address.contains(":") ? .v6 : .v4, SK_TCP)
    do { try socket.connect(place) } catch let error as CallFailed where error.code == refused {
      return true
    }
    return false
  }

  /// Asks until the answer is as wanted.
  static func await(
    _ path: String, at place: Place, seconds: Int = 10, _ what: String,
    line: Int = #line, file: String = #fileID, until isWanted: (HTTPReply) throws -> Bool
  ) throws -> HTTPReply {
    var last = "nobody listens"
    for _ in 0..<seconds * 50 {
      if let reply = try? get(path, at: place) {
        if try isWanted(reply) { return reply }
        last = "\(reply.code): \(reply.body.prefix(2000))"
      }
      sk_sleep(20)
    }
    throw Failure("\(place)\(path): not \(what), but \(last) (\(file):\(line))")
  }
}

extension String {
  /// Of the standard library alone.
  fileprivate func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}
