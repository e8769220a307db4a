/// Manifests as `kubectl get -o yaml` has them, for tests with a cluster.
enum Kube {
  /// What a slice says of an endpoint.
  enum Condition: String {
    case ready = "ready: true, serving: true, terminating: false"
    case notReady = "ready: false, serving: false, terminating: false"
    /// It is being deleted and still answers.
    case terminating = "ready: false, serving: true, terminating: true"
    case terminatingNotServing = "ready: false, serving: false, terminating: true"
    /// As the controller writes it for publishNotReadyAddresses.
    case terminatingPublished = "ready: true, serving: false, terminating: true"
  }

  static let http = "{name: http, port: 80, protocol: TCP, targetPort: 8080}"

  static func service(
    _ name: String, _ address: String, ports: [String] = [http], labels: [String] = [],
    annotations: [String] = [], spec: [String] = []
  ) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata:
      name: \(name)
      namespace: e2e
      labels: {\(labels.joined(separator: ", "))}
      annotations: {\(annotations.joined(separator: ", "))}
    spec:
      clusterIP: "\(address)"
      clusterIPs: ["\(address)"]
      ports: [\(ports.joined(separator: ", "))]
    \(spec.map { "  \($0)\n" }.joined())---

    """
  }

  static func externalName(_ name: String) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: e2e}
    spec: {type: ExternalName, externalName: shop.example.com}
    ---

    """
  }

  /// - Parameter zones: for which zone an endpoint is meant, by the pod's name.
  static func slice(
    _ service: String, _ pods: [ClusterPod], _ condition: Condition = .ready,
    ports: [String] = ["{name: http, port: 8080, protocol: TCP}"], suffix: String = "1",
    labels: [String] = [], family: String = "IPv4", zones: [String: String] = [:]
  ) -> String {
    let endpoints = pods.map { pod in
      let zone = zones[pod.name].map { "hints: {forZones: [{name: \($0)}]}, " } ?? ""
      return """
        {addresses: ["\(family == "IPv6" ? pod.address6 : pod.address)"], \
        conditions: {\(condition.rawValue)}, nodeName: \(pod.nodeName), \
        \(zone)targetRef: {kind: Pod, name: \(pod.name), namespace: e2e}}
        """
    }
    let allLabels = ["kubernetes.io/service-name: \(service)"] + labels
    return """
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata:
        name: \(service)-\(suffix)
        namespace: e2e
        labels: {\(allLabels.joined(separator: ", "))}
      addressType: \(family)
      endpoints: [\(endpoints.joined(separator: ", "))]
      ports: [\(ports.joined(separator: ", "))]
      ---

      """
  }

  /// A Pod object, for a Service with the selector `app: NAME`.
  static func pod(
    _ pod: ClusterPod, app: String, ready: Bool = true, phase: String = "Running",
    isDeleted: Bool = false, ports: [String] = ["{name: http, containerPort: 8080}"],
    containers: String = "containers"
  ) -> String {
    """
    apiVersion: v1
    kind: Pod
    metadata:
      name: \(pod.name)
      namespace: e2e
      labels: {app: \(app)}
    \(isDeleted ? "  deletionTimestamp: \"2026-01-01T00:00:00Z\"\n" : "")spec:
      nodeName: \(pod.nodeName)
      \(containers): [{name: server, restartPolicy: Always, ports: [\(ports.joined(separator: ", "))]}]
    status:
      phase: \(phase)
      podIP: \(pod.address)
      podIPs: [{ip: \(pod.address)}]
      conditions: [{type: Ready, status: "\(ready ? "True" : "False")"}]
    ---

    """
  }
}
