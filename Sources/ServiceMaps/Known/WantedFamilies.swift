/// The families a Service has clusterIPs of, the primary one first.
///
/// The rules of the API server (pkg/registry/core/service/storage/alloc.go): the families come
/// from the clusterIPs given, else from `ipFamilies`, else from the predecessor, else it is the
/// first configured one. Without `ipFamilyPolicy` two clusterIPs or families mean dual stack.
/// PreferDualStack adds the other family where there is a range for it, RequireDualStack insists.
struct WantedFamilies {
  private(set) var families: [IPFamily]
  /// Message and field path of what cannot be had.
  private(set) var problems: [(path: String, message: String)] = []

  init(service: Service, predecessor: [IPAddress], cidrs: ServiceCIDRs) {
    let explicit = service.clusterIPs
    for (i, (address, family)) in zip(explicit, service.ipFamilies).enumerated()
    where address.family != family {
      problems.append(
        ("spec.clusterIPs[\(i)]", "\(address) is no \(family) address, which ipFamilies[\(i)] says")
      )
    }

    var isDualStack = explicit.count == 2 || service.ipFamilies.count == 2
    if !explicit.isEmpty {
      families = explicit.map(\.family)
    } else if !service.ipFamilies.isEmpty {
      families = service.ipFamilies
    } else {
      families = [predecessor.first?.family ?? cidrs.defaultFamily]
    }
    // Nothing said about families: those of the predecessor stay, as the API server's update
    // copies the clusterIPs that the new object omits (patchAllocatedValues).
    if service.ipFamilies.isEmpty, service.ipFamilyPolicy == nil, predecessor.count == 2,
      predecessor.starts(with: explicit)
    {
      isDualStack = true
    }

    let primary = families[0]
    let other: IPFamily = primary == .v4 ? .v6 : .v4
    func canHave(_ family: IPFamily) -> Bool {
      cidrs.has(family) || (explicit + predecessor).contains { $0.family == family }
    }
    switch service.ipFamilyPolicy ?? (isDualStack ? .requireDualStack : .singleStack) {
    case .singleStack:
      // Two clusterIPs under SingleStack are contradictory; what is written there is used.
      families = explicit.count == 2 ? [primary, other] : [primary]
    case .preferDualStack:
      families = canHave(other) ? [primary, other] : [primary]
    case .requireDualStack:
      families = [primary, other]
    }
    for family in families where !canHave(family) {
      problems.append(
        (
          family == primary && !service.ipFamilies.isEmpty
            ? "spec.ipFamilies" : "spec.ipFamilyPolicy",
          "needs an \(family) clusterIP, but there is no \(family) service CIDR to take it from; "
            + "give one with --service-cidr"
        ))
    }
  }
}
