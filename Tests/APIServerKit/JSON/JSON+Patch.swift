extension JSON {
  /// RFC 7386.
  public func mergePatched(with patch: JSON) -> JSON {
    guard case .object(let changes) = patch else { return patch }
    var result = object ?? JSONObject()
    for (key, change) in changes.members {
      if change.isNull {
        result[key] = nil
      } else {
        result[key] = (result[key] ?? .null).mergePatched(with: change)
      }
    }
    return .object(result)
  }

  /// The lists of the types served here that a strategic merge patch merges by a key. All other
  /// lists are replaced, except finalizers, which are joined.
  private static let mergeKeys = [
    "conditions": "type", "addresses": "type", "containers": "name", "initContainers": "name",
    "env": "name", "volumes": "name", "volumeMounts": "mountPath", "ownerReferences": "uid",
    "containerStatuses": "", "podIPs": "ip", "hostAliases": "ip", "imagePullSecrets": "name",
  ]

  /// Kubernetes' strategic merge patch, as far as kubectl makes use of it for these types:
  /// lists with a merge key, `$patch: delete` and `replace`, `$setElementOrder`,
  /// `$deleteFromPrimitiveList`, `$retainKeys`.
  func strategicallyPatched(with patch: JSON, in path: [String] = []) -> JSON {
    guard case .object(let changes) = patch else { return patch }
    if changes["$patch"]?.string == "replace" {
      var result = changes
      result["$patch"] = nil
      return .object(result)
    }
    var result = object ?? JSONObject()
    if let kept = changes["$retainKeys"]?.array?.compactMap(\.string) {
      for key in result.keys where !kept.contains(key) { result[key] = nil }
    }
    for (key, change) in changes.members where !key.hasPrefix("$") {
      if change.isNull {
        result[key] = nil
      } else if let elements = change.array, let mergeKey = Self.mergeKey(of: key, in: path) {
        let all = Self.merged(result[key]?.array ?? [], elements, mergeKey, path + [key])
        // Unless told otherwise, what the patch names is first.
        result[key] = .array(Self.ordered(all, elements, mergeKey))
      } else if case .object = change {
        let old = result[key] ?? .object(JSONObject())
        result[key] = old.strategicallyPatched(with: change, in: path + [key])
      } else {
        result[key] = change
      }
    }
    for (key, change) in changes.members where key.hasPrefix("$deleteFromPrimitiveList/") {
      let list = String(key.dropFirst("$deleteFromPrimitiveList/".count))
      let gone = change.array ?? []
      result[list] = .array((result[list]?.array ?? []).filter { !gone.contains($0) })
    }
    for (key, order) in changes.members where key.hasPrefix("$setElementOrder/") {
      let list = String(key.dropFirst("$setElementOrder/".count))
      guard let elements = result[list]?.array, let mergeKey = Self.mergeKey(of: list, in: path)
      else { continue }
      result[list] = .array(Self.ordered(elements, order.array ?? [], mergeKey))
    }
    return .object(result)
  }

  private static func mergeKey(of list: String, in path: [String]) -> String? {
    switch list {
    case "finalizers": ""
    case "ports": path.first == "spec" ? (path.count == 1 ? "port" : "containerPort") : nil
    case "addresses": path == ["status"] ? "type" : nil
    case "taints": path == ["spec"] ? "key" : nil
    case "ingress", "containerStatuses": nil
    default: mergeKeys[list]
    }
  }

  private static func merged(
    _ old: [JSON], _ changes: [JSON], _ mergeKey: String, _ path: [String]
  ) -> [JSON] {
    if mergeKey.isEmpty { return old + changes.filter { !old.contains($0) } }
    if changes.contains(where: { $0["$patch"]?.string == "replace" }) {
      return changes.filter { $0["$patch"] == nil }
    }
    var result = old
    for change in changes {
      let index = result.firstIndex { $0[mergeKey] == change[mergeKey] }
      if change["$patch"]?.string == "delete" {
        if let index { result.remove(at: index) }
      } else if let index {
        result[index] = result[index].strategicallyPatched(with: change, in: path)
      } else {
        result.append(change)
      }
    }
    return result
  }

  private static func ordered(_ elements: [JSON], _ order: [JSON], _ mergeKey: String) -> [JSON] {
    func place(_ element: JSON) -> Int? {
      order.firstIndex { mergeKey.isEmpty ? $0 == element : $0[mergeKey] == element[mergeKey] }
    }
    let known = elements.filter { place($0) != nil }.sorted { place($0)! < place($1)! }
    return known + elements.filter { place($0) == nil }
  }
}
