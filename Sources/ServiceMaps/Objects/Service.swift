/// A Service (core/v1), reduced to what the rules need.
public struct Service: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case clusterIP = "ClusterIP"
    case nodePort = "NodePort"
    case loadBalancer = "LoadBalancer"
    case externalName = "ExternalName"
  }

  public enum FamilyPolicy: String, Hashable, Sendable, CaseIterable {
    case singleStack = "SingleStack"
    case preferDualStack = "PreferDualStack"
    case requireDualStack = "RequireDualStack"
  }

  public enum TrafficPolicy: String, Hashable, Sendable, CaseIterable {
    case cluster = "Cluster"
    case local = "Local"
  }

  /// `spec.ports[i].targetPort`: a number, or the name of a container port.
  public enum TargetPort: Hashable, Sendable {
    case number(Port)
    case name(String)
  }

  public struct ServicePort: Hashable, Sendable {
    /// Empty when the port has no name.
    public var name: String
    public var transport: TransportProtocol
    public var port: Port
    /// nil: the same as `port`.
    public var targetPort: TargetPort?
    public var nodePort: Port?

    public init(
      name: String = "", transport: TransportProtocol = .tcp, port: Port,
      targetPort: TargetPort? = nil, nodePort: Port? = nil
    ) {
      self.name = name
      self.transport = transport
      self.port = port
      self.targetPort = targetPort
      self.nodePort = nodePort
    }
  }

  /// One entry of `status.loadBalancer.ingress` that has an IP address.
  public struct Ingress: Hashable, Sendable {
    public var address: IPAddress
    /// ipMode nil or "VIP"; with "Proxy" the traffic goes out to the load balancer.
    public var isVIP: Bool

    public init(address: IPAddress, isVIP: Bool = true) {
      self.address = address
      self.isVIP = isVIP
    }
  }

  public var meta: ObjectMeta
  public var kind: Kind = .clusterIP
  /// `clusterIP: None`.
  public var isHeadless = false
  /// At most one per family; empty when the manifest gives none.
  public var clusterIPs: [IPAddress] = []
  /// Empty when the manifest gives none.
  public var ipFamilies: [IPFamily] = []
  public var ipFamilyPolicy: FamilyPolicy?
  /// nil: no selector, endpoints come from elsewhere.
  public var selector: [String: String]?
  public var ports: [ServicePort] = []
  public var externalIPs: [IPAddress] = []
  public var externalName: String?
  public var loadBalancerIngress: [Ingress] = []
  public var loadBalancerSourceRanges: [IPPrefix] = []
  /// `spec.sessionAffinity: ClientIP`: seconds (default 10,800); nil for None.
  public var affinityTimeout: UInt32?
  public var internalTrafficPolicy: TrafficPolicy = .cluster
  public var externalTrafficPolicy: TrafficPolicy = .cluster
  public var publishNotReadyAddresses = false
  public var allocateLoadBalancerNodePorts = true
  public var healthCheckNodePort: Port?

  public init(meta: ObjectMeta) { self.meta = meta }

  /// The label that gives a Service to another proxy; its presence counts, not its value.
  public var isLeftToAnotherProxy: Bool {
    meta.labels["service.kubernetes.io/service-proxy-name"] != nil
  }
}
