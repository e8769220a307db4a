import Glibc

/// What the API server adds to objects that are written.
struct Admission {
  /// Whether a write would change nothing but what is set by each write.
  func isSame(_ new: JSON, _ old: JSON) -> Bool {
    func stripped(_ object: JSON) -> JSON {
      var object = object
      object["kind"] = nil
      object["apiVersion"] = nil
      object["metadata"]?["resourceVersion"] = nil
      object["metadata"]?["managedFields"] = nil
      object["metadata"]?["generation"] = nil
      return object
    }
    return stripped(new) == stripped(old)
  }

  /// Completes an object that is to be stored.
  func finished(_ new: JSON, old: JSON?, _ resource: APIResource, _ manager: String) -> JSON {
    var object = new
    var metadata = object["metadata"] ?? [:]
    let oldMetadata = old?["metadata"]
    metadata["selfLink"] = nil
    metadata["uid"] = oldMetadata?["uid"] ?? metadata["uid"] ?? .string(Self.uid())
    metadata["creationTimestamp"] =
      oldMetadata?["creationTimestamp"] ?? .string(Self.timestamp())
    if resource.countsGenerations {
      var generation = oldMetadata?["generation"]?.int ?? 0
      if old == nil || Self.countsAsNew(object, old ?? .null, resource) { generation += 1 }
      metadata["generation"] = .int(generation)
    }
    metadata["managedFields"] = [Self.managedFields(object, resource, manager)]
    for list in ["labels", "annotations", "finalizers"] {
      if metadata[list]?.object?.isEmpty == true || metadata[list]?.array?.isEmpty == true {
        metadata[list] = nil
      }
    }
    object["metadata"] = metadata
    return object
  }

  private static func countsAsNew(_ new: JSON, _ old: JSON, _ resource: APIResource) -> Bool {
    if resource.kind == "Pod" { return new["spec"] != old["spec"] }
    return true
  }

  /// Who wrote which field; half of the bytes of real objects.
  private static func managedFields(
    _ object: JSON, _ resource: APIResource, _ manager: String
  ) -> JSON {
    func fields(_ value: JSON) -> JSON {
      guard let members = value.object else { return [:] }
      var result = JSONObject()
      for (key, value) in members.members { result["f:\(key)"] = fields(value) }
      return .object(result)
    }
    var owned = object
    owned["kind"] = nil
    owned["apiVersion"] = nil
    let metadata = object["metadata"]
    var ownedMetadata = JSONObject()
    for key in ["labels", "annotations"] { ownedMetadata[key] = metadata?[key] }
    owned["metadata"] = ownedMetadata.isEmpty ? nil : .object(ownedMetadata)
    return .members([
      "manager": .string(manager), "operation": "Update",
      "apiVersion": .string(resource.apiVersion), "time": .string(timestamp()),
      "fieldsType": "FieldsV1", "fieldsV1": fields(owned),
    ])
  }

  static func timestamp() -> String {
    var now = time(nil)
    var parts = tm()
    gmtime_r(&now, &parts)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
  }

  static func secondsSince(_ timestamp: String) -> Int {
    let numbers = timestamp.split { !$0.isNumber }.compactMap { Int32($0) }
    guard numbers.count >= 6 else { return 0 }
    var parts = tm()
    (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
    (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
    return time(nil) - timegm(&parts)
  }

  static func uid() -> String {
    func hexadecimal(_ count: Int, _ value: UInt64) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: max(0, count - text.count)) + text.suffix(count)
    }
    let (high, low) = (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max))
    return hexadecimal(8, high >> 32) + "-" + hexadecimal(4, high >> 16 & 0xFFFF) + "-4"
      + hexadecimal(3, high & 0xFFF) + "-" + hexadecimal(4, low >> 48 & 0x3FFF | 0x8000) + "-"
      + hexadecimal(12, low & 0xFFFF_FFFF_FFFF)
  }
}
