import SocketKit

/// Manifests for the tests of rules: what matters is given as YAML flow text.
enum Rule {
  static let node = "10.0.0.16"

  /// - Parameter spec: members of `spec`, without braces.
  static func service(
    _ name: String, _ spec: String, metadata: String = "", status: String = ""
  ) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: shop\(metadata.isEmpty ? "" : ", " + metadata)}
    spec: {\(spec)}
    status: {\(status)}
    ---

    """
  }

  static func slice(
    _ service: String, _ endpoints: [String], number: Int = 1,
    ports: String = "{name: http, port: 8080}", family: String = "IPv4"
  ) -> String {
    """
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata:
      name: \(service)-\(number)
      namespace: shop
      labels: {kubernetes.io/service-name: \(service)}
    addressType: \(family)
    endpoints: [\(endpoints.joined(separator: ", "))]
    ports: [\(ports)]
    ---

    """
  }

  enum State: String {
    case ready = "ready: true, serving: true, terminating: false"
    case notReady = "ready: false, serving: false, terminating: false"
    case leaving = "ready: false, serving: true, terminating: true"
    case gone = "ready: false, serving: false, terminating: true"
  }

  /// An endpoint of a slice.
  static func endpoint(
    _ pod: Place, on node: String = "node-1", _ state: State = .ready, hints: String = ""
  ) -> String {
    "{addresses: [\"\(pod.address)\"], nodeName: \(node), conditions: {\(state.rawValue)}"
      + (hints.isEmpty ? "}" : ", hints: {\(hints)}}")
  }

  static func endpoints(_ pods: [Place], on node: String = "node-1") -> [String] {
    pods.map { endpoint($0, on: node) }
  }
}

extension Sandbox {
  /// Attaches by the real command, as the node `node-1` with one address of each family.
  func attachNode(_ options: [String] = []) throws {
    try succeed(
      ["attach", "--cgroup", cgroup, "--node-name", "node-1", "--node-ip", "\(Rule.node),fd00::10"]
        + options)
  }

  @discardableResult
  func apply(_ manifests: String, _ options: [String] = []) throws -> Outcome {
    try succeed(["apply", "-f", "-"] + options, input: manifests)
  }
}

/// Which pods a number of new sockets reach.
func whoAnswer(_ vip: Place, _ pods: Pods, times: Int = 40) throws -> Set<Place> {
  let answers = try (0..<times).map { _ in
    try pods.type == SK_TCP ? whoAnswers(vip, pods) : whoGets(vip, pods)
  }
  return Set(answers)
}

/// Sends from a new socket, or the given one, and says which pod got it; the reply comes from
/// the VIP.
func whoGets(_ vip: Place, _ pods: Pods, from socket: Socket? = nil) throws -> Place {
  let client = try socket ?? Socket(pods.variant, SK_UDP)
  try client.send("x", to: vip)
  let pod = try pods.echo()
  try checkEqual(try client.receive()?.from, vip, "the source of the reply")
  return pod
}

/// Whether TCP to an address leads to the pods; else it leads to who listens there.
func isServed(_ place: Place, _ pods: Pods) throws -> Bool {
  let variant: Variant = place.address.contains(":") ? .v6 : .v4
  let own = try Socket(variant, SK_TCP)
  try own.bind(place)
  try own.listen()
  let client = try Socket(variant, SK_TCP)
  try client.closeAtOnce()
  try client.connect(place)
  if try own.accept() != nil { return false }
  _ = try pods.accept()
  return true
}

/// errno of a new socket's connect.
func connectError(_ variant: Variant, _ type: sk_type, _ place: Place) throws -> Int32 {
  try Socket(variant, type).connectError(place)
}
