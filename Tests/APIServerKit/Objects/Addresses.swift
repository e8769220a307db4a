import NIOConcurrencyHelpers

/// Gives addresses and node ports to Services that come without. It does not look whether others
/// were given the same ones by hand.
final class Addresses: Sendable {
  private let next = NIOLockedValueBox((address: 0, port: 0))

  func allocate(for object: JSON, _ resource: APIResource, old: JSON?) -> JSON {
    guard resource.kind == "Service" else { return object }
    var service = object
    let type = service.at("spec", "type")?.string
    guard type != "ExternalName" else { return service }
    if (service.at("spec", "clusterIP")?.string ?? "").isEmpty {
      service.set("spec", "clusterIP", to: .string(address()))
      service = Defaults.fill(service, resource, old: nil)
    }
    if type == "LoadBalancer", service.at("spec", "externalTrafficPolicy") == "Local",
      (service.at("spec", "healthCheckNodePort")?.int ?? 0) == 0
    {
      service.set("spec", "healthCheckNodePort", to: .int(nodePort()))
    }
    guard type == "NodePort" || type == "LoadBalancer",
      service.at("spec", "allocateLoadBalancerNodePorts") != false,
      let ports = service.at("spec", "ports")?.array
    else { return service }
    let before = old?.at("spec", "ports")?.array ?? []
    let numbered = ports.map { port -> JSON in
      guard (port["nodePort"]?.int ?? 0) == 0 else { return port }
      var port = port
      let same = before.first { $0["port"] == port["port"] && $0["protocol"] == port["protocol"] }
      port["nodePort"] = same?["nodePort"] ?? .int(nodePort())
      return port
    }
    service.set("spec", "ports", to: .array(numbered))
    return service
  }

  private func address() -> String {
    next.withLockedValue {
      $0.address += 1
      return "172.30.\(128 + $0.address / 250 % 128).\(1 + $0.address % 250)"
    }
  }

  private func nodePort() -> Int {
    next.withLockedValue {
      $0.port += 1
      return 31000 + $0.port % 1700
    }
  }
}
