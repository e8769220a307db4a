extension ExplainTarget {
  /// Why there is nothing to ask for: a name without frontends, or an address that no Service has
  /// and that was given without a port.
  public func missing(
    in states: [FamilyState], _ objects: ExplainedObjects?
  ) -> ExplainReport.Unserved? {
    switch self {
    case .address(let address, _, let transport):
      let what = transport.map { "\(address)/\($0)" } ?? "\(address)"
      return .init(
        service: what,
        why: "no Service is served there; name a port to hear what a connect to it would do",
        isKnown: false)
    case .service(let filter, _):
      let name = filter.service
      guard let description = objects?.description(of: name) else {
        return .init(service: "\(name)", why: unknown(name, states, objects), isKnown: false)
      }
      if let why = description.unserved {
        return .init(service: "\(name)", why: why + addresses(of: description), isKnown: true)
      }
      let ports = description.ports.map { port in
        (port.name.isEmpty ? "" : "\(port.name) ") + "\(port.port)/\(port.transport)"
      }
      let list = ports.isEmpty ? "none" : ports.joined(separator: ", ")
      return .init(
        service: "\(name)", why: "it has no such port that is served; its ports: \(list)",
        isKnown: false)
    }
  }

  private func unknown(
    _ name: NamespacedName, _ states: [FamilyState], _ objects: ExplainedObjects?
  ) -> String {
    var others = Set(
      states.lazy.flatMap(\.services.values).map(\.name.service).filter { $0.name == name.name })
    for id in objects?.known.objects.keys.map({ $0 }) ?? []
    where id.kind == .service && id.name.name == name.name {
      others.insert(id.name)
    }
    if others.isEmpty { return "there is no such Service" }
    let list = others.sorted().map(\.description).joined(separator: ", ")
    return "there is no such Service; of this name there is \(list)"
  }

  /// Where the name of a headless Service leads.
  private func addresses(of description: ServiceDescription) -> String {
    guard description.service.isHeadless else {
      return description.service.externalName.map { ": the name leads to \($0)" } ?? ""
    }
    let addresses = Set(description.ports.flatMap(\.endpoints).map(\.address)).sorted()
    if addresses.isEmpty { return "" }
    let shown = addresses.prefix(8).map(\.description).joined(separator: ", ")
    return ": its name leads to \(shown)" + (addresses.count > 8 ? ", ..." : "")
  }
}
