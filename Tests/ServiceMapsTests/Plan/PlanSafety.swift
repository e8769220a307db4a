import ServiceMaps
import Testing

/// Nothing that programs can reach in the old state is written before it is published, and
/// nothing that the old state uses is given a new meaning.
func checkSafety(of plan: FamilyPlan, in state: FamilyState) {
  let usedSlots = Set(state.lists.values.flatMap { Int($0.base)..<Int($0.base + $0.count) })
  var written = Set<Int>()
  for write in plan.slots {
    for index in Int(write.base)..<Int(write.base) + write.slots.count {
      #expect(!usedSlots.contains(index), "slot \(index) is in use")
      #expect(written.insert(index).inserted, "slot \(index) is written twice")
      #expect(index < state.capacities.physicalBackends)
    }
  }
  for write in plan.newEndpointWrites where Int(write.id) < state.endpoints.count {
    #expect(state.endpoints[Int(write.id)].service == nil, "endpoint \(write.id) is in use")
    #expect(write.record.generation != state.endpoints[Int(write.id)].generation)
  }
  // Readers take a long run of untouched ids for the end.
  let untouched = plan.newEndpointWrites.map { Int($0.id) }.filter { $0 >= state.endpoints.count }
  #expect(Set(untouched) == Set((0..<untouched.count).map { state.endpoints.count + $0 }))
  for write in plan.newLists { #expect(state.lists[write.list] == nil) }
  for write in plan.newFrontends { #expect(state.frontends[write.index] == nil) }
  for write in plan.services where write.isNew { #expect(state.services[write.id] == nil) }
  #expect(Set(plan.releasedEndpoints.map(\.id)).isDisjoint(with: plan.newEndpointWrites.map(\.id)))
}

extension FamilyPlan {
  /// One after the other, as they are written.
  var newEndpointWrites: [EndpointWrite] {
    newEndpoints.flatMap(\.writes)
  }
}
