/// What a list shall contain.
struct ListQuery: Sendable {
  enum Wanted: Sendable {
    case latest, any
    case notOlderThan(UInt64)
    case exactly(UInt64)
  }

  var namespace: String?
  var labels = LabelSelector()
  var fields = FieldSelector()
  var wanted = Wanted.latest
  var limit = 0
  var continueToken: ContinueToken?

  func selects(_ object: StoredObject) -> Bool {
    (namespace == nil || object.namespace == namespace) && fields.matches(object.fields)
      && labels.matches(object.labels)
  }
}

/// All objects at some revision.
struct View {
  var objects: [StoredObject]
  var revision: UInt64
  var start = ""

  func page(_ query: ListQuery) -> Page {
    var page = Page(revision: revision)
    var left = 0
    for object in objects {
      guard start.isEmpty || !object.key.utf8.lexicographicallyPrecedes(start.utf8),
        query.selects(object)
      else { continue }
      if query.limit > 0, page.items.count == query.limit {
        left += 1
      } else {
        page.items.append(object)
      }
    }
    guard left > 0, let last = page.items.last else { return page }
    var key = last.key
    if let namespace = query.namespace { key.removeFirst(namespace.utf8.count + 1) }
    page.continueToken = ContinueToken(revision: Int64(revision), start: key + "\0").text
    if query.labels.isEmpty, query.fields.isEmpty { page.remaining = left }
    return page
  }
}

struct Page {
  var items: [StoredObject] = []
  var revision: UInt64
  var continueToken: String?
  var remaining: Int?
}

/// Where a list in pages goes on. The same form as the API server's, opaque to clients.
struct ContinueToken: Sendable {
  /// -1: at whatever is the newest.
  var revision: Int64
  /// The first key that is wanted, without the namespace where the list is of one.
  var start: String

  var text: String {
    let json = JSON.members([
      "v": "meta.k8s.io/v1", "rv": .int(Int(revision)), "start": .string(start),
    ])
    return Base64.urlText(of: json.bytes)
  }

  init(revision: Int64, start: String) { (self.revision, self.start) = (revision, start) }

  init(parsing text: String) throws(APIStatus) {
    guard let bytes = Base64.bytes(of: text), let json = try? JSON(parsing: bytes) else {
      throw .badRequest(
        "invalid continue token: continue key is not valid: illegal base64 data or JSON")
    }
    guard json["v"]?.string == "meta.k8s.io/v1" else {
      throw .badRequest(
        "invalid continue token: continue key is not valid: server does not recognize this encoded version "
          + (json["v"]?.string ?? ""))
    }
    guard let revision = json["rv"]?.int, revision != 0 else {
      throw .badRequest(
        "invalid continue token: continue key is not valid: "
          + "incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    }
    guard let start = json["start"]?.string, !start.isEmpty else {
      throw .badRequest(
        "invalid continue token: continue key is not valid: "
          + "encoded start key empty (version meta.k8s.io/v1)")
    }
    self.init(revision: Int64(revision), start: start)
  }

  func expired() -> APIStatus {
    var status = APIStatus.expired(
      """
      The provided continue parameter is too old to display a consistent list result. \
      You can start a new list without the continue parameter, or use the continue token in \
      this response to retrieve the remainder of the results. Continuing with the provided \
      token results in an inconsistent list - objects that were created, modified, or deleted \
      between the time the first chunk was returned and now may show up in the list.
      """)
    status.continueToken = ContinueToken(revision: -1, start: start).text
    return status
  }
}
