import ServiceMaps
import Testing

/// Endpoints that no list holds keep their ids as long as they serve.
@Suite struct KeptTests {
  private let roomy = Capacities(services: 200, frontends: 600, backends: 4000)

  private func one(_ listed: [Int], kept: [Int] = []) -> ServiceTable {
    ServiceTable(
      frontends: [
        Frontend(
          key: clusterIP(1), kind: .clusterIP, service: serviceName(1),
          backends: listed.map { backend($0) })
      ],
      keptEndpoints: kept.map { KeptEndpoint(service: serviceName(1), backend: backend($0)) })
  }

  private func reach(_ table: ServiceTable, _ state: inout FamilyState) throws {
    let plan = try Planner.plan(from: state, to: table)
    #expect(plan.isComplete)
    state.apply(plan)
    #expect(try Planner.plan(from: state, to: table).isEmpty, "twice is nothing to do")
  }

  @Test func one_that_leaves_its_list_and_returns() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    try reach(one([1, 2]), &state)
    let records = state.endpoints
    try reach(one([2], kept: [1]), &state)
    #expect(state.endpoints == records && state.kept.count == 1)
    #expect(ServiceTable(states: [state]) == one([2], kept: [1]))
    try reach(one([1, 2]), &state)
    #expect(state.endpoints == records && state.kept.isEmpty)
    #expect(ServiceTable(states: [state]) == one([1, 2]))
  }

  @Test func one_that_was_never_listed_needs_no_id() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    try reach(one([1], kept: [2]), &state)
    #expect(state.kept.isEmpty && state.endpoints.count == 1)
  }

  @Test func one_that_stops_serving_is_released() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    try reach(one([1, 2]), &state)
    try reach(one([2], kept: [1]), &state)
    let plan = try Planner.plan(from: state, to: one([2]))
    #expect(plan.deleteKept.count == 1 && plan.releasedEndpoints.count == 1)
    #expect(plan.publishLists.isEmpty)
    state.apply(plan)
    #expect(state.kept.isEmpty && state.endpoints.count { $0.service != nil } == 1)
  }

  @Test func they_go_with_their_service() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    try reach(one([1, 2]), &state)
    try reach(one([], kept: [1, 2]), &state)
    #expect(state.kept.count == 2)
    try reach(
      ServiceTable(frontends: [], keptEndpoints: one([], kept: [1, 2]).keptEndpoints), &state)
    #expect(state.kept.isEmpty && state.services.isEmpty)
    #expect(state.endpoints.allSatisfy { $0.service == nil })
  }

  /// An entry whose id is free or somebody else's must go before that id is given again.
  @Test func an_entry_that_says_nothing_goes_first() throws {
    var state = FamilyState(family: .v4, capacities: roomy)
    try reach(one([1]), &state)
    let free = KeptRecord(service: 0, backend: backend(9))
    let strange = KeptRecord(service: 7, backend: backend(1))
    state.kept = [free: 5, strange: 0]
    #expect(ServiceTable(states: [state]) == one([1]))
    let plan = try Planner.plan(from: state, to: one([1, 2], kept: [9]))
    #expect(plan.staleKept == [free, strange] && plan.insertKept.isEmpty)
    state.apply(plan)
    #expect(state.kept.isEmpty)
  }

  /// Where the table needs the room, it has it.
  @Test func they_give_way() throws {
    let room = Capacities(services: 4, frontends: 4, backends: 10)
    var state = FamilyState(family: .v4, capacities: room)
    try reach(one(Array(1...10)), &state)
    try reach(one([1, 2, 3, 4], kept: Array(5...10)), &state)
    #expect(state.kept.count == 6)
    // As many as fit with what is listed; the others' sockets choose anew.
    try reach(one([1, 2, 3, 4, 11, 12], kept: Array(5...10)), &state)
    #expect(state.kept.count == 4)
    try reach(one(Array(21...30), kept: Array(5...10)), &state)
    #expect(state.kept.isEmpty)
  }

  // MARK: At random

  /// Service ports whose endpoints are listed, left out or gone, at random. Each endpoint that
  /// has served in all tables since it was given its id must have it still.
  private struct World {
    var services: Int
    var endpoints: Int
    var random: SeededGenerator

    mutating func table(changing percent: Int, from old: ServiceTable) -> ServiceTable {
      var frontends: [Frontend] = []
      var kept: [KeptEndpoint] = []
      let before = Dictionary(grouping: old.frontends, by: \.service)
      let keptBefore = Dictionary(grouping: old.keptEndpoints, by: \.service)
      var taken = Set<FrontendKey>()
      for number in 0..<services {
        let name = serviceName(number)
        let stays = !random.chance(percent)
        if stays, let same = before[name], taken.isDisjoint(with: same.map(\.key)) {
          frontends += same
          kept += keptBefore[name] ?? []
          taken.formUnion(same.map(\.key))
          continue
        }
        if !stays && random.chance(3) { continue }
        var lists: [[Backend]] = [[], []]
        var serving: [Backend] = []
        for i in 0..<endpoints where !random.chance(8) {
          let backend = backend(number * 100 + i + 1)
          serving.append(backend)
          for list in 0...1 where random.chance(75) { lists[list].append(backend) }
        }
        // The second address comes and goes, and with it its list; a third moves between services.
        var used: Set<Backend> = []
        for place in 0...1 where place == 0 || random.chance(60) {
          let owner = random.chance(10) ? number ^ 1 : number
          let key = clusterIP(owner, port: UInt16(80 + place))
          guard taken.insert(key).inserted else { continue }
          frontends.append(
            Frontend(key: key, kind: .clusterIP, service: name, backends: lists[place]))
          used.formUnion(lists[place])
        }
        if frontends.last?.service != name { continue }
        kept += serving.filter { !used.contains($0) }.map {
          KeptEndpoint(service: name, backend: $0)
        }
      }
      return ServiceTable(frontends: frontends, keptEndpoints: kept)
    }
  }

  private func serving(_ table: ServiceTable) -> Set<KeptEndpoint> {
    Set(table.keptEndpoints).union(listed(table))
  }

  private func listed(_ table: ServiceTable) -> Set<KeptEndpoint> {
    Set(
      table.frontends.flatMap { frontend in
        frontend.backends.map { KeptEndpoint(service: frontend.service, backend: $0) }
      })
  }

  /// - Returns: how many plans one table took at most, and how many kept endpoints there were.
  private func run(
    _ world: World, _ room: Capacities, tables: Int, percent: Int, kills: Bool
  ) throws -> (passes: Int, kept: Int) {
    var world = world
    var maps = InterruptedMaps(room)
    var table = ServiceTable()
    /// What sockets remember.
    var remembered: [KeptEndpoint: InterruptedMaps.Identity] = [:]
    var most = (passes: 0, kept: 0)
    for step in 0..<tables {
      table = world.table(changing: percent, from: table)
      let now = serving(table)
      // Who does not serve in some table loses the right to its id.
      var gone = remembered.filter { !now.contains($0.key) }
      remembered = remembered.filter { now.contains($0.key) }
      var killsLeft = kills ? Int.random(in: 0...3, using: &world.random) : 0
      var passes = 0
      while true {
        passes += 1
        try #require(passes < 60, "step \(step): not complete")
        let plan = try Planner.plan(from: maps.read(), to: table)
        if plan.isEmpty && !plan.isComplete {
          maps.apply(Planner.compaction(of: maps.read()))
          continue
        }
        if killsLeft > 0 {
          killsLeft -= 1
          maps.apply(
            plan, count: Int.random(in: 0...InterruptedMaps.count(plan), using: &world.random))
        } else {
          maps.apply(plan)
          most.passes = max(most.passes, passes)
        }
        // At any moment: who serves is valid, and found by whoever reads the maps.
        let identities = maps.identities()
        for (endpoint, identity) in remembered {
          try #require(maps.isValid(identity), "step \(step): \(endpoint) was released")
          try #require(identities[endpoint] == identity, "step \(step): \(endpoint) got another id")
        }
        // A list may have been seen already.
        let state = maps.read()
        for frontend in state.frontendsServed() {
          for backend in frontend.backends {
            let endpoint = KeptEndpoint(service: frontend.service, backend: backend)
            guard now.contains(endpoint), remembered[endpoint] == nil else { continue }
            remembered[endpoint] = identities[endpoint]
            gone[endpoint] = nil
          }
        }
        let isDone = try isDone(maps.read(), table)
        if plan.isComplete && killsLeft == 0 && isDone { break }
      }
      let state = maps.read()
      #expect(state.frontendsServed().sorted { $0.key < $1.key } == table.frontends)
      let kept = Set(state.keptEndpoints())
      #expect(kept.isSubset(of: table.keptEndpoints))
      #expect(kept == Set(remembered.keys).subtracting(listed(table)))
      most.kept = max(most.kept, kept.count)
      for (endpoint, identity) in gone {
        #expect(!maps.isValid(identity), "step \(step): \(endpoint) is gone")
      }
      // Nothing is left over.
      #expect(state.endpoints.count { $0.service != nil } == remembered.count)
      #expect(state.kept.count == kept.count)
    }
    #expect(maps.mostKept <= room.physicalKept)
    return most
  }

  private func isDone(_ state: FamilyState, _ table: ServiceTable) throws -> Bool {
    let plan = try Planner.plan(from: state, to: table)
    return plan.isEmpty && plan.isComplete
  }

  @Test(arguments: 0..<40) func ids_of_serving_endpoints_never_change(seed: UInt64) throws {
    let world = World(services: 12, endpoints: 6, random: SeededGenerator(seed: seed))
    let most = try run(world, roomy, tables: 30, percent: 50, kills: true)
    #expect(most.kept > 3)
  }

  /// No room for old and new side by side: plans that do a part come into play.
  @Test(arguments: 0..<4) func nor_when_a_change_takes_several_plans(seed: UInt64) throws {
    let world = World(services: 300, endpoints: 16, random: SeededGenerator(seed: seed))
    let room = Capacities(services: 300, frontends: 900, backends: 7000)
    let most = try run(world, room, tables: 5, percent: 95, kills: seed % 2 == 0)
    #expect(most.passes > 1 && most.kept > 100)
  }
}
