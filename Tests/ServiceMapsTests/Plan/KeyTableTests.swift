import CServiceABI
import ServiceMaps
import Testing

@Suite struct KeyTableTests {
  private func key(_ number: Int, _ family: IPFamily) -> FrontendKey {
    let address =
      family == .v4
      ? IPAddress(v4: 0x0a60_0000 + UInt32(number / 3))
      : IPAddress(v6High: 0xfd00_0010_0096_0000, low: UInt64(number / 3))
    return FrontendKey(address: address, port: Port(UInt16(80 + number % 3))!, transport: .tcp)
  }

  /// As many frontends as the maps have room for find a place, whatever the seed, and go again.
  @Test(arguments: IPFamily.allCases) func aFullTableHasAPlaceForEach(family: IPFamily) throws {
    for seed in 0..<20 {
      let count = seed < 2 ? 131_072 : 1 << (seed % 12)
      var table = KeyTable(
        seed: UInt64(seed) &* 0x1234_5678_9abc_def1, buckets: KeyTable.buckets(for: count))
      var taken = Set<Int>()
      for number in 0..<count {
        let found = table.insert(key(number, family), index: UInt32(number))
        let position = try #require(found)
        #expect(taken.insert(position).inserted)
      }
      // They come and go: what is free is used again.
      for number in 0..<count / 2 {
        let position = try #require(table.position(of: key(number, family), index: UInt32(number)))
        #expect(KeyTable.index(in: table.words[position]) == UInt32(number))
        table.store(0, at: position)
        #expect(table.position(of: key(number, family), index: UInt32(number)) == nil)
        let again = table.insert(key(count + number, family), index: UInt32(number))
        #expect(again != nil)
      }
      for number in count / 2..<count {
        #expect(table.position(of: key(number, family), index: UInt32(number)) != nil)
        #expect(table.position(of: key(number, family), index: UInt32(number + 1)) == nil)
      }
    }
  }

  /// Most are found in the first bucket: one line of the processor's cache.
  @Test func mostAreInTheirFirstBucket() throws {
    let count = 100_000
    var table = KeyTable(seed: 7, buckets: KeyTable.buckets(for: count))
    var first = 0
    for number in 0..<count {
      let key = key(number, .v4)
      let found = table.insert(key, index: UInt32(number))
      let position = try #require(found)
      let address = UInt32(truncatingIfNeeded: key.address.low).bigEndian
      let hash = svc_key_hash4(
        7, address, svc_key_port(key.port.number.bigEndian, key.transport.rawValue))
      if KeyTable.place(of: position).bucket == svc_key_bucket_of(hash, table.mask, 0) {
        first += 1
      }
    }
    #expect(first > count * 98 / 100)
  }

  @Test func aKeyWhoseWaysAreTakenHasNoPlace() throws {
    var table = KeyTable(seed: 1, buckets: 1)
    for number in 0..<9 {
      let position = table.insert(key(number, .v4), index: UInt32(number))
      #expect((position != nil) == (number < 8))
    }
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 100, frontends: 100, backends: 100))
    state.keys = KeyTable(seed: 1, buckets: 1)
    let frontends = (1...9).map {
      Frontend(
        key: clusterIP($0), kind: .clusterIP, service: serviceName($0), backends: [backend(1)])
    }
    _ = try Planner.plan(from: state, to: ServiceTable(frontends: Array(frontends.dropLast())))
    #expect(throws: CapacityError.self) {
      try Planner.plan(from: state, to: ServiceTable(frontends: frontends))
    }
  }

  @Test func aWordSaysUsedHashAndIndex() throws {
    var table = KeyTable(seed: 99, buckets: 4)
    let found = table.insert(key(5, .v4), index: 0x12_3456)
    let position = try #require(found)
    let word = table.words[position]
    #expect(word >> 63 == 1)
    #expect(word & 0xff_ffff == 0x12_3456)
    #expect(KeyTable.place(of: 8).bucket == 2 && KeyTable.place(of: 11).offset == 24)
    #expect(table.mask == 3)
  }

  /// A word whose frontend is damaged goes, and its index is not used by the same plan.
  @Test func aStaleWordIsTakenAway() throws {
    let frontend = Frontend(
      key: clusterIP(1), kind: .clusterIP, service: serviceName(1), backends: [backend(1)])
    let table = ServiceTable(frontends: [frontend])
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 10, frontends: 10, backends: 10))
    state.apply(try Planner.plan(from: state, to: table))
    let index = try #require(state.frontends.keys.first)
    let position = try #require(state.keys.position(of: frontend.key, index: index))
    state.frontends[index] = nil
    state.staleKeys = [position]
    let plan = try Planner.plan(from: state, to: table)
    #expect(plan.staleKeys == [position] && plan.frees)
    #expect(
      plan.insertKeys.map(\.index) != [index] && plan.insertKeys.map(\.position) != [position])
    state.apply(plan)
    #expect(state.keys.words.count { $0 != 0 } == 1)
    #expect(try Planner.plan(from: state, to: table).isEmpty)
  }

  /// Of two records with one key programs find one; the other one's word goes.
  @Test func aKeyTwiceIsMended() throws {
    let frontend = Frontend(
      key: clusterIP(1), kind: .clusterIP, service: serviceName(1), backends: [backend(1)])
    let table = ServiceTable(frontends: [frontend])
    var state = FamilyState(
      family: .v4, capacities: Capacities(services: 10, frontends: 10, backends: 10))
    state.apply(try Planner.plan(from: state, to: table))
    let index = try #require(state.frontends.keys.first)
    let first = try #require(state.keys.position(of: frontend.key, index: index))
    state.frontends[7] = state.frontends[index]
    let second = state.keys.insert(frontend.key, index: 7)
    let plan = try Planner.plan(from: state, to: table)
    #expect(plan.staleKeys == [second])
    state.apply(plan)
    #expect(state.keys.words[first] != 0 && state.keys.words.count { $0 != 0 } == 1)
  }
}
