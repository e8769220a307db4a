/// A port of a Pod that the node has too (`hostPort`), as the portmap plugin serves it.
struct HostPort: Hashable {
  /// What the frontends of a host port are called by: the Pod, and a port name.
  struct Name: Hashable {
    var owner: NamespacedName
    var port: String
  }

  var portName: String
  var transport: TransportProtocol
  var hostPort: Port
  /// nil: all addresses of the node.
  var hostIP: IPAddress?
  var containerPort: Port

  /// The addresses of one family at which the port is served, given those of the node.
  ///
  /// A `hostIP` is taken as it is, except that ::1 is served by nobody.
  func addresses(_ own: [IPAddress], _ family: IPFamily) -> [IPAddress] {
    guard let hostIP else { return own }
    return hostIP.family == family && (!hostIP.isLoopback || family == .v4) ? [hostIP] : []
  }

  /// The container port's name. Where a Service of the Pod's name, or another host port of the
  /// Pod, has that one already, it is `hostPort-8081`, which no port of a Service can be called:
  /// affinity and counters belong to a name.
  func name(in pod: Pod, _ taken: inout Set<Name>) -> String {
    let owner = HostPort.shortened(pod.meta.name)
    if taken.insert(Name(owner: owner, port: portName)).inserted { return portName }
    return "hostPort-\(hostPort)"
  }

  /// Names of Pods may have 253 characters, but records of the data plane have room for 63, which
  /// is enough for Services. A longer one is cut, and made unique again by a hash of the whole.
  static func shortened(_ name: NamespacedName) -> NamespacedName {
    guard name.name.utf8.count > 63 else { return name }
    var hash = StableHash()
    hash.combine(name.name.utf8)
    return NamespacedName(
      namespace: name.namespace, name: "\(name.name.prefix(46))-\(hash.text)")
  }
}

extension Pod {
  /// Whether its host ports lead to it: it runs on this node and has not ended.
  ///
  /// Readiness does not matter, as neither the kubelet nor portmap looks at it: the port is there
  /// as long as the Pod's network is. A Pod on the host network needs no help, as its own ports
  /// are the host's.
  func servesHostPorts(on node: NodeIdentity) -> Bool {
    !usesHostNetwork && !isFinished && isLocal(to: node)
  }

  var hostPorts: [HostPort] {
    ports.compactMap { port in
      port.hostPort.map { hostPort in
        HostPort(
          portName: port.name, transport: port.transport, hostPort: hostPort, hostIP: port.hostIP,
          containerPort: port.port)
      }
    }
  }
}
