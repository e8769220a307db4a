/// What the API server fills in, as far as it matters to those who read Services.
enum Defaults {
  static func fill(_ object: JSON, _ resource: APIResource, old: JSON?) -> JSON {
    switch resource.kind {
    case "Service": service(object, old)
    case "EndpointSlice": slice(object)
    case "Namespace": namespace(object)
    case "Pod": pod(object)
    case "Node": node(object)
    default: object
    }
  }

  private static func set(_ value: JSON, at path: String..., in object: inout JSON) {
    if object.at(path)?.isNull ?? true { object.set(path[...], to: value) }
  }

  private static func service(_ service: JSON, _ old: JSON?) -> JSON {
    var service = service
    set("ClusterIP", at: "spec", "type", in: &service)
    set("None", at: "spec", "sessionAffinity", in: &service)
    let type = service.at("spec", "type")?.string
    if service.at("spec", "sessionAffinity") == "ClientIP" {
      set(10800, at: "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds", in: &service)
    }
    if let ports = service.at("spec", "ports")?.array {
      service.set("spec", "ports", to: .array(ports.map(servicePort)))
    }
    if type == "NodePort" || type == "LoadBalancer" {
      set("Cluster", at: "spec", "externalTrafficPolicy", in: &service)
    }
    if type == "LoadBalancer" {
      set(true, at: "spec", "allocateLoadBalancerNodePorts", in: &service)
    }
    if type != "ExternalName" {
      set("Cluster", at: "spec", "internalTrafficPolicy", in: &service)
      if let old { keepAddresses(&service, old) }
      addresses(&service)
    }
    set(["loadBalancer": [:]], at: "status", in: &service)
    return service
  }

  private static func servicePort(_ port: JSON) -> JSON {
    var port = port
    set("TCP", at: "protocol", in: &port)
    set(port["port"] ?? 0, at: "targetPort", in: &port)
    return port
  }

  /// An update that does not name the addresses keeps them.
  private static func keepAddresses(_ service: inout JSON, _ old: JSON) {
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
      if let value = old.at("spec", key) { set(value, at: "spec", key, in: &service) }
    }
  }

  private static func addresses(_ service: inout JSON) {
    if let first = service.at("spec", "clusterIPs")?[0] {
      set(first, at: "spec", "clusterIP", in: &service)
    }
    guard let address = service.at("spec", "clusterIP")?.string, !address.isEmpty else { return }
    set([.string(address)], at: "spec", "clusterIPs", in: &service)
    let families = service.at("spec", "clusterIPs")?.array?.map { one -> JSON in
      one.string?.contains(":") == true ? "IPv6" : "IPv4"
    }
    // Without a selector it can have backends of either family.
    let isOpen = address == "None" && (service.at("spec", "selector")?.object?.isEmpty ?? true)
    if isOpen { set(["IPv4", "IPv6"], at: "spec", "ipFamilies", in: &service) }
    let isDual = isOpen || (families?.count ?? 0) > 1
    set(.array(families ?? []), at: "spec", "ipFamilies", in: &service)
    set(isDual ? "RequireDualStack" : "SingleStack", at: "spec", "ipFamilyPolicy", in: &service)
  }

  private static func slice(_ slice: JSON) -> JSON {
    var slice = slice
    // Absent and empty lists are written as null: the fields are required.
    if let endpoints = slice["endpoints"]?.array, !endpoints.isEmpty {
      slice["endpoints"] = .array(
        endpoints.map { endpoint in
          var endpoint = endpoint
          set([:], at: "conditions", in: &endpoint)
          return endpoint
        })
    } else {
      slice["endpoints"] = .null
    }
    if let ports = slice["ports"]?.array, !ports.isEmpty {
      slice["ports"] = .array(
        ports.map { port in
          var port = port
          set("", at: "name", in: &port)
          set("TCP", at: "protocol", in: &port)
          return port
        })
    } else {
      slice["ports"] = .null
    }
    return slice
  }

  private static func namespace(_ namespace: JSON) -> JSON {
    var namespace = namespace
    if let name = namespace.at("metadata", "name") {
      namespace.set("metadata", "labels", "kubernetes.io/metadata.name", to: name)
    }
    set(["kubernetes"], at: "spec", "finalizers", in: &namespace)
    set("Active", at: "status", "phase", in: &namespace)
    return namespace
  }

  private static func node(_ node: JSON) -> JSON {
    var node = node
    set([:], at: "spec", in: &node)
    for (key, value) in node["status"]?.object == nil ? emptyStatus : [] {
      node.set("status", key, to: value)
    }
    return node
  }

  private static var emptyStatus: [(String, JSON)] {
    guard let index = APIResource.index(kind: "Node"),
      let status = APIResource.all[index].emptyRest["status"]?.object
    else { return [] }
    return Array(status.members)
  }

  private static func pod(_ pod: JSON) -> JSON {
    var pod = pod
    set("Always", at: "spec", "restartPolicy", in: &pod)
    set("ClusterFirst", at: "spec", "dnsPolicy", in: &pod)
    set("default-scheduler", at: "spec", "schedulerName", in: &pod)
    set("Pending", at: "status", "phase", in: &pod)
    return pod
  }
}
