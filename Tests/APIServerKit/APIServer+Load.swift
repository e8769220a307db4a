/// Many objects, for tests of size and speed.
extension APIServer {
  /// Services `svc-N` in ten namespaces `load-N`, each with one slice.
  public func putServices(_ count: Int, endpoints: Int) throws {
    for number in 0..<count {
      try put(Self.service(number))
      try putSlice(number, endpoints: endpoints)
    }
  }

  /// The address of a Service of `putServices`.
  public static func address(ofService number: Int) -> String {
    "172.30.\(number / 250 % 250).\(1 + number % 250)"
  }

  /// Writes the slice of such a Service anew, with one other endpoint each time.
  public func putSlice(_ number: Int, endpoints: Int) throws {
    try put(Self.slice(number, endpoints: endpoints, variant: core.nextVariant()))
  }

  public static func service(_ number: Int) -> JSON {
    .members([
      "kind": "Service", "apiVersion": "v1",
      "metadata": .members([
        "name": .string("svc-\(number)"), "namespace": .string("load-\(number % 10)"),
        "labels": [
          "app.kubernetes.io/name": .string("svc-\(number)"),
          "app.kubernetes.io/part-of": "load",
        ],
      ]),
      "spec": .members([
        "ports": [
          .members(["name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080])
        ],
        "selector": ["app.kubernetes.io/name": .string("svc-\(number)")],
        "clusterIP": .string(address(ofService: number)), "type": "ClusterIP",
      ]),
    ])
  }

  /// - Parameter variant: makes the first endpoint another one.
  public static func slice(_ number: Int, endpoints: Int, variant: Int = 0) -> JSON {
    let list = (0..<endpoints).map { index -> JSON in
      let pod = number * endpoints + index
      let place = index == 0 ? variant : pod
      let first = index == 0 ? 250 + place / 62500 % 5 : place / 62500 % 250
      return .members([
        "addresses": [.string("10.\(first).\(place / 250 % 250).\(1 + place % 250)")],
        "conditions": .members(["ready": true, "serving": true, "terminating": false]),
        "targetRef": .members([
          "kind": "Pod", "namespace": .string("load-\(number % 10)"),
          "name": .string("svc-\(number)-\(index)"),
          "uid": .string("9d2c5680-0000-4000-8000-\(100_000_000_000 + pod)"),
        ]),
        "nodeName": .string("node-\(pod % 100)"), "zone": .string("zone-\(pod % 3)"),
      ])
    }
    return .members([
      "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
      "metadata": .members([
        "name": .string("svc-\(number)-1"), "namespace": .string("load-\(number % 10)"),
        "labels": .members([
          "kubernetes.io/service-name": .string("svc-\(number)"),
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        ]),
      ]),
      "addressType": "IPv4", "endpoints": .array(list),
      "ports": [.members(["name": "http", "protocol": "TCP", "port": 8080])],
    ])
  }
}
