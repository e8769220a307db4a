/// A Pod (core/v1), reduced to what a Service with a selector needs of it.
public struct Pod: Hashable, Sendable {
  public struct ContainerPort: Hashable, Sendable {
    /// Empty when the port has no name.
    public var name: String
    public var transport: TransportProtocol
    public var port: Port
    public var hostPort: Port?
    public var hostIP: IPAddress?

    public init(
      name: String = "", transport: TransportProtocol = .tcp, port: Port, hostPort: Port? = nil,
      hostIP: IPAddress? = nil
    ) {
      self.name = name
      self.transport = transport
      self.port = port
      self.hostPort = hostPort
      self.hostIP = hostIP
    }
  }

  public var meta: ObjectMeta
  /// `status.podIPs`, or `status.podIP`; at most one per family is used.
  public var addresses: [IPAddress] = []
  /// Ports of all containers and of restartable (sidecar) init containers, in order.
  public var ports: [ContainerPort] = []
  /// The `Ready` condition; a Pod without `status.conditions` counts as ready.
  public var isReady = true
  /// `status.phase` Failed or Succeeded: never an endpoint.
  public var isFinished = false
  /// `metadata.deletionTimestamp` is set.
  public var isTerminating = false
  public var usesHostNetwork = false
  public var nodeName: String?

  public init(meta: ObjectMeta) { self.meta = meta }
}

/// A Node (core/v1). Kept for the topology rules and node addresses.
public struct Node: Hashable, Sendable {
  public var meta: ObjectMeta
  /// `status.addresses` of type InternalIP and ExternalIP, in order.
  public var addresses: [IPAddress] = []
  /// `metadata.deletionTimestamp` is set.
  public var isBeingDeleted = false
  /// It has the taint of the cluster autoscaler that comes before its end (KEP-3836).
  public var isToBeDeletedByAutoscaler = false

  public init(meta: ObjectMeta) { self.meta = meta }

  public var zone: String? { meta.labels["topology.kubernetes.io/zone"] }
}
