import NIOHTTP1

/// One request that came, as tests look at it afterwards.
public struct Request: Sendable {
  public let number: Int
  public let method: String
  public let path: String
  public let query: [String: String]
  /// With names in lower case.
  public let headers: [String: String]
  public let body: [UInt8]
  /// get, list, watch, create, update, patch, delete or deletecollection; of other paths the method.
  public internal(set) var verb: String
  /// The plural; empty for what is no resource.
  public internal(set) var resource = ""
  public internal(set) var subresource = ""
  public internal(set) var namespace = ""
  public internal(set) var name = ""
  /// Who it was found to be.
  public internal(set) var user = ""
  /// What was answered first; 0 while nothing was.
  public internal(set) var status = 0
  /// The number of the connection it came by.
  public let connection: Int

  public var userAgent: String { headers["user-agent"] ?? "" }
  public var labelSelector: String? { query["labelSelector"] }
  public var fieldSelector: String? { query["fieldSelector"] }
  public var resourceVersion: String? { query["resourceVersion"] }

  var index: Int?

  init(number: Int, connection: Int, head: HTTPRequestHead, body: [UInt8]) {
    self.number = number
    self.connection = connection
    self.body = body
    method = head.method.rawValue
    let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    path = Self.decoded(parts[0], plus: false)
    query = parts.count > 1 ? Self.query(parts[1]) : [:]
    headers = Dictionary(
      head.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { "\($0), \($1)" })
    verb = method.lowercased()
    locate()
  }

  /// The path of the group and its version.
  private(set) var groupPath = ""

  var isWatch: Bool { verb == "watch" }

  /// Finds the resource that the path is about.
  private mutating func locate() {
    var steps = path.split(separator: "/").map(String.init)
    let group: String
    let version: String
    if steps.first == "api", steps.count >= 2 {
      (group, version) = ("", steps[1])
      groupPath = "/api/\(version)"
      steps.removeFirst(2)
    } else if steps.first == "apis", steps.count >= 3 {
      (group, version) = (steps[1], steps[2])
      groupPath = "/apis/\(group)/\(version)"
      steps.removeFirst(3)
    } else {
      return
    }
    var isOldWatch = false
    if steps.first == "watch" {
      isOldWatch = true
      steps.removeFirst()
    }
    if steps.first == "namespaces", steps.count > 2, steps[2] != "finalize", steps[2] != "status" {
      namespace = steps[1]
      steps.removeFirst(2)
    }
    guard let plural = steps.first else { return }
    resource = plural
    if steps.count > 1 { name = steps[1] }
    if steps.count > 2 { subresource = steps[2] }
    if resource == "namespaces", !name.isEmpty { namespace = name }
    index = APIResource.index(group: group, version: version, plural: plural)
    // Anything but these is true, as for all parameters that are true or false.
    let wantsWatch = !["false", "0"].contains(query["watch"]?.lowercased() ?? "false")
    switch method {
    case "GET", "HEAD":
      // With a name in the path `watch` does not count.
      verb = isOldWatch ? "watch" : !name.isEmpty ? "get" : wantsWatch ? "watch" : "list"
      if name.isEmpty { name = nameInSelector ?? "" }
    case "POST": verb = "create"
    case "PUT": verb = "update"
    case "PATCH": verb = "patch"
    case "DELETE": verb = name.isEmpty ? "deletecollection" : "delete"
    default: break
    }
  }

  /// Who may only see one object may list and watch with a selector for its name.
  private var nameInSelector: String? {
    for part in (fieldSelector ?? "").split(separator: ",") {
      for mark in ["metadata.name==", "metadata.name="] where part.hasPrefix(mark) {
        return String(part.dropFirst(mark.count))
      }
    }
    return nil
  }

  private static func query(_ text: Substring) -> [String: String] {
    var result: [String: String] = [:]
    for part in text.split(separator: "&") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let key = decoded(pair[0], plus: true)
      // Of several the first one counts, as in Go.
      if result[key] == nil { result[key] = pair.count > 1 ? decoded(pair[1], plus: true) : "" }
    }
    return result
  }

  private static func decoded(_ text: Substring, plus: Bool) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") && plus ? 0x20 : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
