import ServiceFollow
import ServiceMaps
import Testing

@Suite struct LiveMetricsTests {
  private let start = WallTime(milliseconds: 1_763_838_000_000)

  private func known(_ text: String) -> (KnownObjects, [ObjectChange]) {
    var known = KnownObjects()
    let decoded = decodeManifests([ManifestFile(name: "a.yaml", bytes: Array(text.utf8))])
    let changes = known.merge(decoded.objects)
    return (known, changes.changes)
  }

  private func slice(_ trigger: String) -> String {
    """
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata:
      name: web-1
      namespace: shop
      annotations: {endpoints.kubernetes.io/last-change-trigger-time: "\(trigger)"}
    addressType: IPv4
    endpoints: []
    ports: []
    """
  }

  private func lines(_ metrics: LiveMetrics, _ reading: KernelReading = KernelReading()) -> [String]
  {
    String(decoding: metrics.text(.prometheus, reading, seriesLimit: 10), as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  @Test func changesAreCountedByKind() {
    var metrics = LiveMetrics(started: start, version: "1", sourceKind: "manifests")
    let (known, changes) = known(slice("2025-11-22T19:00:01Z"))
    #expect(changes.count == 1)
    let time = WallTime(milliseconds: 1_763_838_003_000)
    metrics.changed(changes, in: known, seconds: 0.001, at: time, isWhole: false)
    let text = lines(metrics)
    for line in [
      "kubeproxy_sync_proxy_rules_endpoint_changes_total 1",
      "kubeproxy_sync_proxy_rules_service_changes_total 0",
      "kubeproxy_sync_proxy_rules_last_timestamp_seconds 1763838003",
      "kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.0005\"} 0",
      "kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.001\"} 1",
      "kubeproxy_network_programming_duration_seconds_bucket{le=\"1\"} 0",
      "kubeproxy_network_programming_duration_seconds_bucket{le=\"2\"} 1",
      "kubeproxy_network_programming_duration_seconds_sum 2",
      "socklb_objects{kind=\"EndpointSlice\"} 1",
    ] {
      #expect(text.contains(line), "\(line)")
    }
  }

  @Test(arguments: ["2025-11-22T18:59:59Z", "2025-11-22T19:00:09Z", "x"])
  func aTriggerBeforeTheStartOrInTheFutureSaysNothing(trigger: String) {
    var metrics = LiveMetrics(started: start, version: "1", sourceKind: "manifests")
    let (known, changes) = known(slice(trigger))
    let time = WallTime(milliseconds: 1_763_838_003_000)
    metrics.changed(changes, in: known, seconds: 0.001, at: time, isWhole: false)
    #expect(metrics.networkProgramming.count == 0)
  }

  @Test func theWholeIsCountedAnew() {
    var metrics = LiveMetrics(started: start, version: "1", sourceKind: "manifests")
    let (known, changes) = known(slice("x"))
    for _ in 0..<2 {
      metrics.changed(changes, in: known, seconds: 1, at: start, isWhole: true)
    }
    #expect(metrics.objects == [.endpointSlice: 1])
    metrics.changed(
      changes.map { ObjectChange(id: $0.id, action: .deleted) }, in: KnownObjects(), seconds: 1,
      at: start, isWhole: false)
    #expect(metrics.objects == [.endpointSlice: 0])
  }

  @Test func seriesOfServicesAreBounded() {
    let metrics = LiveMetrics(started: start, version: "1", sourceKind: "manifests")
    var reading = KernelReading()
    reading.services = [:]
    for number in 0..<9 {
      let name = ServicePortName(
        service: NamespacedName(namespace: "d", name: "s\(number)"), port: "", transport: .tcp)
      var counters = ServiceCounters(translated: 1)
      for port in 1...4 {
        if let port = Port(port) {
          counters.backends[Backend(address: IPAddress(v4: 1), port: port)] = 1
        }
      }
      reading.services?[name] = counters
    }
    let text = lines(metrics, reading)
    let series = text.filter {
      $0.hasPrefix("socklb_service_") || $0.hasPrefix("socklb_backend_")
    }
    #expect(series.count == 10)
    #expect(text.contains("socklb_series_omitted \(9 * 7 - 10)"))
    #expect(
      text.contains(
        #"socklb_service_connections_total{namespace="d",service="s0",port="",protocol="TCP"} 1"#))
  }

  @Test func noNameComesTwice() {
    var metrics = LiveMetrics(started: start, version: "1", sourceKind: "manifests")
    metrics.files = 1
    var reading = KernelReading()
    reading.services = [:]
    reading.socketRecords = (1, 2)
    reading.process = KernelReading.Process(
      cpuSeconds: 1, residentBytes: 1, virtualBytes: 1, openFDs: 1, maxFDs: 1, threads: 1,
      startSeconds: 1)
    let names = lines(metrics, reading).filter { $0.hasPrefix("# TYPE") }
    #expect(Set(names).count == names.count && names.count > 40)
  }
}
