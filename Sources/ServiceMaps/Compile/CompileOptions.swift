/// What the table depends on besides the known objects.
public struct CompileOptions: Hashable, Sendable {
  /// A Node object of this name among the known objects goes before what is given here.
  public var node: NodeIdentity
  /// nil: all addresses of the node.
  public var nodePortAddresses: NodePortAddresses?
  /// Serve node ports and host ports at 127.0.0.1 too, as kube-proxy's iptables mode does.
  public var localhostNodePorts: Bool
  /// For Services without the annotation `socklb.io/algorithm`.
  public var defaultAlgorithm: Algorithm
  /// For Services without the annotation `socklb.io/terminate`.
  public var defaultTermination: Termination
  /// Refuse what goes to a ClusterIP, but to no port of its Service, as kube-proxy's nftables
  /// mode does.
  public var guardClusterIPs: Bool

  public init(
    node: NodeIdentity = NodeIdentity(), nodePortAddresses: NodePortAddresses? = nil,
    localhostNodePorts: Bool = true, defaultAlgorithm: Algorithm = .random,
    defaultTermination: Termination = .standard, guardClusterIPs: Bool = true
  ) {
    self.node = node
    self.nodePortAddresses = nodePortAddresses
    self.localhostNodePorts = localhostNodePorts
    self.defaultAlgorithm = defaultAlgorithm
    self.defaultTermination = defaultTermination
    self.guardClusterIPs = guardClusterIPs
  }
}
