/// One version of an object, as text that is ready to be sent.
final class StoredObject: Sendable {
  let namespace: String
  let name: String
  let uid: String
  let resourceVersion: UInt64
  let labels: [String: String]
  /// What field selectors may ask for.
  let fields: [String: String]
  /// With kind and apiVersion in front, as in a watch event and the answer to a GET.
  let bytes: [UInt8]
  /// Where, in `bytes`, the metadata begins: items of a list have no kind and no apiVersion.
  let itemStart: Int

  /// `NAMESPACE/NAME`, or the name; the order of lists.
  var key: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

  init(_ object: JSON, of resource: APIResource, resourceVersion: UInt64) {
    let metadata = object["metadata"]
    namespace = metadata?["namespace"]?.string ?? ""
    name = metadata?["name"]?.string ?? ""
    uid = metadata?["uid"]?.string ?? ""
    self.resourceVersion = resourceVersion
    labels =
      (metadata?["labels"]?.object?.members).map { members in
        Dictionary(members.map { ($0.0, $0.1.string ?? "") }, uniquingKeysWith: { $1 })
      } ?? [:]
    var fields = ["metadata.name": name]
    if resource.isNamespaced { fields["metadata.namespace"] = namespace }
    for path in resource.fields { fields[path] = Self.field(path, of: object) }
    self.fields = fields

    var head = JSONObject()
    head.append("kind", .string(resource.kind))
    head.append("apiVersion", .string(resource.apiVersion))
    let prefix = JSON.object(head).bytes
    var rest = JSONObject()
    rest.append("metadata", Self.ordered(metadata ?? [:], resourceVersion))
    for (key, value) in object.object?.members ?? JSONObject().members
    where key != "kind" && key != "apiVersion" && key != "metadata" {
      rest.append(key, FieldOrder.ordered(value, key, resource))
    }
    var text = prefix
    text[text.count - 1] = UInt8(ascii: ",")
    itemStart = text.count
    JSON.object(rest).write(to: &text)
    // The "{" of the rest.
    text.remove(at: itemStart)
    bytes = text
  }

  /// The tree again.
  var json: JSON { (try? JSON(parsing: bytes)) ?? .null }

  /// The same with another resourceVersion, as when the object is deleted.
  func with(resourceVersion: UInt64, of resource: APIResource) -> StoredObject {
    StoredObject(json, of: resource, resourceVersion: resourceVersion)
  }

  private static let order = [
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
    "annotations", "ownerReferences", "finalizers", "managedFields",
  ]

  private static func ordered(_ metadata: JSON, _ resourceVersion: UInt64) -> JSON {
    var members = JSONObject()
    var metadata = metadata
    metadata["resourceVersion"] = .string(String(resourceVersion))
    for key in order {
      guard let value = metadata[key], !value.isNull else { continue }
      members.append(
        key, key == "labels" || key == "annotations" ? FieldOrder.byName(value) : value)
    }
    for (key, value) in metadata.object?.members ?? JSONObject().members
    where !order.contains(key) { members.append(key, value) }
    return .object(members)
  }

  private static func field(_ path: String, of object: JSON) -> String {
    switch path {
    case "source": return object.at("source", "component")?.string ?? ""
    case "status.podIP":
      if let first = object.at("status", "podIPs")?[0]?["ip"]?.string { return first }
    default: break
    }
    switch object.at(path.split(separator: ".").map(String.init)) {
    case .string(let text): return text
    case .bool(let value): return value ? "true" : "false"
    case .int(let value): return String(value)
    default:
      return path == "spec.unschedulable" || path == "spec.hostNetwork" ? "false" : ""
    }
  }
}
