public import ServiceMaps

extension LiveMetrics {
  /// All metrics, in the order of docs/metrics.md.
  ///
  /// - Parameter seriesLimit: how many series there may be of single services and backends.
  public func text(
    _ format: MetricText.Format, _ kernel: KernelReading, seriesLimit: Int = 0
  ) -> [UInt8] {
    var text = MetricText(format)
    writeKubeProxy(&text)
    writeObjects(&text)
    writeWork(&text)
    writeTraffic(kernel, &text)
    if let services = kernel.services { write(services, limit: seriesLimit, &text) }
    writeListeners(&text)
    if let process = kernel.process { write(process, &text) }
    return text.finish()
  }

  // MARK: As kube-proxy names them

  private func writeKubeProxy(_ text: inout MetricText) {
    text.begin(
      "kubeproxy_sync_proxy_rules_duration_seconds", .histogram,
      "Time from the begin of a change to its being in force, both families together")
    text.histogram([], syncDuration)
    text.add(
      "kubeproxy_sync_proxy_rules_last_timestamp_seconds", .gauge,
      "The last time the table was brought up to date", .number(lastSynced?.seconds ?? 0))
    text.add(
      "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", .gauge,
      "The last time something was found that was to be changed", .number(lastQueued?.seconds ?? 0))
    text.begin(
      "kubeproxy_network_programming_duration_seconds", .histogram,
      "Time from the change of an endpoint, as its EndpointSlice says, to its being in force")
    text.histogram([], networkProgramming)
    text.add(
      "kubeproxy_sync_proxy_rules_endpoint_changes_total", .counter,
      "Changed EndpointSlices, Endpoints and Pods", .whole(endpointChanges))
    text.add(
      "kubeproxy_sync_proxy_rules_endpoint_changes_pending", .gauge,
      "Changes of EndpointSlices, Endpoints and Pods that are not in force yet",
      .init(endpointChangesPending))
    text.add(
      "kubeproxy_sync_proxy_rules_service_changes_total", .counter, "Changed Services",
      .whole(serviceChanges))
    text.add(
      "kubeproxy_sync_proxy_rules_service_changes_pending", .gauge,
      "Changes of Services that are not in force yet", .init(serviceChangesPending))
    text.begin(
      "kubeproxy_sync_proxy_rules_no_local_endpoints_total", .gauge,
      "Service ports with a policy Local that have endpoints, but none on this node")
    for (policy, count) in [
      ("internal", sums.internalWithout), ("external", sums.externalWithout),
    ] {
      text.sample([("ip_family", "IPv4"), ("traffic_policy", policy)], .init(count.v4))
      text.sample([("ip_family", "IPv6"), ("traffic_policy", policy)], .init(count.v6))
    }
    write("kubeproxy_proxy_healthz_total", "Answers of /healthz, by code", healthz, &text)
    write("kubeproxy_proxy_livez_total", "Answers of /livez, by code", livez, &text)
  }

  private func write(
    _ name: String, _ help: String, _ counts: CodeCounts, _ text: inout MetricText
  ) {
    text.begin(name, .counter, help)
    for (code, count) in counts.all { text.sample([("code", code)], .whole(count)) }
  }

  // MARK: What there is

  private func writeObjects(_ text: inout MetricText) {
    text.begin("socklb_build_info", .gauge, "1; the version is a label")
    text.sample([("version", version), ("source", sourceKind)], 1)
    text.begin("socklb_objects", .gauge, "Known objects, by kind")
    for kind in ObjectKind.allCases {
      text.sample([("kind", kind.rawValue)], .init(max(0, objects[kind] ?? 0)))
    }
    text.begin(
      "socklb_map_entries", .gauge, "Entries of the data plane's maps that are in use, by family")
    for use in mapUse { text.sample(use.labels, .init(use.used)) }
    text.begin(
      "socklb_map_capacity", .gauge,
      "Entries that there is room for now; maps grow as far as --max-services and the like allow")
    for use in mapUse { text.sample(use.labels, .init(use.room)) }
    text.add(
      "socklb_health_check_node_ports", .gauge, "Services with a healthCheckNodePort",
      .init(sums.healthChecks))
    if let files {
      text.add("socklb_manifest_files", .gauge, "Files that are followed", .init(files))
      text.add(
        "socklb_manifest_files_broken", .gauge,
        "Files that cannot be used now: the objects of their last good version stay in force",
        .init(brokenFiles))
    }
    text.begin("socklb_source_complete", .gauge, "1: all that there is has been read")
    for source in sources {
      text.sample([("source", source.name)], .init(source.isComplete))
    }
    text.begin("socklb_source_connected", .gauge, "1: changes are heard of")
    for source in sources {
      text.sample([("source", source.name)], .init(source.isConnected))
    }
  }

  // MARK: The work

  private func writeWork(_ text: inout MetricText) {
    text.add(
      "socklb_whole_syncs_total", .counter, "How often the whole table was compared",
      .whole(wholeSyncs))
    text.add(
      "socklb_sync_failures_total", .counter,
      "How often what the source says could not be put in force, and was tried again later",
      .whole(failures))
    text.add(
      "socklb_trouble", .gauge, "1: something keeps this process from its work; the log says what",
      .init(hasTrouble))
    text.add(
      "socklb_lock_waits_total", .counter,
      "Changes that had to wait for another command that held the lock of the state directory",
      .whole(lockWaits))
    text.add(
      "socklb_stores_total", .counter, "How often the objects were written to disk", .whole(stores))
    text.add(
      "socklb_store_failures_total", .counter, "How often that failed", .whole(storeFailures))
    text.add(
      "socklb_store_seconds_total", .counter, "The time that took", .number(storeSeconds))
    text.add(
      "socklb_sockets_ended_total", .counter, "Sockets that were ended because their backend went",
      .whole(socketsEnded))
  }

  // MARK: Listeners

  private func writeListeners(_ text: inout MetricText) {
    text.begin(
      "socklb_listener_up", .gauge, "1: this process listens there; 0: it cannot, and tries again")
    for listener in listeners {
      text.sample(
        [("listener", listener.name), ("address", listener.address)], .init(listener.isListening))
    }
    text.add(
      "socklb_listen_failures_total", .counter, "How often listening failed",
      .whole(listenFailures))
    write("socklb_readyz_total", "Answers of /readyz, by code", readyz, &text)
  }

  private func write(_ process: KernelReading.Process, _ text: inout MetricText) {
    text.add(
      "process_cpu_seconds_total", .counter, "User and system time", .number(process.cpuSeconds))
    text.add(
      "process_max_fds", .gauge, "How many file descriptors may be open", .whole(process.maxFDs))
    text.add("process_open_fds", .gauge, "Open file descriptors", .whole(process.openFDs))
    text.add(
      "process_resident_memory_bytes", .gauge, "Resident memory", .whole(process.residentBytes))
    text.add(
      "process_start_time_seconds", .gauge, "When the process began, since 1970",
      .number(process.startSeconds))
    text.add("process_threads", .gauge, "Threads of the process", .whole(process.threads))
    text.add(
      "process_virtual_memory_bytes", .gauge, "Virtual memory", .whole(process.virtualBytes))
  }
}

extension LiveMetrics.MapUse {
  fileprivate var labels: [MetricText.Label] { [("map", what), ("ip_family", family.label)] }
}

extension IPFamily {
  /// As kube-proxy's label `ip_family` has it.
  var label: String { self == .v4 ? "IPv4" : "IPv6" }
}
