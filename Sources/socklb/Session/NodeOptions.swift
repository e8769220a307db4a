public import ArgumentParser
import ServiceDataplane
public import ServiceMaps

/// What the table depends on besides the manifests: which node this is, and how it serves.
///
/// Every command has to compute the same table, so what is given once (to `attach` or `apply`)
/// is kept in the state directory and goes for all later commands.
struct NodeOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "This node's name, as in spec.nodeName of its Pods (default: the host name).",
      valueName: "name"))
  var nodeName: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The node's own addresses, with commas between them (default: those of its Node object, "
        + "else of the network interfaces).", valueName: "addresses"))
  var nodeIP: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The node's zone (default: the label topology.kubernetes.io/zone of its Node object).",
      valueName: "zone"))
  var nodeZone: String?

  @Option(
    name: .customLong("nodeport-addresses"),
    help: ArgumentHelp(
      "Addresses that serve node ports: CIDRs with commas between them, or primary (default: all "
        + "of the node).", valueName: "cidrs"))
  var nodePortAddresses: NodePortAddresses?

  @Flag(
    name: .customLong("localhost-nodeports"), inversion: .prefixedNo,
    help: "Serve node ports and host ports at 127.0.0.1 too (default: on).")
  var localhostNodePorts: Bool?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How backends are chosen where no annotation socklb.io/algorithm says so: random or "
        + "round-robin (default: random).", valueName: "algorithm"))
  var algorithm: Algorithm?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Which sockets are ended when their backend goes, where no annotation socklb.io/terminate "
        + "says so: \(Termination.choices) (default: \(Termination.standard)).",
      valueName: "list"))
  var terminate: Termination?

  @Flag(
    name: .customLong("guard-cluster-ips"), inversion: .prefixedNo,
    help: "Refuse what goes to a ClusterIP at a port it does not serve (default: on).")
  var guardClusterIPs: Bool?

  func validate() throws {
    for text in nodeIP?.split(separator: ",", omittingEmptySubsequences: false) ?? []
    where IPAddress(text) == nil {
      throw ValidationError("--node-ip: '\(text)' is no IP address")
    }
  }

  /// What was given, as it is kept.
  private var given: [String: String] {
    var result: [String: String] = [:]
    result["node-name"] = nodeName
    result["node-ip"] = nodeIP
    result["node-zone"] = nodeZone
    result["nodeport-addresses"] = nodePortAddresses?.description
    result["localhost-nodeports"] = localhostNodePorts.map { "\($0)" }
    result["algorithm"] = algorithm?.rawValue
    result["terminate"] = terminate?.description
    result["guard-cluster-ips"] = guardClusterIPs.map { "\($0)" }
    return result
  }

  /// What goes: given now, else kept, else the default.
  ///
  /// - Parameter kept: from the state directory.
  func settings(over kept: [String: String]) -> [String: String] {
    kept.merging(given) { $1 }
  }

  static func compileOptions(_ settings: [String: String]) -> CompileOptions {
    let name = settings["node-name"] ?? ThisNode.hostName
    let addresses = settings["node-ip"]?.split(separator: ",").compactMap { IPAddress($0) }
    return CompileOptions(
      node: NodeIdentity(
        name: name, zone: settings["node-zone"],
        addresses: addresses ?? ThisNode.interfaceAddresses),
      nodePortAddresses: settings["nodeport-addresses"].flatMap { NodePortAddresses($0) },
      localhostNodePorts: settings["localhost-nodeports"] != "false",
      defaultAlgorithm: settings["algorithm"].flatMap { Algorithm(rawValue: $0) } ?? .random,
      defaultTermination: settings["terminate"].flatMap { Termination($0) } ?? .standard,
      guardClusterIPs: settings["guard-cluster-ips"] != "false")
  }
}

extension NodePortAddresses: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension NodePortRange: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { description }
}

extension Algorithm: ExpressibleByArgument {}

extension Termination: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { description }
}
