/// A refusal, as the API server words it.
public struct APIStatus: Error, Sendable {
  public var code: Int
  public var reason: String
  public var message: String
  /// The status' details, nil for none.
  public var details: JSON?
  public var retryAfter: Int?
  /// The continue token of an answer "410 Expired".
  public var continueToken: String?

  public init(
    _ code: Int, _ reason: String, _ message: String, details: JSON? = nil, retryAfter: Int? = nil
  ) {
    (self.code, self.reason, self.message) = (code, reason, message)
    (self.details, self.retryAfter) = (details, retryAfter)
  }

  public var json: JSON {
    var members = JSONObject()
    members.append("kind", "Status")
    members.append("apiVersion", "v1")
    members.append("metadata", continueToken.map { ["continue": .string($0)] } ?? [:])
    members.append("status", "Failure")
    if !message.isEmpty { members.append("message", .string(message)) }
    if !reason.isEmpty { members.append("reason", .string(reason)) }
    var details = details
    if let retryAfter {
      details = details ?? [:]
      details?["retryAfterSeconds"] = .int(retryAfter)
    }
    if let details { members.append("details", details) }
    members.append("code", .int(code))
    return .object(members)
  }

  static func badRequest(_ message: String) -> APIStatus { APIStatus(400, "BadRequest", message) }

  static func unauthorized() -> APIStatus { APIStatus(401, "Unauthorized", "Unauthorized") }

  static func notFound(_ resource: APIResource, _ name: String) -> APIStatus {
    APIStatus(
      404, "NotFound", "\(resource.qualifiedName) \"\(name)\" not found",
      details: details(resource, name))
  }

  /// Of a path that nothing is served at.
  static func noSuchPath() -> APIStatus {
    APIStatus(404, "NotFound", "the server could not find the requested resource", details: [:])
  }

  static func methodNotAllowed() -> APIStatus {
    APIStatus(
      405, "MethodNotAllowed", "the server does not allow this method on the requested resource",
      details: [:])
  }

  /// Of bodies in other formats, such as protobuf.
  static func unsupportedMedia() -> APIStatus {
    APIStatus(
      415, "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: "
        + "application/json (this is a test server)")
  }

  static func alreadyExists(_ resource: APIResource, _ name: String) -> APIStatus {
    APIStatus(
      409, "AlreadyExists", "\(resource.qualifiedName) \"\(name)\" already exists",
      details: details(resource, name))
  }

  static func conflict(_ resource: APIResource, _ name: String, _ why: String) -> APIStatus {
    APIStatus(
      409, "Conflict",
      "Operation cannot be fulfilled on \(resource.qualifiedName) \"\(name)\": \(why)",
      details: details(resource, name))
  }

  /// The same where the server names the kind.
  static func conflict(_ kind: String, _ name: String, _ why: String) -> APIStatus {
    APIStatus(
      409, "Conflict", "Operation cannot be fulfilled on \(kind) \"\(name)\": \(why)",
      details: .members(["name": .string(name), "kind": .string(kind)]))
  }

  static let modified =
    "the object has been modified; please apply your changes to the latest version and try again"

  static func expired(_ message: String) -> APIStatus { APIStatus(410, "Expired", message) }

  static func tooOld(_ asked: UInt64, _ oldest: UInt64) -> APIStatus {
    expired("too old resource version: \(asked) (\(oldest))")
  }

  static func tooLarge(_ asked: UInt64, _ current: UInt64) -> APIStatus {
    APIStatus(
      504, "Timeout", "Timeout: Too large resource version: \(asked), current: \(current)",
      details: .members([
        "causes": [
          .members([
            "reason": "ResourceVersionTooLarge", "message": "Too large resource version",
          ])
        ]
      ]), retryAfter: 1)
  }

  /// One field that is wrong.
  struct Cause {
    let reason: String
    let message: String
    let field: String

    static func forbidden(_ field: String, _ message: String) -> Cause {
      Cause(reason: "FieldValueForbidden", message: "Forbidden: \(message)", field: field)
    }

    static func notSupported(_ field: String, _ value: String, _ supported: [String]) -> Cause {
      let values = supported.map { "\"\($0)\"" }.joined(separator: ", ")
      return Cause(
        reason: "FieldValueNotSupported",
        message: "Unsupported value: \"\(value)\": supported values: \(values)", field: field)
    }

    static func invalid(_ field: String, _ value: JSON, _ message: String) -> Cause {
      Cause(
        reason: "FieldValueInvalid", message: "Invalid value: \(value): \(message)", field: field)
    }

    static func required(_ field: String, _ message: String = "") -> Cause {
      let text = message.isEmpty ? "Required value" : "Required value: \(message)"
      return Cause(reason: "FieldValueRequired", message: text, field: field)
    }
  }

  static func invalid(_ kind: String, _ group: String, _ name: String, _ causes: [Cause])
    -> APIStatus
  {
    let texts = causes.map { "\($0.field): \($0.message)" }
    let joined = texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
    var details = JSONObject()
    if !name.isEmpty { details.append("name", .string(name)) }
    if !group.isEmpty { details.append("group", .string(group)) }
    details.append("kind", .string(kind))
    details.append(
      "causes",
      .array(
        causes.map {
          .members([
            "reason": .string($0.reason), "message": .string($0.message),
            "field": .string($0.field),
          ])
        }))
    let qualified = group.isEmpty ? kind : "\(kind).\(group)"
    return APIStatus(
      422, "Invalid", "\(qualified) \"\(name)\" is invalid: \(joined)", details: .object(details))
  }

  static func invalid(_ resource: APIResource, _ name: String, _ causes: [Cause]) -> APIStatus {
    invalid(resource.kind, resource.group, name, causes)
  }

  private static func details(_ resource: APIResource, _ name: String) -> JSON {
    var details = JSONObject()
    details.append("name", .string(name))
    if !resource.group.isEmpty { details.append("group", .string(resource.group)) }
    details.append("kind", .string(resource.plural))
    return .object(details)
  }
}
