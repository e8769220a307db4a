/// Services that somebody uses, or tries to.
public enum ClientCheck {
  /// Service ports without an endpoint that refused somebody, the most asked for first.
  public static func findings(
    _ table: ServiceTable, _ counters: [ServicePortName: ServiceCounters]
  ) -> [Finding] {
    var hasBackend: [ServicePortName: Bool] = [:]
    for frontend in table.frontends {
      hasBackend[frontend.service] =
        hasBackend[frontend.service, default: false] || !frontend.backends.isEmpty
    }
    let empty = hasBackend.filter { !$0.value }.keys
    let asked = empty.map { (name: $0, refused: counters[$0]?.refused ?? 0) }
      .filter { $0.refused > 0 }
      .sorted { ($1.refused, $0.name) < ($0.refused, $1.name) }
    guard !asked.isEmpty else {
      let served = "\(hasBackend.count) service port\(hasBackend.count == 1 ? "" : "s")"
      return [
        Finding(
          "clients", .ok,
          empty.isEmpty
            ? "each of \(served) has an endpoint"
            : "\(empty.count) of \(served) have no endpoint, and nobody has asked for them")
      ]
    }
    let most = 10
    var result = asked.prefix(most).map { name, refused in
      Finding(
        "clients", .warning,
        "\(name.label) has no endpoint, and has refused \(refused) time\(refused == 1 ? "" : "s")",
        remedy:
          "`socklb describe service \(name.service)` says which endpoints are left out, and why")
    }
    if asked.count > most {
      result.append(
        Finding(
          "clients", .warning, "\(asked.count - most) more have no endpoint and refused somebody",
          remedy: "`socklb dump counters`"))
    }
    return result
  }
}

extension ServicePortName {
  /// `namespace/name:port`; without the colon when the port has no name.
  var label: String { port.isEmpty ? "\(service)" : "\(service):\(port)" }
}
