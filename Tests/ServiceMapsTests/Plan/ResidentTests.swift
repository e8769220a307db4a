import ServiceMaps
import Testing

/// Plans that are made of a part of the table, one after the other.
@Suite struct ResidentTests {
  private let roomy = Capacities(services: 200, frontends: 600, backends: 4000)

  private func empty(_ capacities: Capacities) throws -> ResidentFamily {
    try #require(ResidentFamily(FamilyState(family: .v4, capacities: capacities)))
  }

  /// Plans, checks and carries out a change; false when it takes a plan for the whole table.
  private func change(_ family: inout ResidentFamily, _ change: TableChange) throws -> Bool {
    if family.plan(change) == nil { family.settle() }
    guard let part = family.plan(change) else { return false }
    checkSafety(of: part.plan, in: family.state)
    var shadow = family.state
    shadow.apply(part.plan)
    family.commit(part)
    #expect(shadow.frontends == family.state.frontends && shadow.lists == family.state.lists)
    #expect(shadow.endpoints == family.state.endpoints && shadow.keys == family.state.keys)
    #expect(shadow.services == family.state.services && shadow.kept == family.state.kept)
    return true
  }

  /// What changes took out of use since the last `settle`: programs may still see it.
  private struct Visible {
    var slots = Set<UInt32>()
    var endpoints = Set<UInt32>()
    var lists = Set<UInt32>()
    var frontends = Set<UInt32>()
    var services = Set<UInt32>()

    /// Reads off a plan what it frees, in the state before it.
    mutating func add(_ plan: FamilyPlan, from before: FamilyState, to after: FamilyState) {
      for write in plan.publishLists { add(before.lists[write.list]) }
      for (list, range) in before.lists where after.lists[list] == nil {
        lists.insert(list)
        add(range)
      }
      endpoints.formUnion(plan.releasedEndpoints.map(\.id))
      frontends.formUnion(plan.deleteKeys.map(\.index))
      services.formUnion(plan.deletedServices)
    }

    private mutating func add(_ range: SlotRange?) {
      if let range { slots.formUnion(range.base..<range.base + range.count) }
    }

    func checkUntouched(by plan: FamilyPlan) {
      for write in plan.slots {
        #expect(slots.isDisjoint(with: write.base..<write.base + UInt32(write.slots.count)))
      }
      #expect(endpoints.isDisjoint(with: plan.newEndpointWrites.map(\.id)))
      #expect(lists.isDisjoint(with: plan.newLists.map(\.list)))
      #expect(frontends.isDisjoint(with: plan.newFrontends.map(\.index)))
      #expect(services.isDisjoint(with: plan.services.filter(\.isNew).map(\.id)))
    }
  }

  @Test(arguments: 0..<10) func what_programs_may_see_is_not_written(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var family = try empty(Capacities(services: 60, frontends: 200, backends: 4000))
    var table = ServiceTable()
    var visible = Visible()
    for _ in 0..<200 {
      let next = step(from: table, keeping: true, using: &generator)
      let change = TableChange(from: table, to: next)
      var part = family.plan(change)
      if part == nil || Int.random(in: 0..<20, using: &generator) == 0 {
        family.settle()
        visible = Visible()
        part = family.plan(change)
      }
      let plan = try #require(part).plan
      visible.checkUntouched(by: plan)
      let before = family.state
      family.commit(try #require(part))
      visible.add(plan, from: before, to: family.state)
      table = next
    }
    #expect(served(family).frontends == table.frontends)
  }

  private func served(_ family: ResidentFamily) -> ServiceTable {
    ServiceTable(states: [family.state])
  }

  /// A few service ports of a random table instead of what there was of them, some endpoints kept.
  private func step(
    from table: ServiceTable, keeping: Bool, using generator: inout SeededGenerator
  ) -> ServiceTable {
    let other = randomTable(services: 40, using: &generator)
    let numbers = Set((0..<4).map { _ in Int.random(in: 0..<40, using: &generator) })
    let addresses = Set(numbers.map { clusterIP($0).address })
    let frontends =
      table.frontends.filter { !addresses.contains($0.key.address) }
      + other.frontends.filter { addresses.contains($0.key.address) }
    let guards =
      table.guardedAddresses.filter { !addresses.contains($0) }
      + other.guardedAddresses.filter { addresses.contains($0) }
    var kept: Set<KeptEndpoint> = []
    if keeping {
      let names = Set(frontends.map(\.service))
      kept = Set(table.keptEndpoints.filter { names.contains($0.service) })
      for frontend in table.frontends where addresses.contains(frontend.key.address) {
        for backend in frontend.backends where Bool.random(using: &generator) {
          kept.insert(KeptEndpoint(service: frontend.service, backend: backend))
        }
      }
      kept = kept.filter { names.contains($0.service) }
      for frontend in frontends {
        for backend in frontend.backends {
          kept.remove(KeptEndpoint(service: frontend.service, backend: backend))
        }
      }
    }
    return ServiceTable(
      frontends: frontends, guardedAddresses: guards, keptEndpoints: Array(kept))
  }

  @Test(arguments: 0..<40) func one_change_after_the_other_gives_the_table(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var family = try empty(roomy)
    var table = ServiceTable()
    for _ in 0..<60 {
      let next = step(from: table, keeping: seed % 2 == 1, using: &generator)
      let difference = TableChange(from: table, to: next)
      #expect(table.changed(by: difference) == next)
      try #require(try change(&family, difference))
      // Only what has been listed has an id to keep.
      #expect(served(family).frontends == next.frontends)
      #expect(served(family).guardedAddresses == next.guardedAddresses)
      #expect(Set(served(family).keptEndpoints).isSubset(of: next.keptEndpoints))
      let whole = try Planner.plan(from: family.state, to: next)
      #expect(whole.isEmpty, "the planner for the whole finds nothing to do")
      #expect(ResidentFamily(family.state) != nil, "what a change leaves can be adopted")
      table = next
    }
  }

  @Test(arguments: 0..<10) func both_planners_keep_the_same_ids(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var family = try empty(roomy)
    var table = ServiceTable()
    for _ in 0..<40 {
      let next = step(from: table, keeping: true, using: &generator)
      let whole = try Planner.plan(from: family.state, to: next)
      family.settle()
      let part = try #require(family.plan(TableChange(from: table, to: next)))
      // Indexes that are new may differ; what is released, kept or deleted may not.
      #expect(part.plan.releasedEndpoints == whole.releasedEndpoints)
      #expect(part.plan.deletedServices == whole.deletedServices)
      #expect(part.plan.deleteKeys.map(\.record) == whole.deleteKeys.map(\.record))
      #expect(part.plan.newEndpointWrites.count == whole.newEndpointWrites.count)
      #expect(part.plan.publishLists.map(\.list) == whole.publishLists.map(\.list))
      #expect(Set(part.plan.deleteKept) == Set(whole.deleteKept))
      #expect(part.plan.insertKept.count == whole.insertKept.count)
      family.commit(part)
      table = next
    }
  }

  @Test func nothing_is_lost_over_many_changes() throws {
    var generator = SeededGenerator(seed: 7)
    let capacities = Capacities(services: 60, frontends: 200, backends: 2000)
    var family = try empty(capacities)
    var table = ServiceTable()
    for _ in 0..<600 {
      let next = step(from: table, keeping: true, using: &generator)
      try #require(try change(&family, TableChange(from: table, to: next)))
      table = next
    }
    try #require(try change(&family, TableChange(from: table, to: ServiceTable())))
    #expect(family.state.frontends.isEmpty && family.state.lists.isEmpty)
    #expect(family.state.services.isEmpty && family.state.kept.isEmpty)
    #expect(family.state.guards.isEmpty && family.state.keys.words.allSatisfy { $0 == 0 })
    family.settle()
    // All of the room is there again, in one piece.
    let large = Frontend(
      key: clusterIP(1), kind: .clusterIP, service: serviceName(1),
      backends: (1...2000).map(backend))
    let small = (2...60).map {
      Frontend(key: clusterIP($0), kind: .clusterIP, service: serviceName($0))
    }
    let full = ServiceTable(frontends: [large] + small)
    try #require(try change(&family, TableChange(from: ServiceTable(), to: full)))
    #expect(served(family) == full)
  }

  @Test func what_does_not_fit_is_left_to_the_plan_for_the_whole() throws {
    let family = try empty(Capacities(services: 1, frontends: 2, backends: 4))
    func table(_ count: Int, backends: Int) -> TableChange {
      let frontends = (0..<count).map { number in
        Frontend(
          key: clusterIP(number), kind: .clusterIP, service: serviceName(number),
          backends: (0..<backends).map { backend($0 + 1) })
      }
      return TableChange(from: ServiceTable(), to: ServiceTable(frontends: frontends))
    }
    #expect(family.plan(table(1, backends: 4)) != nil)
    #expect(family.plan(table(2, backends: 1)) == nil)
    #expect(family.plan(table(1, backends: 5)) == nil)
  }

  @Test func a_key_that_goes_over_takes_both_service_ports() throws {
    var family = try empty(roomy)
    func table(_ number: Int) -> ServiceTable {
      ServiceTable(frontends: [
        Frontend(
          key: clusterIP(1), kind: .clusterIP, service: serviceName(number),
          backends: [backend(1)])
      ])
    }
    try #require(try change(&family, TableChange(from: ServiceTable(), to: table(1))))
    let onlyNew = TableChange(services: [serviceName(2)], frontends: table(2).frontends)
    #expect(family.plan(onlyNew) == nil)
    let part = try #require(family.plan(TableChange(from: table(1), to: table(2))))
    #expect(part.plan.retargets.count == 1 && part.plan.insertKeys.isEmpty)
    family.commit(part)
    #expect(served(family) == table(2))
  }

  @Test func what_a_killed_writer_left_is_not_adopted() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    state.endpoints = [EndpointRecord(generation: 5, service: 3)]
    #expect(ResidentFamily(state) == nil)
    state.endpoints = []
    state.staleKeys = [4]
    #expect(ResidentFamily(state) == nil)
  }
}
