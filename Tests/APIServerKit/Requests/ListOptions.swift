/// The parameters of lists and watches, checked as the API server checks them.
struct ListOptions {
  var query = ListQuery()
  var resourceVersion: UInt64?
  var allowsBookmarks = false
  var timeoutSeconds: Int?
  var sendsInitialEvents: Bool?

  init(_ request: Request, _ resource: APIResource, watchList: Bool) throws(APIStatus) {
    let parameters = request.query
    let text = parameters["resourceVersion"] ?? ""
    var match = parameters["resourceVersionMatch"] ?? ""
    sendsInitialEvents = try Self.boolean(parameters["sendInitialEvents"], "sendInitialEvents")
    allowsBookmarks = try Self.boolean(parameters["allowWatchBookmarks"], "bookmarks") ?? false
    timeoutSeconds = try Self.integer(parameters["timeoutSeconds"])
    query.limit = try Self.integer(parameters["limit"]) ?? 0
    // With the feature, watches that begin with what there is say where that ends.
    if watchList, request.isWatch, sendsInitialEvents == nil, match.isEmpty,
      text.isEmpty || text == "0"
    {
      sendsInitialEvents = true
      match = "NotOlderThan"
    }
    let token = parameters["continue"] ?? ""
    let causes =
      request.isWatch
      ? Self.watchCauses(sendsInitialEvents, match, token, watchList)
      : Self.listCauses(sendsInitialEvents, match, token, text)
    guard causes.isEmpty else { throw .invalid("ListOptions", "meta.k8s.io", "", causes) }

    query.labels = try LabelSelector(parsing: parameters["labelSelector"] ?? "")
    query.fields = try FieldSelector(parsing: parameters["fieldSelector"] ?? "", for: resource)
    if resource.isNamespaced, !request.namespace.isEmpty { query.namespace = request.namespace }
    if !request.name.isEmpty {
      query.fields.requirements.append(("metadata.name", request.name, true))
    }
    if !text.isEmpty {
      guard let number = UInt64(text) else {
        let what =
          "resourceVersion: Invalid value: \"\(text)\": strconv.ParseUint: parsing "
          + "\"\(text)\": invalid syntax"
        if request.isWatch { throw APIStatus(500, "", what) }
        throw .badRequest("invalid resource version: \(what)")
      }
      resourceVersion = number
    }
    if !token.isEmpty, !request.isWatch {
      if !text.isEmpty, text != "0" {
        throw .badRequest("specifying resource version is not allowed when using continue")
      }
      query.continueToken = try ContinueToken(parsing: token)
    }
    switch (match, resourceVersion) {
    case (_, nil): query.wanted = .latest
    case ("Exact", let number?): query.wanted = .exactly(number)
    case (_, 0):
      // From the cache, which does not do pages.
      query.wanted = .any
      if query.continueToken == nil { query.limit = 0 }
    case ("", let number?) where query.limit > 0: query.wanted = .exactly(number)
    case (_, let number?): query.wanted = .notOlderThan(number)
    }
  }

  private static func watchCauses(
    _ initial: Bool?, _ match: String, _ token: String, _ watchList: Bool
  ) -> [APIStatus.Cause] {
    var causes: [APIStatus.Cause] = []
    if initial != nil {
      if match != "NotOlderThan" {
        causes.append(
          .forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
      }
      if !watchList {
        causes.append(
          .forbidden(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
          ))
      }
    }
    guard !match.isEmpty else { return causes }
    if initial == nil {
      causes.append(
        .forbidden(
          "resourceVersionMatch",
          "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"))
    }
    if match != "NotOlderThan" {
      causes.append(.notSupported("resourceVersionMatch", match, ["NotOlderThan"]))
    }
    if !token.isEmpty {
      causes.append(
        .forbidden(
          "resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
    }
    return causes
  }

  private static func listCauses(
    _ initial: Bool?, _ match: String, _ token: String, _ version: String
  ) -> [APIStatus.Cause] {
    var causes: [APIStatus.Cause] = []
    if !match.isEmpty {
      if version.isEmpty {
        causes.append(
          .forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided"))
      }
      if !token.isEmpty {
        causes.append(
          .forbidden(
            "resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
      }
      if match != "Exact", match != "NotOlderThan" {
        causes.append(
          .notSupported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]))
      }
      if match == "Exact", version == "0" {
        causes.append(
          .forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
      }
    }
    if initial != nil {
      causes.append(.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    }
    return causes
  }

  /// Anything but "false" and "0" is true, as the API server has it.
  private static func boolean(_ text: String?, _ name: String) throws(APIStatus) -> Bool? {
    text.map { $0.lowercased() != "false" && $0 != "0" }
  }

  private static func integer(_ text: String?) throws(APIStatus) -> Int? {
    guard let text, !text.isEmpty else { return nil }
    guard let number = Int(text) else {
      throw .badRequest("strconv.ParseInt: parsing \"\(text)\": invalid syntax")
    }
    return number
  }
}
