/// Manifests as text, for the real command.
enum Manifest {
  static func service(
    _ name: String, vip: Place, _ transport: String = "TCP", port: String = "http"
  ) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: shop}
    spec:
      clusterIP: "\(vip.address)"
      ports: [{name: \(port), port: \(vip.port), protocol: \(transport)}]
    ---

    """
  }

  /// The first of its slices; all backends have one port.
  static func slice(
    _ service: String, _ backends: [Place], _ transport: String = "TCP", port: String = "http"
  ) -> String {
    let endpoints = backends.map { "{addresses: [\"\($0.address)\"]}" }.joined(separator: ", ")
    let family = backends.first?.address.contains(":") == true ? "IPv6" : "IPv4"
    let number = backends.first?.port ?? 8080
    return """
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata:
        name: \(service)-1
        namespace: shop
        labels: {kubernetes.io/service-name: \(service)}
      addressType: \(family)
      endpoints: [\(endpoints)]
      ports: [{name: \(port), port: \(number), protocol: \(transport)}]
      ---

      """
  }

  static func both(
    _ name: String, vip: Place, _ backends: [Place], _ transport: String = "TCP"
  ) -> String {
    service(name, vip: vip, transport) + slice(name, backends, transport)
  }
}
