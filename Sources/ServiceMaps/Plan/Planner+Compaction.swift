extension Planner {
  /// Moves lists into the gaps in front of them, so that the room behind becomes one piece.
  /// Empty when there is nothing to gain.
  public static func compaction(of state: FamilyState) -> FamilyPlan {
    var plan = FamilyPlan(family: state.family)
    var free = RangeAllocator(limit: state.capacities.physicalBackends, used: state.lists.values)
    let lists = state.lists.sorted { $0.value.base > $1.value.base }
    for (index, range) in lists where range.count > 0 {
      guard let place = free.allocate(Int(range.count)), place.base < range.base else { continue }
      plan.slots.append(.init(base: place.base, slots: SlotRun(Array(state.slots(of: index)))))
      plan.publishLists.append(.init(list: index, range: place))
    }
    plan.isComplete = false
    return plan
  }
}
