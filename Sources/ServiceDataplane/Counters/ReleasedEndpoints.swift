import ServiceMaps

/// Endpoint ids that stand for nothing any more, though programs may still see them.
struct ReleasedEndpoints: Sendable {
  var v4: [UInt32] = []
  var v6: [UInt32] = []

  init(_ plans: [FamilyPlan]) { add(plans) }

  mutating func add(_ plans: [FamilyPlan]) {
    for plan in plans {
      let ids = plan.releasedEndpoints.lazy.map(\.id)
      if plan.family == .v4 { v4 += ids } else { v6 += ids }
    }
  }
}
