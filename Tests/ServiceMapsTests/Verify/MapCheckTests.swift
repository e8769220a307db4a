import ServiceMaps
import Testing

/// Damage of every kind is found, and what is made of the maps then is right.
@Suite struct MapCheckTests {
  static let capacities = Capacities(services: 32, frontends: 128, backends: 512)

  /// The maps after some random tables, and the last of these.
  static func healthy(_ random: inout SeededGenerator) throws -> (FamilyImage, ServiceTable) {
    var state = FamilyState(family: .v4, capacities: capacities)
    var table = ServiceTable()
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      table = randomTable(services: 12, using: &random)
      state.apply(try Planner.plan(from: state, to: table))
    }
    return (FamilyImage(state), table)
  }

  @Test func whatAPlannerHasWrittenIsNoDrift() throws {
    for seed in 0..<300 {
      var random = SeededGenerator(seed: UInt64(seed))
      let (image, table) = try Self.healthy(&random)
      let drift = MapCheck.drift(of: maps(image, for: table), from: table)
      #expect(drift == [], "seed \(seed)")
      let state = image.stateForRepair(table)
      #expect(try Planner.plan(from: state, to: table).isEmpty, "seed \(seed)")
      #expect(FamilyFixes(image, table).isEmpty, "seed \(seed)")
    }
  }

  /// Where a plan would write something there is something to say.
  @Test func anotherTableIsDrift() throws {
    for seed in 0..<300 {
      var random = SeededGenerator(seed: UInt64(seed))
      let (image, table) = try Self.healthy(&random)
      let other = randomTable(services: 12, using: &random)
      let drift = MapCheck.drift(of: maps(image, for: table), from: other)
      #expect(drift.isEmpty == (other == table), "seed \(seed)")
    }
  }

  @Test func damageIsFoundAndMended() throws {
    var done: [String: Int] = [:]
    for seed in 0..<2000 {
      var random = SeededGenerator(seed: UInt64(seed))
      var (image, table) = try Self.healthy(&random)
      var names: [String] = []
      for _ in 0..<(seed % 3 == 0 ? Int.random(in: 2...5, using: &random) : 1) {
        guard let damage = Damage.all.randomElement(using: &random) else { continue }
        if damage.body(&image, &random) {
          names.append(damage.name)
          done[damage.name, default: 0] += 1
        }
      }
      if names.isEmpty { continue }
      let comment = "seed \(seed), \(names)"
      let found = MapCheck.drift(of: maps(image, for: table), from: table)
      // Damage upon damage may take itself back.
      #expect(!found.isEmpty || names.count > 1, "\(comment)")
      image.apply(FamilyFixes(ofKeys: image))
      var left = found
      var attempts = 0
      // As `KernelTables.repair` does it.
      while !left.isEmpty && attempts < 4 {
        try repair(&image, table, comment)
        left = MapCheck.drift(of: maps(image, for: table), from: table)
        attempts += 1
      }
      #expect(attempts < 2 || names.count > 1, "\(comment)")
      #expect(left == [], "\(comment)")
      if !left.isEmpty { return }
    }
    #expect(done.count == Damage.all.count, "\(done)")
  }

  private func repair(
    _ image: inout FamilyImage, _ table: ServiceTable, _ comment: String
  ) throws {
    let before = image
    var memory = image.slotsOfMap
    var rounds = 0
    while true {
      var plan = try Planner.plan(from: image.stateForRepair(table), to: table)
      if plan.isEmpty && !plan.isComplete {
        plan = try Planner.plan(
          from: image.stateForRepair(table, blockingSlots: false), to: table)
      }
      try staysAway(plan, from: before, rounds == 0, comment)
      image.apply(plan, slotsOfMap: &memory)
      rounds += 1
      if plan.isComplete || rounds == 20 { break }
    }
    image.apply(FamilyFixes(image, table))
  }

  /// Nothing that a right list has is written to, nor an endpoint that it has released.
  private func staysAway(
    _ plan: FamilyPlan, from image: FamilyImage, _ isFirst: Bool, _ comment: String
  ) throws {
    guard isFirst else { return }
    var used = Set<UInt32>()
    let records = Set(image.keys.values)
    let led = Set(image.keys.values.compactMap { image.records[$0]?.list })
    for (list, range) in image.lists where led.contains(list) && image.slots[list] != nil {
      used.formUnion(range.base..<range.base + range.count)
    }
    for write in plan.slots {
      let places = write.base..<write.base + UInt32(write.slots.count)
      #expect(used.isDisjoint(with: places), "\(comment)")
    }
    for write in plan.newFrontends {
      #expect(!records.contains(write.index), "\(comment)")
    }
    for write in plan.releasedEndpoints where Int(write.id) < image.endpoints.count {
      #expect(write.record.generation != image.endpoints[Int(write.id)].generation, "\(comment)")
    }
  }

  @Test func aLineSaysWhatIsAndWhatShouldBe() throws {
    let frontend = Frontend(
      key: clusterIP(1), kind: .clusterIP, service: serviceName(0),
      backends: [backend(1), backend(2)])
    let table = ServiceTable(frontends: [frontend])
    var state = FamilyState(family: .v4, capacities: Self.capacities)
    state.apply(try Planner.plan(from: state, to: table))
    var image = FamilyImage(state)
    image.slots[0] = [image.slots[0]?[0]]
    #expect(
      MapCheck.drift(of: maps(image, for: table), from: table).map(\.description) == [
        "lists4 default/s0:80 172.30.0.1:80/TCP: has 10.0.0.1:8080, should have "
          + "10.0.0.1:8080,10.0.0.2:8080",
        "endpoints4 default/s0 id 1: has generation 1 of service port 0, should have none: no list "
          + "and no kept endpoint has it",
      ])
  }

  @Test func bitsOfTheFilterAreCompared() throws {
    let frontend = Frontend(
      key: clusterIP(1), kind: .clusterIP, service: serviceName(0), backends: [backend(1)])
    let table = ServiceTable(frontends: [frontend], guardedAddresses: [clusterIP(1).address])
    var state = FamilyState(family: .v4, capacities: Self.capacities)
    state.apply(try Planner.plan(from: state, to: table))
    let whole = maps(FamilyImage(state), for: table)
    #expect(MapCheck.drift(of: whole, from: table) == [])
    var bits = 0
    for (word, value) in whole.filter.enumerated() where value != 0 {
      for bit in 0..<64 where value >> UInt64(bit) & 1 != 0 {
        var image = whole
        image.filter[word] &= ~(1 << UInt64(bit))
        #expect(MapCheck.drift(of: image, from: table).count == 1, "bit \(bit) of word \(word)")
        bits += 1
      }
    }
    #expect(bits == 3)
    var surplus = whole
    surplus.filter[7] |= AddressFilter.backendBits
    #expect(MapCheck.drift(of: surplus, from: table) == [], "bits of former backends")
    surplus.filter[7] |= 1
    #expect(MapCheck.drift(of: surplus, from: table).count == 1)
  }

  @Test func aKilledWriterIsSeenInTheHeader() {
    let family = FamilyImage(FamilyState(family: .v4, capacities: Self.capacities))
    var image = maps(family, for: ServiceTable())
    #expect(MapCheck.drift(of: image, from: ServiceTable()) == [])
    image.generation = 3
    image.isGracePending = true
    #expect(MapCheck.drift(of: image, from: ServiceTable()).map(\.map) == ["header", "header"])
  }
}
