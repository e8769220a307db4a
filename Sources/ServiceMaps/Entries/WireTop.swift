public import CServiceABI

extension PathID {
  public init(wire: svc_path_key) {
    self.init(
      family: wire.service & UInt32(SVC_PATH_V6) == 0 ? .v4 : .v6,
      service: wire.service & ~UInt32(SVC_PATH_V6), endpoint: wire.endpoint,
      generation: wire.generation)
  }

  /// As programs name it that count.
  public init(of flow: SocketFlow) {
    self.init(
      family: flow.vip.address.family, service: flow.service, endpoint: flow.endpoint,
      generation: flow.generation)
  }
}

extension PathCounts {
  public init(wire: svc_path) {
    self.init(
      begun: wire.begun, established: wire.established, failed: wire.failed,
      givenUp: wire.given_up,
      took: LatencyHistogram(buckets: WireArray.read(wire.took, as: UInt64.self)))
  }
}
