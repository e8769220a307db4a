/// The checks of the API server that a client of Services may meet; far from all of them.
enum Validation {
  static func check(_ object: JSON, _ resource: APIResource, old: JSON?) throws(APIStatus) {
    let name = object.at("metadata", "name")?.string ?? ""
    var causes: [APIStatus.Cause] = []
    if name.isEmpty {
      causes.append(.required("metadata.name", "name or generateName is required"))
    } else if resource.kind == "Service", !isLabel(name) {
      causes.append(
        .invalid(
          "metadata.name", .string(name),
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            + "and must start and end with an alphanumeric character (e.g. 'my-name',  or "
            + "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"))
    } else if !isSubdomain(name) {
      causes.append(
        .invalid(
          "metadata.name", .string(name),
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            + "'-' or '.', and must start and end with an alphanumeric character"))
    }
    switch resource.kind {
    case "Service": causes += service(object, old)
    case "EndpointSlice": causes += slice(object, old)
    default: break
    }
    guard causes.isEmpty else { throw .invalid(resource, name, causes) }
  }

  private static func service(_ service: JSON, _ old: JSON?) -> [APIStatus.Cause] {
    var causes: [APIStatus.Cause] = []
    let spec = service["spec"] ?? [:]
    let type = spec["type"]?.string ?? ""
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
    let ports = spec["ports"]?.array ?? []
    if ports.isEmpty, type != "ExternalName", spec["clusterIP"] != "None" {
      causes.append(.required("spec.ports"))
    }
    for (index, port) in ports.enumerated() {
      let field = "spec.ports[\(index)]"
      if ports.count > 1, (port["name"]?.string ?? "").isEmpty {
        causes.append(.required("\(field).name"))
      }
      for key in ["port", "targetPort"] where port[key]?.string == nil {
        if let number = port[key]?.int, (1...65535).contains(number) { continue }
        causes.append(
          .invalid("\(field).\(key)", port[key] ?? 0, "must be between 1 and 65535, inclusive"))
      }
      let transport = port["protocol"]?.string ?? ""
      let known = ["SCTP", "TCP", "UDP"]
      if !known.contains(transport) {
        causes.append(.notSupported("\(field).protocol", transport, known))
      }
    }
    if !types.contains(type) { causes.append(.notSupported("spec.type", type, types)) }
    if let old, old.at("spec", "type") != "ExternalName", type != "ExternalName",
      let before = old.at("spec", "clusterIP"), let now = spec["clusterIP"], before != now
    {
      causes.append(.invalid("spec.clusterIPs[0]", [now], "may not change once set"))
    }
    return causes
  }

  private static func slice(_ slice: JSON, _ old: JSON?) -> [APIStatus.Cause] {
    var causes: [APIStatus.Cause] = []
    let type = slice["addressType"]?.string ?? ""
    let types = ["FQDN", "IPv4", "IPv6"]
    if type.isEmpty {
      causes.append(.required("addressType"))
    } else if !types.contains(type) {
      causes.append(.notSupported("addressType", type, types))
    } else if let old, old["addressType"] != slice["addressType"] {
      causes.append(.invalid("addressType", .string(type), "field is immutable"))
    }
    let endpoints = slice["endpoints"]?.array ?? []
    if endpoints.count > 1000 {
      causes.append(
        .init(
          reason: "FieldValueTooMany",
          message: "Too many: \(endpoints.count): must have at most 1000 items",
          field: "endpoints"))
    }
    for (index, endpoint) in endpoints.enumerated()
    where (endpoint["addresses"]?.array ?? []).isEmpty {
      causes.append(
        .required("endpoints[\(index)].addresses", "must contain at least 1 address"))
    }
    return causes
  }

  private static func isLabel(_ name: String) -> Bool {
    isSubdomain(name) && name.utf8.count <= 63 && !name.contains(".")
  }

  private static func isSubdomain(_ name: String) -> Bool {
    let isPlain = { (byte: UInt8) in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard name.utf8.count <= 253, let first = name.utf8.first, let last = name.utf8.last,
      isPlain(first), isPlain(last)
    else { return false }
    return name.utf8.allSatisfy {
      isPlain($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
    }
  }
}
