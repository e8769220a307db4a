import CServiceABI
import ServiceMaps
import Testing

/// From two samples to rows.
@Suite struct TopTableTests {
  typealias World = TopWorld

  @Test func ratesAreOfTheTimeBetween() {
    let table = World.table(
      World.sample(10, [World.web: ServiceCounters(translated: 100, refused: 5, denied: 1)]),
      World.sample(
        14, [World.web: ServiceCounters(translated: 300, refused: 9, denied: 3)],
        [.established(8, bucket: 3, failed: 2)], live: [3, 4]))
    let row = table.row(World.web)
    #expect(table.seconds == 4)
    #expect((row.new, row.refused, row.denied) == (200, 4, 2))
    #expect(table.rate(row.new) == 50)
    #expect(row.connects.established == 8 && row.connects.failures == 2)
    #expect(row.sockets == 7)
    #expect(table.totals.new == 200 && table.totals.sockets == 7 && table.totals.rows == 4)
  }

  @Test func aCounterThatShrankHasBegunAnew() {
    let table = World.table(
      World.sample(
        0, [World.web: ServiceCounters(translated: 1000, refused: 7)],
        [.established(50, bucket: 5)]),
      World.sample(
        1, [World.web: ServiceCounters(translated: 30, refused: 2)],
        [.established(4, bucket: 5)]))
    let row = table.row(World.web)
    #expect((row.new, row.refused, row.connects.established) == (30, 2, 4))
    #expect(row.connects.took.count == 4)
  }

  @Test func programsThatWereLoadedAnewHaveCountedFromZero() {
    let table = World.table(
      World.sample(0, [:], [.established(50, bucket: 5)]),
      World.sample(1, [:], [.established(60, bucket: 5)], epoch: 1))
    #expect(table.row(World.web).connects.established == 60)
  }

  @Test func aServiceThatComesCountsWholeAndOneThatGoesHasNoRow() {
    let without = [World.state(web: false)]
    let counters = [World.web: ServiceCounters(translated: 12)]
    let came = World.table(
      World.sample(0, states: without), World.sample(1, counters, [.established(3, bucket: 2)]))
    #expect(came.row(World.web).new == 12)
    let went = World.table(
      World.sample(0, counters, [.established(3, bucket: 2)], live: [2]),
      World.sample(1, [:], [.established(9, bucket: 2)], live: [2], states: without))
    #expect(!went.rows.contains { $0.service == World.web })
    #expect(went.rows.count == 3)
  }

  @Test func anIdThatMeansAnotherServiceNowIsNotCountedForIt() {
    // Endpoint 0 with generation 1 is web's; what another generation of it had is not.
    let flow = SocketFlow(
      vip: backend("10.96.0.77", 80), backend: backend("10.0.0.77", 80), transport: .tcp,
      service: 1, endpoint: 0, generation: 7)
    var after = World.sample(1)
    after.paths[PathID(of: flow)] = (flow, .established(5, bucket: 2))
    after.sockets[PathID(of: flow)] = PathSockets(flow: flow, count: 3)
    let table = World.table(World.sample(0), after)
    #expect(table.row(World.web).connects.established == 0)
    #expect(table.row(World.web).sockets == 0)
    // A backend of web that is gone is web's still: its VIP leads there.
    let gone = World.flow(backend("10.0.0.7", 8080), endpoint: 0, generation: 9)
    after.sockets[PathID(of: gone)] = PathSockets(flow: gone, count: 2)
    let row = World.table(World.sample(0), after).row(World.web)
    #expect(row.sockets == 2)
    #expect(row.backends.map(\.state) == [.listed, .listed, .gone])
    #expect(row.backends.last?.backend == backend("10.0.0.7", 8080))
  }

  @Test func keptBackendsHaveRowsWhileTheyAreUsed() {
    let flow = World.flow(World.backends[1], endpoint: 1)
    var after = World.sample(1, states: [World.state(listed: 1)])
    after.sockets[PathID(of: flow)] = PathSockets(flow: flow, count: 5)
    let row = World.table(World.sample(0), after).row(World.web)
    #expect(row.backends.map(\.state) == [.listed, .kept])
    #expect(row.backends.map(\.sockets) == [0, 5])
  }

  // MARK: Shares

  private func shares(_ counts: [UInt64], states: [FamilyState] = [World.state()]) -> TopTable.Row {
    var counters = ServiceCounters(translated: 1000 + counts.reduce(0, +))
    for (index, count) in counts.enumerated() {
      counters.backends[World.backends[index]] = 500 + count
    }
    let before = ServiceCounters(
      translated: 1000, backends: [World.backends[0]: 500, World.backends[1]: 500])
    return World.table(
      World.sample(0, [World.web: before]),
      World.sample(1, [World.web: counters], states: states)
    ).row(World.web)
  }

  @Test func aShareIsComparedWithTheFairOne() {
    let row = shares([75, 25])
    #expect(row.backends.map(\.new) == [75, 25])
    #expect(row.backends.map { $0.share?.part } == [0.75, 0.25])
    #expect(row.backends.map { $0.share?.fair } == [0.5, 0.5])
    // 75 of 100 are five deviations off, and not more.
    #expect(row.backends.map { $0.share?.isUneven } == [false, false])
    #expect(shares([76, 24]).backends.map { $0.share?.isUneven } == [true, true])
    #expect(shares([24, 76]).share?.part == 0.76)
    #expect(shares([0, 9]).share?.isUneven == false)
  }

  @Test func thereIsNoShareOfNothingAndNoFairOneOfDifferentLists() {
    #expect(shares([0, 0]).share == nil)
    #expect(shares([0, 0]).backends.map(\.new) == [0, 0])
    // Another frontend has one of the two only.
    let mixed = World.state { state in
      state.frontends[8] = FrontendRecord(
        key: FrontendKey(address: ip("10.96.0.8"), port: port(80), transport: .tcp),
        kind: .externalIP, service: 1, list: 8)
      state.lists[8] = SlotRange(base: 0, count: 1)
    }
    let row = shares([90, 10], states: [mixed])
    #expect(row.share?.part == 0.9 && row.share?.fair == nil && row.share?.isUneven == false)
    // A single backend has everything, which says nothing.
    #expect(shares([100], states: [World.state(listed: 1)]).share == nil)
  }

  /// Counters by backend are read while programs carry bytes into words: they may be too large for a
  /// moment, and smaller after it.
  @Test func aCounterByBackendThatIsALittleSmallerIsNoNewOne() {
    func row(_ before: UInt64, _ after: UInt64) -> TopTable.Row {
      World.table(
        World.sample(
          0, [World.web: ServiceCounters(translated: 5000, backends: [World.backends[0]: before])]),
        World.sample(
          1, [World.web: ServiceCounters(translated: 5090, backends: [World.backends[0]: after])])
      ).row(World.web)
    }
    #expect(row(4000, 3900).backends[0].new == 0)
    // One that went and came back has begun anew.
    #expect(row(4000, 30).backends[0].new == 30)
    // Nobody was given more than all.
    #expect(row(4000, 4200).backends[0].new == 90)
  }

  @Test func withoutCountersByBackendNothingIsSaidOfThem() {
    let row = World.table(
      World.sample(0), World.sample(1, [World.web: ServiceCounters(translated: 5)])
    ).row(World.web)
    #expect(row.backends.map(\.new) == [nil, nil] && row.share == nil)
  }

  // MARK: Order

  @Test func whoRefusesBecauseThereIsNothingComesFirst() {
    let counters = [
      World.web: ServiceCounters(translated: 50, refused: 9),
      World.empty: ServiceCounters(refused: 1),
      World.dns: ServiceCounters(translated: 80), World.local: ServiceCounters(refused: 3),
    ]
    func order(_ order: TopTable.Order) -> [ServicePortName] {
      World.table(
        World.sample(0), World.sample(1, counters, [.established(1, bucket: 9)], live: [1]), order
      ).rows.map(\.service)
    }
    #expect(order(.rate) == [World.empty, World.local, World.dns, World.web])
    #expect(order(.refused) == [World.local, World.empty, World.web, World.dns])
    #expect(order(.live) == [World.empty, World.local, World.web, World.dns])
    #expect(order(.p99) == [World.empty, World.local, World.web, World.dns])
    #expect(order(.name) == [World.dns, World.empty, World.local, World.web])
    let table = World.table(World.sample(0), World.sample(1, counters))
    #expect(table.rows.map(\.problem) == [.noEndpoints, .policy, nil, .someFrontends].map { $0 })
    #expect(table.totals.alarming == 2)
    #expect(table.warning?.text == "2 service ports refuse clients: no endpoints")
  }

  @Test func failuresSortAndMark() {
    let table = World.table(
      World.sample(0), World.sample(1, [:], [.established(0, bucket: 0, failed: 4)]), .failures)
    #expect(table.rows.first?.service == World.web)
    #expect(table.rows.first?.problem == .failures)
  }

  @Test func filtersAndLimits() {
    let counters = [World.web: ServiceCounters(translated: 5)]
    func rows(_ services: String..., limit: Int? = nil) -> [ServicePortName] {
      TopTable(
        from: World.sample(0), to: World.sample(1, counters),
        TopTable.Options(
          order: .name, services: services.map { right(SocketServiceFilter($0)) }, limit: limit)
      ).rows.map(\.service)
    }
    #expect(rows("shop/web") == [World.web])
    #expect(rows("shop/web:http", "shop/dns:80") == [World.dns, World.web])
    #expect(rows("shop/web:81").isEmpty && rows("web").isEmpty)
    #expect(rows(limit: 2) == [World.dns, World.empty])
    let limited = World.table(World.sample(0), World.sample(1, counters), .name, limit: 1)
    #expect(limited.totals.rows == 4 && limited.totals.new == 5)
  }

  // MARK: Wire

  @Test func wire() {
    var wire = svc_path()
    wire.begun = 9
    wire.established = 5
    wire.failed = 3
    wire.given_up = 1
    wire.took.0 = 2
    wire.took.27 = 3
    let counts = PathCounts(wire: wire)
    #expect(
      (counts.begun, counts.established, counts.failed, counts.givenUp, counts.failures)
        == (9, 5, 3, 1, 4))
    #expect(counts.took.buckets.count == 28)
    #expect(counts.took.buckets.first == 2 && counts.took.buckets.last == 3)
    let key = svc_path_key(service: 7 | UInt32(SVC_PATH_V6), endpoint: 8, generation: 9)
    #expect(
      PathID(wire: key) == PathID(family: .v6, service: 7, endpoint: 8, generation: 9))
  }
}
