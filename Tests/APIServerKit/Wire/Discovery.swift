/// The documents by which clients find out what is served.
enum Discovery {
  static let version: JSON = .members([
    "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "2025-08-27T10:00:00Z", "goVersion": "go1.24.6", "compiler": "gc",
    "platform": "linux/amd64",
  ])

  static let api: JSON = .members([
    "kind": "APIVersions", "versions": ["v1"],
    "serverAddressByClientCIDRs": [["clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"]],
  ])

  private static let groups = ["authorization.k8s.io", "coordination.k8s.io", "discovery.k8s.io"]

  private static func version(_ group: String) -> JSON {
    .members(["groupVersion": .string("\(group)/v1"), "version": "v1"])
  }

  private static func group(_ name: String) -> JSON {
    .members([
      "name": .string(name), "versions": [version(name)], "preferredVersion": version(name),
    ])
  }

  static let apis: JSON = .members([
    "kind": "APIGroupList", "apiVersion": "v1", "groups": .array(groups.map(group)),
  ])

  static func resources(at path: String) -> JSON? {
    let steps = path.split(separator: "/").map(String.init)
    if steps == ["api", "v1"] { return resources(group: "") }
    guard steps.first == "apis", steps.count >= 2, groups.contains(steps[1]) else { return nil }
    if steps.count == 2 {
      var document = JSON.members(["kind": "APIGroup", "apiVersion": "v1"])
      for (key, value) in group(steps[1]).object!.members { document[key] = value }
      return document
    }
    return steps.count == 3 && steps[2] == "v1" ? resources(group: steps[1]) : nil
  }

  private static let verbs: JSON = [
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
  ]

  private static func resources(group: String) -> JSON {
    var list: [JSON] = []
    for resource in APIResource.all where resource.group == group {
      var entry = JSON.members([
        "name": .string(resource.plural), "singularName": .string(resource.singular),
        "namespaced": .bool(resource.isNamespaced), "kind": .string(resource.kind), "verbs": verbs,
      ])
      if !resource.shortNames.isEmpty {
        entry["shortNames"] = .array(resource.shortNames.map(JSON.string))
      }
      if ["pods", "services"].contains(resource.plural) { entry["categories"] = ["all"] }
      list.append(entry)
      guard resource.hasStatus else { continue }
      list.append(
        .members([
          "name": .string(resource.plural + "/status"), "singularName": "",
          "namespaced": .bool(resource.isNamespaced), "kind": .string(resource.kind),
          "verbs": ["get", "patch", "update"],
        ]))
    }
    if group == "authorization.k8s.io" {
      list.append(
        .members([
          "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview",
          "namespaced": false, "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        ]))
    }
    let version = group.isEmpty ? "v1" : "\(group)/v1"
    return .members([
      "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(version),
      "resources": .array(list),
    ])
  }
}
