/// What the table holds for one service port: the line of the `services` view.
struct ServiceSummary {
  var name: ServicePortName
  /// In the order of `FrontendKind`, each once.
  var kinds: [FrontendKind]
  /// Sorted.
  var frontends: [FrontendKey]
  var affinityTimeout: UInt32?
  /// Sorted, each once: of both families.
  var backends: [Backend]

  /// The number of `spec.ports`, as far as frontends tell it.
  var port: Port?

  /// `namespace/name:port`; the number stands for a port without a name.
  var label: String {
    if let port, name.port.isEmpty { return "\(name.service):\(port)" }
    return "\(name.service):\(name.port)"
  }
}

extension TableDump {
  /// Sorted by service, port name and protocol.
  var summaries: [ServiceSummary] {
    let frontends = table.frontends
    let order = frontends.indices.sorted { a, b in
      let (left, right) = (frontends[a].service, frontends[b].service)
      return left == right ? a < b : left < right
    }
    var summaries: [ServiceSummary] = []
    var start = 0
    while start < order.count {
      let name = frontends[order[start]].service
      var end = start + 1
      while end < order.count && frontends[order[end]].service == name { end += 1 }
      summaries.append(ServiceSummary(name, order[start..<end].map { frontends[$0] }))
      start = end
    }
    return summaries
  }

  /// What was counted for one service port.
  struct CountedService {
    var label: String
    var name: ServicePortName
    var counters: ServiceCounters
    /// Sorted: all that serve for it, once it has been asked for; among these are some, perhaps,
    /// that were given nothing.
    var backends: [(backend: Backend, translated: UInt64)] = []

    init(
      _ label: String, _ name: ServicePortName, _ counters: ServiceCounters?,
      serving: [Backend] = []
    ) {
      self.label = label
      self.name = name
      self.counters = counters ?? ServiceCounters()
      guard let counters, counters.translated > 0 else { return }
      backends = Set(serving).union(counters.backends.keys).sorted()
        .map { ($0, counters.backends[$0] ?? 0) }
    }
  }

  /// The service ports of the table, and those that were counted and have left it since; sorted.
  func counted(_ summaries: [ServiceSummary]) -> [CountedService] {
    var result: [CountedService] = []
    result.reserveCapacity(summaries.count)
    var found = 0
    for summary in summaries {
      let counters = counters[summary.name]
      if counters != nil { found += 1 }
      result.append(
        CountedService(summary.label, summary.name, counters, serving: summary.backends))
    }
    if found == counters.count { return result }
    let present = Set(summaries.lazy.map(\.name))
    for (name, counters) in counters where !present.contains(name) {
      result.append(CountedService("\(name.service):\(name.port)", name, counters))
    }
    return result.sorted { $0.name < $1.name }
  }
}

extension ServiceSummary {
  /// - Parameter frontends: not empty, sorted by key.
  fileprivate init(_ name: ServicePortName, _ frontends: [Frontend]) {
    self.name = name
    kinds = FrontendKind.allCases.filter { kind in frontends.contains { $0.kind == kind } }
    self.frontends = frontends.map(\.key)
    // Ports of the node have numbers of their own.
    let first = frontends.first { $0.kind != .nodePort && $0.kind != .hostPort } ?? frontends.first
    port = first?.key.port
    affinityTimeout = frontends.first?.affinityTimeout
    // The frontends of one family mostly share one list.
    var lists: [[Backend]] = []
    for frontend in frontends where lists.last != frontend.backends {
      lists.append(frontend.backends)
    }
    backends = lists.count == 1 ? lists[0] : Array(Set(lists.joined())).sorted()
  }
}
