/// The order in which the API server writes the fields of the objects that matter most here.
enum FieldOrder {
  private static let servicePort = [
    "name", "protocol", "appProtocol", "port", "targetPort", "nodePort",
  ]
  private static let serviceSpec = [
    "ports", "selector", "clusterIP", "clusterIPs", "type", "externalIPs", "sessionAffinity",
    "loadBalancerIP", "loadBalancerSourceRanges", "externalName", "externalTrafficPolicy",
    "healthCheckNodePort", "publishNotReadyAddresses", "sessionAffinityConfig", "ipFamilies",
    "ipFamilyPolicy", "allocateLoadBalancerNodePorts", "loadBalancerClass",
    "internalTrafficPolicy", "trafficDistribution",
  ]
  private static let endpoint = [
    "addresses", "conditions", "hostname", "targetRef", "deprecatedTopology", "nodeName", "zone",
    "hints",
  ]
  private static let slicePort = ["name", "protocol", "port", "appProtocol"]

  static func ordered(_ value: JSON, _ key: String, _ resource: APIResource) -> JSON {
    switch (resource.kind, key) {
    case ("Service", "spec"):
      var spec = sorted(value, serviceSpec)
      if let ports = spec["ports"] { spec["ports"] = each(ports, servicePort) }
      return spec
    case ("EndpointSlice", "endpoints"): return each(value, endpoint)
    case ("EndpointSlice", "ports"): return each(value, slicePort)
    default: return value
    }
  }

  /// As maps are written.
  static func byName(_ value: JSON) -> JSON {
    guard let object = value.object else { return value }
    return .object(JSONObject(object.members.sorted { $0.0 < $1.0 }.map { ($0.0, $0.1) }))
  }

  private static func each(_ list: JSON, _ order: [String]) -> JSON {
    guard let elements = list.array else { return list }
    return .array(elements.map { sorted($0, order) })
  }

  /// What is not in the order stays behind it.
  private static func sorted(_ value: JSON, _ order: [String]) -> JSON {
    guard let object = value.object else { return value }
    var result = JSONObject()
    for key in order {
      if let value = object[key] { result.append(key, value) }
    }
    for (key, value) in object.members where !order.contains(key) { result.append(key, value) }
    return .object(result)
  }
}
