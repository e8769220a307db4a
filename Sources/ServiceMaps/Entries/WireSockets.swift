public import CServiceABI

extension SocketFlow {
  /// - Returns: nil when the flow is unused, or replaced.
  public init?(wire: svc_flow) {
    guard let backendPort = Port(UInt16(bigEndian: wire.backend_port_be)),
      let vipPort = Port(UInt16(bigEndian: wire.vip_port_be)),
      wire.service & SVC_FLOW_PAST.rawValue == 0
    else { return nil }
    self.init(
      vip: Backend(address: IPAddress(words: wire.vip_be), port: vipPort),
      backend: Backend(address: IPAddress(words: wire.backend_be), port: backendPort),
      transport: wire.service & SVC_FLOW_TCP.rawValue != 0 ? .tcp : .udp,
      isConnected: wire.service & SVC_FLOW_CONNECTED.rawValue != 0,
      service: wire.service & UInt32(SVC_FLOW_SERVICE_MASK), endpoint: wire.endpoint,
      generation: wire.generation, namespace: wire.netns, since: wire.since)
  }
}

extension KernelClocks {
  public init(wire: svc_clocks) {
    self.init(jiffies: wire.jiffies, nanoseconds: wire.nanoseconds)
  }

  /// The unit of `SocketFlow.since`: 16 jiffies.
  public var units: UInt32 { UInt32(truncatingIfNeeded: jiffies >> UInt64(SVC_SINCE_SHIFT)) }

  static func jiffies(ofUnits units: UInt32) -> UInt64 { UInt64(units) << UInt64(SVC_SINCE_SHIFT) }
}

extension SocketUser {
  public init(wire: svc_socket_user) {
    self.init(
      cookie: wire.cookie,
      process: SocketProcess(pid: wire.pid, command: WireText.read(wire.command)),
      namespace: NetworkNamespace(cookie: wire.netns, inode: wire.netns_inode),
      localAddress: IPAddress(words: wire.local_be),
      localPort: UInt16(bigEndian: wire.local_port_be), state: wire.state,
      flow: SocketFlow(wire: wire.flow))
  }
}

extension SocketRecord {
  /// - Returns: nil when the record is free, or its flow is not in use.
  public init?(wire: svc_socket) {
    guard wire.cookie != 0, let flow = SocketFlow(wire: wire.flow) else { return nil }
    self.init(cookie: wire.cookie, flow: flow)
  }
}

extension IPAddress {
  /// Four words in network order, where ::ffff:a.b.c.d is IPv4.
  init(words: (UInt32, UInt32, UInt32, UInt32)) {
    func half(_ a: UInt32, _ b: UInt32) -> UInt64 {
      UInt64(UInt32(bigEndian: a)) << 32 | UInt64(UInt32(bigEndian: b))
    }
    let (high, low) = (half(words.0, words.1), half(words.2, words.3))
    if high == 0 && low >> 32 == 0xffff {
      self.init(v4: UInt32(truncatingIfNeeded: low))
    } else {
      self.init(v6High: high, low: low)
    }
  }
}
