extension Explanation {
  /// `10.96.0.10:53/UDP  kube-system/kube-dns:dns  ClusterIP`, and below it what there is to say.
  var text: String {
    var rows = ExplanationRows()
    rows.add("Result", resultLines)
    if let seed, let backend { rows.add("Draw", ["the seed \(seed) gives \(backend)"]) }
    if !candidates.isEmpty { rows.add("Endpoints", candidates.map(line)) }
    if let leftOut, !leftOut.isEmpty { rows.add("Left out", leftOut.map(line)) }
    if let affinity { rows.add("Affinity", [line(affinity)]) }
    if !sourceRanges.isEmpty { rows.add("Sources", [sources]) }
    if key.transport == .udp, service != nil {
      rows.add(
        "UDP",
        [
          udpChoice == .socket
            ? "a socket stays with its endpoint for as long as that serves"
            : "each datagram of an unconnected socket chooses anew"
        ])
    }
    if !staying.isEmpty { rows.add("Stay", staying.map(line)) }
    if !near.isEmpty { rows.add("Near", near.map(\.text)) }
    if hasDrifted {
      rows.add("Note", ["the objects ask for other endpoints than the kernel has: `socklb verify`"])
    }
    return title + "\n" + rows.text
  }

  private var title: String {
    var title = "\(key)"
    if let service { title += "  \(service)" } else if let owner { title += "  \(owner)" }
    if let kind { title += "  \(kind.rawValue)" }
    return title
  }

  private var resultLines: [String] {
    switch result {
    case .untouched:
      return [
        "left alone, no Service has it: the connect goes to "
          + "\(Backend(address: key.address, port: key.port)) itself"
      ]
    case .refused:
      let reason = reason ?? .unknown
      return ["refused: \(reason.text)" + (reason.error.map { " (\($0))" } ?? "")]
    case .translated:
      let count = candidates.count
      switch reason {
      case .random: return ["one of \(count) endpoints, drawn at random"]
      case .onlyOne: return ["\(place), the only endpoint"]
      case .affinity: return ["\(place), the client's by session affinity; 1 of \(count)"]
      case .roundRobin:
        return ["\(place), whose turn it is if no other client comes first; 1 of \(count)"]
      case let reason: return ["\(place) (\((reason ?? .unknown).text))"]
      }
    }
  }

  private var place: String { backend.map { "\($0)" } ?? "-" }

  private func line(_ candidate: Candidate) -> String {
    if result == .refused { return "\(candidate.backend)" }
    if candidate.chance == 0 { return "\(candidate.backend)  not this time" }
    return candidate.outOf == 1
      ? "\(candidate.backend)  surely" : "\(candidate.backend)  1 in \(candidate.outOf)"
  }

  private func line(_ endpoint: LeftOutEndpoint) -> String {
    let place =
      endpoint.port.map { "\(Backend(address: endpoint.address, port: $0))" }
      ?? "\(endpoint.address)"
    return "\(place)  \(endpoint.reason.text)"
  }

  private func line(_ affinity: Affinity) -> String {
    var text = "for \(affinity.timeout) s"
    guard let client = affinity.client else { return text }
    text += ", by \(client.isCgroup ? "cgroup" : "network namespace") \(client.id): "
    guard let entry = client.entry else { return text + "nothing is remembered" }
    if entry.age >= UInt64(affinity.timeout) {
      return text + "what is remembered is \(entry.age) s old and counts no more"
    }
    guard let backend = affinity.backend else {
      return text + "the endpoint that is remembered is not in the list any more"
    }
    return text + "\(backend), used \(entry.age) s ago"
  }

  private var sources: String {
    let ranges = sourceRanges.map { "\($0)" }.joined(separator: ", ")
    guard let source else {
      return "\(ranges); the client's address is not known: it is looked at by `attach` and `apply`"
    }
    return "\(ranges); the client's address is \(source)"
  }

  private func line(_ socket: StayingSocket) -> String {
    "a \(socket.isConnected ? "connected" : "sending") socket of the process stays with "
      + "\(socket.backend), which it has had for \(socket.age) s"
  }
}

/// Titles and values in two columns.
private struct ExplanationRows {
  private(set) var text = ""

  mutating func add(_ title: String, _ lines: [String]) {
    for (number, line) in lines.enumerated() {
      let label = number == 0 ? title + ":" : ""
      text += "    \(label)\(String(repeating: " ", count: 11 - label.count))\(line)\n"
    }
  }
}
