import ServiceMaps

/// Manifests as `kubectl get svc,endpointslices -A -o yaml` prints them, more or less: what
/// `apply` is measured with.
enum Generate {
  static func manifests(services: Int, endpoints: Int) -> String {
    var text = ""
    text.reserveCapacity(services * 2200)
    for number in 0..<services {
      service(number, to: &text)
      slice(number, endpoints: endpoints, to: &text)
    }
    return text
  }

  static func clusterIP(_ number: Int) -> String {
    "10.\(96 + number >> 16 & 15).\(number >> 8 & 255).\(number & 255)"
  }

  private static func service(_ number: Int, to text: inout String) {
    text += """
      ---
      apiVersion: v1
      kind: Service
      metadata:
        name: service-\(number)
        namespace: bench
        creationTimestamp: "2026-01-01T00:00:00Z"
        labels:
          app: app-\(number)
      spec:
        type: ClusterIP
        clusterIP: \(clusterIP(number + 4096))
        clusterIPs:
        - \(clusterIP(number + 4096))
        internalTrafficPolicy: Cluster
        ipFamilies:
        - IPv4
        ipFamilyPolicy: SingleStack
        ports:
        - name: http
          port: 80
          protocol: TCP
          targetPort: 8080
        selector:
          app: app-\(number)
        sessionAffinity: None
      status:
        loadBalancer: {}

      """
  }

  private static func slice(_ number: Int, endpoints: Int, to text: inout String) {
    text += """
      ---
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata:
        name: service-\(number)-abcde
        namespace: bench
        labels:
          kubernetes.io/service-name: service-\(number)
      addressType: IPv4
      endpoints:

      """
    for endpoint in 0..<endpoints {
      let id = number * endpoints + endpoint
      text += """
        - addresses:
          - 10.\(128 + id >> 16 & 63).\(id >> 8 & 255).\(id & 255)
          conditions:
            ready: true
            serving: true
            terminating: false
          nodeName: node-\(id % 100)
          targetRef:
            kind: Pod
            name: pod-\(id)
            namespace: bench

        """
    }
    text += """
      ports:
      - name: http
        port: 8080
        protocol: TCP

      """
  }

  /// A table of that size without any manifests.
  static func table(services: Int, endpoints: Int) -> ServiceTable {
    var frontends: [Frontend] = []
    frontends.reserveCapacity(services)
    guard let http = Port(80), let target = Port(8080) else { return ServiceTable() }
    for number in 0..<services {
      let backends = (0..<endpoints).map { endpoint in
        Backend(
          address: IPAddress(v4: 0x0a80_0000 + UInt32(number * endpoints + endpoint)),
          port: target)
      }
      frontends.append(
        Frontend(
          key: FrontendKey(
            address: IPAddress(v4: 0x0a60_1000 + UInt32(number)), port: http, transport: .tcp),
          kind: .clusterIP,
          service: ServicePortName(
            service: NamespacedName(namespace: "bench", name: "service-\(number)"),
            port: "http", transport: .tcp),
          backends: backends))
    }
    // As the compiler has it: whatever else a ClusterIP is asked for is refused.
    return ServiceTable(
      frontends: frontends, guardedAddresses: frontends.map(\.key.address))
  }
}
