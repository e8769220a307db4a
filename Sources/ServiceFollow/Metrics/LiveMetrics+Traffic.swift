public import ServiceMaps

extension LiveMetrics {
  // MARK: What the programs have counted

  func writeTraffic(_ kernel: KernelReading, _ text: inout MetricText) {
    text.add(
      "socklb_kernel_read_errors", .gauge,
      "1: the counters of the data plane could not be read this time", .init(kernel.problem != nil))
    text.add(
      "socklb_kernel_read_seconds", .gauge, "How long it took to read them",
      .number(kernel.seconds))
    func write(
      _ name: String, _ help: String, _ value: KeyPath<KernelReading.Family, UInt64>
    ) {
      text.begin(name, .counter, help)
      for family in kernel.families {
        text.sample([("ip_family", family.family.label)], .whole(family[keyPath: value]))
      }
    }
    write(
      "socklb_connections_total",
      "Connects, and first sends of UDP sockets, that were given a backend", \.translated)
    write(
      "socklb_refused_total", "Those that were refused because there was no backend", \.refused)
    write(
      "socklb_denied_total", "Those that were refused because of loadBalancerSourceRanges",
      \.denied)
    text.begin(
      "socklb_events_total", .counter, "Rare events in the programs since attach (docs/metrics.md)")
    for event in kernel.events { text.sample([("event", event.name)], .whole(event.count)) }
    if let records = kernel.socketRecords {
      text.add(
        "socklb_socket_records", .gauge, "Records of sockets that are taken", .init(records.used))
      text.add(
        "socklb_socket_records_capacity", .gauge,
        "Records of sockets that there are; more sockets cost more, and nothing is lost",
        .init(records.room))
    }
  }

  // MARK: By service and backend

  /// Services by name, each with its backends, until the limit is reached.
  func write(
    _ services: [ServicePortName: ServiceCounters], limit: Int, _ text: inout MetricText
  ) {
    var left = max(0, limit)
    var shown: [(labels: [MetricText.Label], counters: ServiceCounters, backends: [Backend])] = []
    var omitted = 0
    for (name, counters) in services.sorted(by: { $0.key < $1.key }) {
      guard left >= 3 else {
        omitted += 3 + counters.backends.count
        continue
      }
      left -= 3
      let backends = counters.backends.keys.sorted().prefix(left)
      left -= backends.count
      omitted += counters.backends.count - backends.count
      shown.append((name.labels, counters, Array(backends)))
    }
    text.begin(
      "socklb_service_connections_total", .counter, "As socklb_connections_total, by service port")
    for service in shown { text.sample(service.labels, .whole(service.counters.translated)) }
    text.begin("socklb_service_refused_total", .counter, "As socklb_refused_total, by service port")
    for service in shown { text.sample(service.labels, .whole(service.counters.refused)) }
    text.begin("socklb_service_denied_total", .counter, "As socklb_denied_total, by service port")
    for service in shown { text.sample(service.labels, .whole(service.counters.denied)) }
    text.begin(
      "socklb_backend_connections_total", .counter,
      "What backends were given that still serve, since they began to")
    for service in shown {
      for backend in service.backends {
        text.sample(
          service.labels + [("backend", "\(backend)")],
          .whole(service.counters.backends[backend] ?? 0))
      }
    }
    text.add(
      "socklb_series_omitted", .gauge,
      "Series of services and backends that are left out because of --metrics-series",
      .init(omitted))
  }
}

extension ServicePortName {
  fileprivate var labels: [MetricText.Label] {
    [
      ("namespace", service.namespace), ("service", service.name), ("port", port),
      ("protocol", "\(transport)"),
    ]
  }
}
