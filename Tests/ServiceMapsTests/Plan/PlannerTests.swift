import ServiceMaps
import Testing

@Suite struct PlannerTests {
  private let roomy = Capacities(services: 200, frontends: 600, backends: 4000)

  /// Plans and applies until the plan is complete; checks every plan on the way.
  private func reach(_ table: ServiceTable, from state: inout FamilyState) throws -> Int {
    for pass in 1...50 {
      let plan = try Planner.plan(from: state, to: table)
      checkSafety(of: plan, in: state)
      if plan.isEmpty && !plan.isComplete {
        let moves = Planner.compaction(of: state)
        try #require(!moves.isEmpty, "no plan and nothing to move")
        checkSafety(of: moves, in: state)
        state.apply(moves)
        continue
      }
      state.apply(plan)
      if plan.isComplete { return pass }
    }
    Issue.record("not complete after 50 plans")
    return 0
  }

  private func served(_ state: FamilyState) -> ServiceTable { ServiceTable(states: [state]) }

  @Test func an_empty_table_is_no_work() throws {
    let state = FamilyState(family: .v4, capacities: roomy)
    #expect(try Planner.plan(from: state, to: ServiceTable()).isEmpty)
  }

  @Test(arguments: 0..<60) func applying_a_plan_gives_the_table(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var state = FamilyState(family: .v4, capacities: roomy)
    for _ in 0..<12 {
      let table = randomTable(services: 40, using: &generator)
      _ = try reach(table, from: &state)
      #expect(served(state) == table)
      #expect(try Planner.plan(from: state, to: table).isEmpty, "twice is nothing to do")
      // Ids belong to somebody or are free, and nothing is left over.
      var used = Set<UInt32>()
      for list in state.lists.keys { used.formUnion(state.slotsOfList(list).map { $0.endpoint }) }
      for id in state.endpoints.indices {
        #expect((state.endpoints[id].service != nil) == used.contains(UInt32(id)))
      }
      #expect(Set(state.services.values.map(\.name)) == Set(table.frontends.map(\.service)))
    }
  }

  @Test(arguments: 0..<4) func a_tight_table_is_replaced_in_several_passes(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    // No room for old and new side by side.
    let tight = Capacities(services: 300, frontends: 900, backends: 2000)
    var state = FamilyState(family: .v4, capacities: tight)
    var passes = 0
    for _ in 0..<6 {
      let table = randomTable(services: 300, backends: 6, using: &generator)
      passes = max(passes, try reach(table, from: &state))
      #expect(served(state) == table)
    }
    #expect(passes > 1, "the tables were meant to need more than one pass")
  }

  @Test func scattered_gaps_are_moved_together() throws {
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 2000, frontends: 2000, backends: 8000))
    func services(_ numbers: some Sequence<Int>) -> [Frontend] {
      numbers.map { number in
        Frontend(
          key: clusterIP(number), kind: .clusterIP, service: serviceName(number),
          backends: (0..<8).map { backend(number * 8 + $0 + 1) })
      }
    }
    _ = try reach(ServiceTable(frontends: services(0..<1000)), from: &state)
    let half = services(stride(from: 0, to: 1000, by: 2))
    _ = try reach(ServiceTable(frontends: half), from: &state)
    let large = Frontend(
      key: clusterIP(5000), kind: .clusterIP, service: serviceName(5000),
      backends: (1...3000).map(backend))
    let table = ServiceTable(frontends: half + [large])
    #expect(try Planner.plan(from: state, to: table).isComplete == false)
    _ = try reach(table, from: &state)
    #expect(served(state) == table)
  }

  @Test func capacities_are_read_back_from_the_sizes_of_maps() {
    for number in [1, 7, 64, 1000, 65_536, 1_048_576] {
      let room = Capacities(services: number, frontends: number, backends: number)
      #expect(
        Capacities(
          physicalServices: room.physicalServices, frontends: room.frontends,
          physicalBackends: room.physicalBackends) == room)
    }
  }

  @Test func what_stays_is_not_written() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    let before = (0..<20).map {
      Frontend(
        key: clusterIP($0), kind: .clusterIP, service: serviceName($0),
        backends: [backend(1), backend(2), backend(3)])
    }
    state.apply(try Planner.plan(from: state, to: ServiceTable(frontends: before)))
    var after = before
    after[7].backends = [backend(1), backend(3)]
    let plan = try Planner.plan(from: state, to: ServiceTable(frontends: after))
    #expect(plan.publishLists.count == 1)
    #expect(plan.releasedEndpoints.count == 1)
    #expect(
      plan.services.isEmpty && plan.newEndpoints.isEmpty && plan.retargets.isEmpty
        && plan.insertKeys.isEmpty && plan.deleteKeys.isEmpty)
    // The endpoints that stay keep their ids: sockets that remember them are not moved.
    let list = try #require(state.frontends.values.first { $0.key == clusterIP(7) }).list
    let kept = Array(state.slotsOfList(list))
    #expect(plan.slots.flatMap(\.slots) == [kept[0], kept[2]])
  }

  /// A generation never goes back: a socket may remember the id with any that it had.
  @Test func ids_that_were_in_use_go_first_whatever_the_list_is_long() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    func serve(_ numbers: Range<Int>) throws -> [Slot] {
      let frontend = Frontend(
        key: clusterIP(1), kind: .clusterIP, service: serviceName(1), backends: numbers.map(backend)
      )
      _ = try reach(ServiceTable(frontends: numbers.isEmpty ? [] : [frontend]), from: &state)
      return state.lists.keys.flatMap { state.slotsOfList($0) }.sorted { $0.endpoint < $1.endpoint }
    }
    #expect(try serve(1..<11).map(\.generation) == Array(repeating: 1, count: 10))
    _ = try serve(1..<1)
    let slots = try serve(100..<3100)
    #expect(slots.map(\.endpoint) == Array(0..<3000))
    #expect(slots.prefix(10).allSatisfy { $0.generation == 3 })
    #expect(slots.dropFirst(10).allSatisfy { $0.generation == 1 })
  }

  /// Programs fetch early what has the index of the frontend.
  @Test func a_cluster_ip_has_the_index_of_its_list_and_service_port() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    let frontends = (0..<50).flatMap { number in
      // The node port comes first in the table.
      let nodePort = FrontendKey(
        address: IPAddress(v4: 0x0a00_0001), port: Port(30_000 + number)!, transport: .tcp)
      return [(nodePort, FrontendKind.nodePort), (clusterIP(number), .clusterIP)].map {
        Frontend(key: $0, kind: $1, service: serviceName(number), backends: [backend(number + 1)])
      }
    }
    _ = try reach(ServiceTable(frontends: frontends), from: &state)
    for (index, record) in state.frontends where record.kind == .clusterIP {
      #expect(index == record.list && index == record.service)
    }
    #expect(state.lists.count == 50)
  }

  @Test func an_address_that_is_named_twice_is_guarded_once() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    let (one, other) = (IPAddress(v4: 1), IPAddress(v4: 2))
    let both = ServiceTable(frontends: [], guardedAddresses: [one, other])
    state.apply(try Planner.plan(from: state, to: both))
    #expect(state.guards == [one, other])
    let twice = ServiceTable(frontends: [], guardedAddresses: [one, one])
    let plan = try Planner.plan(from: state, to: twice)
    #expect(plan.insertGuards.isEmpty && plan.deleteGuards == [other])
  }

  @Test func frontends_with_the_same_backends_share_a_list() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    let name = serviceName(1)
    let table = ServiceTable(frontends: [
      Frontend(key: clusterIP(1), kind: .clusterIP, service: name, backends: [backend(1)]),
      Frontend(key: clusterIP(2), kind: .externalIP, service: name, backends: [backend(1)]),
      Frontend(key: clusterIP(3), kind: .loadBalancer, service: name, backends: [backend(2)]),
    ])
    state.apply(try Planner.plan(from: state, to: table))
    #expect(state.lists.count == 2)
  }

  @Test func a_renamed_service_keeps_its_frontend_without_a_gap() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    func table(_ number: Int) -> ServiceTable {
      ServiceTable(frontends: [
        Frontend(
          key: clusterIP(1), kind: .clusterIP, service: serviceName(number),
          backends: [backend(1)])
      ])
    }
    state.apply(try Planner.plan(from: state, to: table(1)))
    let plan = try Planner.plan(from: state, to: table(2))
    #expect(plan.deleteKeys.isEmpty && plan.insertKeys.isEmpty && plan.retargets.count == 1)
    state.apply(plan)
    #expect(served(state) == table(2))
  }

  @Test func what_does_not_fit_is_refused_with_every_shortage() {
    let state = FamilyState(
      family: .v4, capacities: Capacities(services: 1, frontends: 1, backends: 1))
    let table = ServiceTable(
      frontends: (0..<2).map {
        Frontend(
          key: clusterIP($0), kind: .clusterIP, service: serviceName($0),
          backends: [backend($0 + 1)])
      })
    let error = #expect(throws: CapacityError.self) {
      try Planner.plan(from: state, to: table)
    }
    #expect(
      error?.shortages.map(\.option) == ["--max-services", "--max-frontends", "--max-backends"])
    #expect("\(error!)".contains("2 frontends are needed, there is room for 1"))
  }

  @Test func records_of_an_interrupted_plan_are_cleaned_up() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    state.endpoints = [EndpointRecord(generation: 5, service: 3)]
    state.services[9] = ServiceRecord(name: serviceName(9))
    let plan = try Planner.plan(from: state, to: ServiceTable())
    #expect(plan.releasedEndpoints.map(\.record) == [EndpointRecord(generation: 6, service: nil)])
    #expect(plan.deletedServices == [9])
  }

  @Test func source_ranges_of_an_interrupted_plan_go_first() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    let range = try #require(IPPrefix("0.0.0.0/1"))
    state.staleRanges = [.init(frontend: 0, range: range)]
    let plan = try Planner.plan(from: state, to: ServiceTable())
    #expect(plan.staleRanges == state.staleRanges && !plan.isEmpty)
    state.apply(plan)
    #expect(state.staleRanges.isEmpty)
  }

  @Test func each_family_plans_only_its_own() throws {
    let table = ServiceTable(frontends: [
      Frontend(key: clusterIP(1), kind: .clusterIP, service: serviceName(1))
    ])
    let state = FamilyState(family: .v6, capacities: roomy)
    #expect(try Planner.plan(from: state, to: table).isEmpty)
  }
}
