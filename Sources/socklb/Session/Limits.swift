import ArgumentParser
import ServiceMaps

/// How large the maps may become, and how large they are made.
struct CapacityOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Let the maps grow to this many service ports, per address family "
        + "(default: \(Capacities().services)).", valueName: "number"))
  var maxServices: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Let the maps grow to this many frontends (address, port and protocol), per family "
        + "(default: \(Capacities().frontends)).", valueName: "number"))
  var maxFrontends: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Let the maps grow to this many backends of all Services together, per family "
        + "(default: \(Capacities().backends)).", valueName: "number"))
  var maxBackends: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Room for this many service ports at first, per family "
        + "(default: \(Self.initial(\.services))).", valueName: "number"))
  var initialServices: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Room for this many frontends at first, per family "
        + "(default: \(Self.initial(\.frontends))).", valueName: "number"))
  var initialFrontends: Int?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Room for this many backends at first, per family "
        + "(default: \(Self.initial(\.backends))).", valueName: "number"))
  var initialBackends: Int?

  private static func initial(_ what: KeyPath<Capacities, Int>) -> String {
    let initial = FamilyCapacities.initial
    return "\(initial.v4[keyPath: what]) for IPv4, \(initial.v6[keyPath: what]) for IPv6"
  }

  func validate() throws {
    for (option, value) in [
      ("--max-services", maxServices), ("--max-frontends", maxFrontends),
      ("--max-backends", maxBackends), ("--initial-services", initialServices),
      ("--initial-frontends", initialFrontends), ("--initial-backends", initialBackends),
    ] where value.map({ (1...(1 << 24)).contains($0) }) == false {
      throw ValidationError("\(option) must be 1…\(1 << 24)")
    }
  }

  var initial: FamilyCapacities {
    var result = FamilyCapacities.initial
    for family in IPFamily.allCases {
      result[family].services = initialServices ?? result[family].services
      result[family].frontends = initialFrontends ?? result[family].frontends
      result[family].backends = initialBackends ?? result[family].backends
    }
    return result
  }

  /// What was given, as it is kept for all later commands.
  func settings(over kept: [String: String]) -> [String: String] {
    changes(Limits(kept).capacities ?? Capacities()).settings(over: kept)
  }

  var changesLimits: Bool { maxServices != nil || maxFrontends != nil || maxBackends != nil }

  /// What was given in place of what goes.
  func changes(_ limits: Capacities) -> Limits {
    Limits(
      Capacities(
        services: maxServices ?? limits.services, frontends: maxFrontends ?? limits.frontends,
        backends: maxBackends ?? limits.backends))
  }
}

/// The limits as the state directory keeps them.
struct Limits {
  /// nil: not known, because an older release attached.
  var capacities: Capacities?

  init(_ capacities: Capacities) { self.capacities = capacities }

  init(_ settings: [String: String]) {
    guard let services = settings["max-services"].flatMap({ Int($0) }),
      let frontends = settings["max-frontends"].flatMap({ Int($0) }),
      let backends = settings["max-backends"].flatMap({ Int($0) })
    else { return }
    capacities = Capacities(services: services, frontends: frontends, backends: backends)
  }

  func settings(over kept: [String: String]) -> [String: String] {
    guard let capacities else { return kept }
    var result = kept
    result["max-services"] = "\(capacities.services)"
    result["max-frontends"] = "\(capacities.frontends)"
    result["max-backends"] = "\(capacities.backends)"
    return result
  }
}
