import APIServerKit
import Testing

@Suite("what goes wrong")
struct FaultTests {
  @Test("a refusal comes as often as was said, to those that match")
  func refusals() throws {
    let place = try Place()
    place.server.fail(.list("services"), with: .tooManyRequests(retryAfter: 7), times: 2)
    #expect(try place.get(Place.slices).status == 200)
    place.client.send("GET", Place.services)
    let answer = try #require(try place.client.answer())
    #expect(answer.status == 429 && answer.headers["retry-after"] == "7")
    #expect(answer.text == "Too many requests, please try again later.\n")
    #expect(try place.get(Place.services).status == 429)
    #expect(try place.get(Place.services).status == 200)
    for (fault, status) in [
      (Fault.internalError, 500), (.unavailable, 503), (.gatewayTimeout, 504), (.expired, 410),
      (.page(502, "<html>bad gateway</html>"), 502),
    ] {
      place.server.fail(with: fault)
      #expect(try place.get(Place.services).status == status)
    }
  }

  @Test("connections end before and in the middle of answers", arguments: [false, true])
  func ends(_ byReset: Bool) throws {
    let place = try Place()
    for number in 1...20 { try place.put("s\(number)") }
    for fault in [byReset ? Fault.reset : .close, .cut(after: 3000, byReset: byReset)] {
      place.server.fail(with: fault)
      let client = try RawClient(place.server)
      client.send("GET", Place.services)
      #expect(try client.answer() == nil)
      #expect((client.error != nil) == byReset)
    }
  }

  @Test("silence, delay, slowness")
  func slow() throws {
    let place = try Place()
    place.server.fail(with: .silence)
    let silent = try RawClient(place.server)
    silent.send("GET", "/version")
    #expect(silent.isQuiet())
    place.server.fail(with: .delay(0.4))
    place.client.send("GET", "/version")
    #expect(place.client.isQuiet())
    #expect(try place.client.answer()?.status == 200)
    place.server.fail(with: .slow(bytesPerSecond: 1000))
    let slow = try RawClient(place.server)
    slow.send("GET", "/api/v1")
    #expect(throws: ClientProblem.self) { try slow.answer(seconds: 0.5) }
  }

  @Test("a watch is cut in the middle of a chunk, by either end", arguments: [false, true])
  func cutChunk(_ byReset: Bool) throws {
    let place = try Place()
    let watch = try place.watch("resourceVersion=\(try place.put("a"))")
    try place.put("b")
    #expect(try watch.event()?.object.name == "b")
    place.server.disturbWatches(.cutChunk(byReset: byReset), of: "services")
    #expect(try watch.chunk() == nil)
    #expect((watch.error != nil) == byReset)
  }

  @Test("an event is cut, and the answer ends as if it was whole")
  func cutEvent() throws {
    let place = try Place()
    let watch = try place.watch("resourceVersion=\(try place.put("a"))")
    place.server.disturbWatches(.cutEvent)
    let half = try #require(try watch.chunk())
    #expect(throws: JSONProblem.self) { try JSON(parsing: half) }
    #expect(try watch.chunk() == [])
  }

  @Test("events that nobody can read, and an error, at a chosen moment")
  func strangeEvents() throws {
    let place = try Place()
    let watch = try place.watch("resourceVersion=\(try place.put("a"))&allowWatchBookmarks=true")
    place.server.disturbWatches(.unknownType)
    #expect(try watch.event()?.type == "RENAMED")
    place.server.disturbWatches(.badJSON)
    #expect(throws: JSONProblem.self) { try watch.event() }
    place.server.disturbWatches(.bookmark)
    #expect(try watch.event()?.type == "BOOKMARK")
    place.server.disturbWatches(.expired, of: "endpointslices")
    try place.put("b")
    #expect(try watch.event()?.type == "ADDED")
    place.server.disturbWatches(.expired)
    #expect(try watch.event()?.object["code"] == 410)
    #expect(try watch.chunk() == [])
  }

  @Test("a watch falls silent and its connection stays")
  func silentWatch() throws {
    let place = try Place()
    let watch = try place.watch("resourceVersion=\(try place.put("a"))")
    place.server.disturbWatches(.silence)
    try place.put("b")
    #expect(watch.isQuiet())
    #expect(place.server.watchCount("services") == 1)
    watch.close()
  }

  @Test("a streaming list ends early, or its end is never said")
  func initialEvents() throws {
    let place = try Place()
    for name in ["a", "b", "c"] { try place.put(name) }
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    place.server.fail(.watch("services"), with: .endOfInitialEvents(after: 2))
    let short = try place.watch(query)
    #expect(try short.event()?.object.name == "a")
    #expect(try short.event()?.object.name == "b")
    #expect(try short.chunk() == [])
    place.server.fail(.watch("services"), with: .noInitialEventsEnd)
    let open = try place.watch(query)
    for _ in 1...3 { #expect(try open.event()?.type == "ADDED") }
    #expect(open.isQuiet())
  }

  @Test("events come twice and late, but those of one object in their order")
  func disturbedEvents() throws {
    let place = try Place()
    let watch = try place.watch("resourceVersion=\(try place.put("a"))")
    place.server.disturbEvents(EventFaults(duplicates: 0.3, swaps: 0.3))
    var seen: [String: UInt64] = [:]
    var (last, twice, late): (UInt64, Int, Int) = (0, 0, 0)
    for number in 1...300 { try place.put("s\(number % 5)", port: number) }
    while seen["s0"] != place.server.revision || seen.values.max() != place.server.revision {
      let object = try #require(try watch.event()).object
      #expect(object.version >= seen[object.name] ?? 0)
      if object.version == seen[object.name] {
        twice += 1
      } else if object.version < last {
        late += 1
      }
      last = object.version
      seen[object.name] = object.version
    }
    #expect(twice > 20 && late > 20)
  }

  @Test("faults by chance are the same for the same seed")
  func seeded() throws {
    func statuses() throws -> [Int] {
      let place = try Place()
      place.server.failRandomly(seed: 5, rate: 0.5, with: [.internalError, .unavailable])
      return try (1...30).map { _ in try place.get("/version").status }
    }
    let first = try statuses()
    #expect(try statuses() == first)
    #expect(Set(first) == [200, 500, 503])
  }

  @Test("watches are disturbed by chance until told otherwise")
  func disturbedWatches() throws {
    let place = try Place()
    let start = try place.put("a")
    place.server.disturbWatchesRandomly(
      seed: 1, everyMilliseconds: 20, with: [.end, .unknownType, .expired])
    var ends = 0
    while ends < 10 {
      let watch = try place.watch("resourceVersion=\(start)")
      while let event = try watch.event() { #expect(["RENAMED", "ERROR"].contains(event.type)) }
      ends += 1
    }
    place.server.clearFaults()
    #expect(try place.watch("resourceVersion=\(start)").isQuiet())
  }

  @Test("a restored backup takes objects and versions back")
  func restored() throws {
    let place = try Place()
    let old = try place.put("a")
    let backup = place.server.backup()
    let new = try place.put("b")
    try place.server.restore(backup)
    let client = try RawClient(place.server)
    client.send("GET", Place.services)
    let list = try #require(try client.answer()).body
    #expect(list.names == ["a"] && list.version == old)
    client.send("GET", Place.services + "?resourceVersion=\(new)")
    #expect(try client.answer()?.status == 504)
    // The next change has a version that was there before.
    #expect(try place.put("c") == new)
  }

  @Test("what requests were is recorded")
  func records() throws {
    let place = try Place()
    _ = try place.get(Place.services + "?limit=5&labelSelector=!a&resourceVersion=0")
    _ = try place.get("/api/v1/namespaces/shop/services/web")
    let list = try #require(place.server.requests("list", "services").first)
    #expect(list.labelSelector == "!a" && list.query["limit"] == "5" && list.status == 200)
    #expect(list.userAgent == "raw/1" && list.resourceVersion == "0")
    let get = try #require(place.server.requests.last)
    #expect(get.verb == "get" && get.namespace == "shop" && get.name == "web" && get.status == 404)
  }
}
