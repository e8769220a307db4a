/// What a request is answered.
enum Answer {
  case json(Int, [UInt8])
  /// A large body in parts, with 200.
  case pieces([[UInt8]])
  case text(Int, String)
  case bytes([UInt8], String)
  /// A refusal that is a while in coming.
  case later(Double, APIStatus)
  case watch(ListOptions, Int)

  static func json(_ value: JSON, status: Int = 200) -> Answer {
    .json(status, value.bytes + [0x0A])
  }

  static func object(_ object: StoredObject, status: Int = 200) -> Answer {
    .json(status, object.bytes + [0x0A])
  }
}

/// Finds what is asked for.
struct Router {
  let core: Core
  let request: Request

  func answer() throws(APIStatus) -> Answer {
    guard !request.resource.isEmpty else { return try path() }
    guard let index = request.index else { return try review() }
    if request.method == "HEAD" { throw .methodNotAllowed() }
    let resource = APIResource.all[index]
    guard request.subresource.isEmpty || request.subresource == "status" && resource.hasStatus
    else { throw .noSuchPath() }
    guard !core.options.isStrictAboutAccept || acceptsJSON else {
      throw APIStatus(
        406, "NotAcceptable",
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
          + "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
          + "application/vnd.kubernetes.protobuf;stream=watch", details: [:])
    }
    switch request.verb {
    case "get": return try get(index)
    case "list": return try list(index)
    case "watch":
      let options = try ListOptions(
        request, resource, watchList: core.watchList.withLockedValue { $0 })
      return .watch(options, index)
    case "create", "update", "patch", "delete", "deletecollection":
      return try WriteRequest(core: core, request: request, index: index).answer()
    default: throw .methodNotAllowed()
    }
  }

  private var acceptsJSON: Bool {
    guard let accept = request.headers["accept"], !accept.isEmpty else { return true }
    return accept.split(separator: ",").contains { part in
      let type = part.split(separator: ";").first.map { $0.filter { $0 != " " } } ?? ""
      return type == "*/*" || type == "application/*" || type == "application/json"
    }
  }

  private var key: String {
    guard let index = request.index, APIResource.all[index].isNamespaced else {
      return request.name
    }
    return "\(request.namespace)/\(request.name)"
  }

  private func get(_ index: Int) throws(APIStatus) -> Answer {
    guard let object = core.store.object(index, key) else {
      throw .notFound(APIResource.all[index], request.name)
    }
    if let table = TableAnswer(request, APIResource.all[index]) {
      return .json(
        table.json([object.json], head: ["resourceVersion": "\(object.resourceVersion)"]))
    }
    return .object(object)
  }

  private func list(_ index: Int) throws(APIStatus) -> Answer {
    let resource = APIResource.all[index]
    let options = try ListOptions(
      request, resource, watchList: core.watchList.withLockedValue { $0 })
    let page: Page
    do throws(APIStatus) {
      page = try core.store.list(index, options.query)
    } catch {
      // The server waits for its cache to come so far.
      guard error.code == 504 else { throw error }
      return .later(core.options.secondsForLargeVersions, error)
    }
    var head = JSONObject()
    head.append("resourceVersion", .string(String(page.revision)))
    if let token = page.continueToken { head.append("continue", .string(token)) }
    if let remaining = page.remaining { head.append("remainingItemCount", .int(remaining)) }
    if let table = TableAnswer(request, resource) {
      return .json(table.json(page.items.map(\.json), head: .object(head)))
    }
    let prefix = JSON.members([
      "kind": .string(resource.kind + "List"), "apiVersion": .string(resource.apiVersion),
      "metadata": .object(head),
    ])
    var start = prefix.bytes
    start.removeLast()
    start += ",\"items\":[".utf8
    var pieces = [start]
    pieces.reserveCapacity(page.items.count + 2)
    for (number, object) in page.items.enumerated() {
      var item: [UInt8] = []
      item.reserveCapacity(object.bytes.count)
      if number > 0 { item.append(UInt8(ascii: ",")) }
      item.append(UInt8(ascii: "{"))
      item += object.bytes[object.itemStart...]
      pieces.append(item)
    }
    pieces.append(Array("]}\n".utf8))
    return .pieces(pieces)
  }

  // MARK: Other paths

  private func path() throws(APIStatus) -> Answer {
    switch request.path {
    case "/healthz", "/livez": return .text(200, "ok")
    case "/readyz":
      return core.isReady.withLockedValue { $0 }
        ? .text(200, "ok") : .text(500, "[-]etcd failed: reason withheld\nreadyz check failed\n")
    case "/version": return .json(Discovery.version)
    case "/api", "/api/": return .json(Discovery.api)
    case "/apis", "/apis/": return .json(Discovery.apis)
    case "/openapi/v2":
      // No schema: clients check nothing then.
      return .bytes([], "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
    case "/openapi/v3": return .json(["paths": [:]])
    default:
      guard let document = Discovery.resources(at: request.path) else {
        return .text(404, "404 page not found\n")
      }
      return .json(document)
    }
  }

  /// SelfSubjectAccessReview, which is not stored.
  private func review() throws(APIStatus) -> Answer {
    guard request.resource == "selfsubjectaccessreviews", request.verb == "create" else {
      let isKnown = Discovery.resources(at: request.groupPath) != nil
      if isKnown { throw .noSuchPath() }
      return .text(404, "404 page not found\n")
    }
    guard var review = try? JSON(parsing: request.body) else { throw .unsupportedMedia() }
    var asked = request
    let attributes = review.at("spec", "resourceAttributes") ?? [:]
    asked.verb = attributes["verb"]?.string ?? ""
    asked.resource = attributes["resource"]?.string ?? ""
    asked.namespace = attributes["namespace"]?.string ?? ""
    asked.name = attributes["name"]?.string ?? ""
    let access = core.access.withLockedValue { $0 }
    let user = try access.user(request, certificate: Access.User(request.user))
    let isAllowed = (try? access.check(asked, user)) != nil
    review["status"] = ["allowed": .bool(isAllowed)]
    return .json(review, status: 201)
  }
}
