/// A request that changes objects.
struct WriteRequest {
  let core: Core
  let request: Request
  let index: Int

  private var resource: APIResource { APIResource.all[index] }
  private var isStatus: Bool { request.subresource == "status" }

  private var manager: String {
    if let name = request.query["fieldManager"], !name.isEmpty { return name }
    let agent = request.userAgent.prefix { $0 != "/" }
    return agent.isEmpty ? "unknown" : String(agent)
  }

  private var isDryRun: Bool { request.query["dryRun"] != nil }

  private func key(_ name: String) -> String {
    resource.isNamespaced ? "\(request.namespace)/\(name)" : name
  }

  func answer() throws(APIStatus) -> Answer {
    let isAboutOne = ["update", "patch", "delete"].contains(request.verb)
    guard isAboutOne != request.name.isEmpty else { throw .methodNotAllowed() }
    return switch request.verb {
    case "create": try create()
    case "update": try update()
    case "patch": try patch()
    case "delete": try delete()
    default: try deleteAll()
    }
  }

  // MARK: The body

  private func tree() throws(APIStatus) -> JSON {
    let type = request.headers["content-type"] ?? "application/json"
    guard type.hasPrefix("application/json") || type.contains("patch+json") else {
      throw .unsupportedMedia()
    }
    do throws(JSONProblem) { return try JSON(parsing: request.body) } catch {
      throw .badRequest(
        "the object provided is unrecognized (must be of type \(resource.kind)): couldn't get "
          + "version/kind; json parse error: \(error.message)")
    }
  }

  private func object() throws(APIStatus) -> JSON {
    var object = try tree()
    let (kind, version) = (object["kind"]?.string, object["apiVersion"]?.string)
    guard kind == nil && version == nil || kind == resource.kind && version == resource.apiVersion
    else {
      throw .badRequest(
        "\(kind ?? "") in version \"\(version ?? "")\" cannot be handled as a \(resource.kind): "
          + "converting (\(version ?? "").\(kind ?? "")) to (core.\(resource.kind)): "
          + "unknown conversion")
    }
    guard resource.isNamespaced else { return object }
    let namespace = object.at("metadata", "namespace")?.string ?? ""
    guard namespace.isEmpty || namespace == request.namespace else {
      throw .badRequest(
        "the namespace of the provided object does not match the namespace sent on the request")
    }
    object.set("metadata", "namespace", to: .string(request.namespace))
    return object
  }

  private func checkNamespace() throws(APIStatus) {
    guard resource.isNamespaced, let index = APIResource.index(kind: "Namespace") else { return }
    guard core.store.object(index, request.namespace) != nil else {
      throw .notFound(APIResource.all[index], request.namespace)
    }
  }

  // MARK: Verbs

  private func create() throws(APIStatus) -> Answer {
    guard request.name.isEmpty else { throw .methodNotAllowed() }
    guard !resource.isNamespaced || !request.namespace.isEmpty else { throw .methodNotAllowed() }
    var object = try object()
    guard object.at("metadata", "resourceVersion")?.string ?? "" == "" else {
      throw APIStatus(500, "", "resourceVersion should not be set on objects to be created")
    }
    try checkNamespace()
    if object.at("metadata", "name") == nil,
      let prefix = object.at("metadata", "generateName")?.string
    {
      let ending = String(Admission.uid().suffix(5))
      object.set("metadata", "name", to: .string(prefix + ending))
    }
    let name = object.at("metadata", "name")?.string ?? ""
    object["metadata"]?["uid"] = nil
    return try store(name, status: 201) { (old: JSON?) throws(APIStatus) in
      if old != nil { throw APIStatus.alreadyExists(resource, name) }
      return try complete(object, old: nil)
    }
  }

  private func update() throws(APIStatus) -> Answer {
    let object = try object()
    let name = object.at("metadata", "name")?.string ?? request.name
    guard name == request.name else {
      throw .badRequest(
        "the name of the object (\(name)) does not match the name on the URL (\(request.name))")
    }
    return try store(name) { (old: JSON?) throws(APIStatus) in
      guard let old else {
        guard resource.isCreatedByUpdate else { throw APIStatus.notFound(resource, name) }
        return try complete(object, old: nil)
      }
      return try replaced(old, by: object, name)
    }
  }

  private func patch() throws(APIStatus) -> Answer {
    let type = (request.headers["content-type"] ?? "").prefix { $0 != ";" }
    guard type.hasSuffix("patch+json") else {
      throw APIStatus(
        415, "UnsupportedMediaType", "415: Unsupported Media Type", details: [:])
    }
    let patch = try tree()
    let name = request.name
    return try store(name) { (old: JSON?) throws(APIStatus) in
      guard let old else { throw APIStatus.notFound(resource, name) }
      switch type {
      case "application/merge-patch+json":
        return try replaced(old, by: old.mergePatched(with: patch), name)
      case "application/strategic-merge-patch+json":
        return try replaced(old, by: old.strategicallyPatched(with: patch), name)
      case "application/json-patch+json":
        let new: JSON
        do { new = try old.patched(by: patch) } catch {
          throw APIStatus(
            422, "Invalid", "the server rejected our request due to an error in our request",
            details: [:])
        }
        return try replaced(old, by: new, name)
      default:
        throw .unsupportedMedia()
      }
    }
  }

  private func delete() throws(APIStatus) -> Answer {
    let wanted = request.body.isEmpty ? nil : try? JSON(parsing: request.body)
    let conditions = wanted?["preconditions"]
    let name = request.name
    var uid: JSON = ""
    let result = try core.store.write(index, key(name), manager: manager) {
      (old: JSON?) throws(APIStatus) -> JSON? in
      guard var old else { throw APIStatus.notFound(resource, name) }
      uid = old.at("metadata", "uid") ?? ""
      for (field, title) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        guard let asked = conditions?[field], let found = old.at("metadata", field), asked != found
        else { continue }
        throw APIStatus.conflict(
          resource.kind, name,
          "the \(title) in the precondition (\(asked.string ?? "")) does not match the "
            + "\(title) in record (\(found.string ?? "")). The object might have been deleted "
            + "and then recreated")
      }
      if isDryRun { return old }
      guard !(old.at("metadata", "finalizers")?.array ?? []).isEmpty else { return nil }
      if old.at("metadata", "deletionTimestamp") == nil {
        old.set("metadata", "deletionTimestamp", to: .string(Admission.timestamp()))
        old.set("metadata", "deletionGracePeriodSeconds", to: 0)
      }
      return old
    }
    if resource.kind == "Namespace", !isDryRun { core.store.empty(namespace: name) }
    if resource.deleteAnswersObject, let result { return .object(result) }
    return .json(Self.success(resource, name, uid))
  }

  private static func success(_ resource: APIResource, _ name: String, _ uid: JSON) -> JSON {
    var details = JSONObject()
    details.append("name", .string(name))
    if !resource.group.isEmpty { details.append("group", .string(resource.group)) }
    details.append("kind", .string(resource.plural))
    details.append("uid", uid)
    return .members([
      "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success",
      "details": .object(details),
    ])
  }

  private func deleteAll() throws(APIStatus) -> Answer {
    let options = try ListOptions(request, resource, watchList: false)
    let page = try core.store.list(index, options.query)
    for object in page.items {
      _ = try core.store.write(index, object.key) { (_: JSON?) throws(APIStatus) in nil }
    }
    return .json([
      "kind": .string(resource.kind + "List"), "apiVersion": .string(resource.apiVersion),
      "metadata": ["resourceVersion": .string(String(page.revision))],
      "items": .array(page.items.map(\.json)),
    ])
  }

  // MARK: Storing

  private func store(
    _ name: String, status: Int = 200, _ change: (JSON?) throws(APIStatus) -> JSON
  ) throws(APIStatus) -> Answer {
    if isDryRun {
      let old = core.store.object(index, key(name))?.json
      return .json(try change(old), status: status)
    }
    var wasMissing = false
    let result = try core.store.write(index, key(name), manager: manager) {
      (old: JSON?) throws(APIStatus) -> JSON? in
      wasMissing = old == nil
      let new = try change(old)
      // The last finalizer of a deleted object is gone.
      let isDeleted = new.at("metadata", "deletionTimestamp") != nil
      return isDeleted && (new.at("metadata", "finalizers")?.array ?? []).isEmpty ? nil : new
    }
    guard let result else { throw .notFound(resource, name) }
    // An update that made the object is a creation.
    let isNew = request.verb == "update" && wasMissing
    return .object(result, status: isNew ? 201 : status)
  }

  private func replaced(_ old: JSON, by new: JSON, _ name: String) throws(APIStatus) -> JSON {
    let asked = new.at("metadata", "resourceVersion")?.string ?? ""
    guard asked.isEmpty || asked == "0" || asked == old.at("metadata", "resourceVersion")?.string
    else { throw .conflict(resource, name, APIStatus.modified) }
    if let uid = new.at("metadata", "uid")?.string, uid != old.at("metadata", "uid")?.string {
      throw .conflict(
        resource, name,
        "Precondition failed: UID in precondition: \(uid), UID in object meta: "
          + (old.at("metadata", "uid")?.string ?? ""))
    }
    var new = new
    if isStatus {
      var changed = old
      changed["status"] = new["status"]
      new = changed
    } else if resource.hasStatus, let status = old["status"] {
      new["status"] = status
    }
    new.set("metadata", "deletionTimestamp", to: old.at("metadata", "deletionTimestamp"))
    new.set("metadata", "name", to: .string(name))
    return try complete(new, old: old)
  }

  private func complete(_ object: JSON, old: JSON?) throws(APIStatus) -> JSON {
    let full = Defaults.fill(object, resource, old: old)
    let allocated = core.addresses.allocate(for: full, resource, old: old)
    try Validation.check(allocated, resource, old: old)
    return allocated
  }
}

extension Store {
  /// Removes everything in a namespace.
  func empty(namespace: String) {
    for (index, resource) in APIResource.all.enumerated() where resource.isNamespaced {
      for object in all(index) where object.namespace == namespace {
        _ = try? write(index, object.key) { (_: JSON?) throws(APIStatus) in nil }
      }
    }
  }
}
