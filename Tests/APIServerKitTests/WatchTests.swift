import APIServerKit
import Testing

@Suite("watches")
struct WatchTests {
  @Test("changes after a version come in order, deletions with a version of their own")
  func changes() throws {
    let place = try Place()
    let start = try place.put("a")
    let changed = try place.put("a", port: 81)
    let watch = try place.watch("resourceVersion=\(start)")
    let first = try #require(try watch.event())
    #expect(first.type == "MODIFIED" && first.object.version == changed)
    #expect(first.object["kind"] == "Service" && first.object["apiVersion"] == "v1")
    try place.put("b")
    try place.server.delete("Service", "shop", "a")
    #expect(try watch.event()?.type == "ADDED")
    let gone = try #require(try watch.event())
    #expect(gone.type == "DELETED" && gone.object.version == place.server.revision)
    #expect(gone.object.at("spec", "ports")?[0]?["port"] == 81)
    #expect(watch.isQuiet())
  }

  @Test("without a version, or with 0, a watch begins with what there is", arguments: ["", "0"])
  func synthetic(_ version: String) throws {
    let place = try Place { $0.watchList = false }
    try place.put("b")
    try place.put("a")
    let watch = try place.watch("resourceVersion=\(version)&allowWatchBookmarks=true")
    #expect(try [watch.event()?.object.name, watch.event()?.object.name] == ["a", "b"])
    #expect(watch.isQuiet())
    try place.put("c")
    #expect(try watch.event()?.type == "ADDED")
  }

  @Test("an object that stops matching is deleted, one that begins to is added")
  func transitions() throws {
    let place = try Place()
    let start = try place.put("a", ["app": "x"], port: 80)
    let watch = try place.watch("resourceVersion=\(start)&labelSelector=app%3Dx")
    let left = try place.put("a", ["app": "y"], port: 81)
    let gone = try #require(try watch.event())
    // As it was when it still matched, with the version of the change.
    #expect(gone.type == "DELETED" && gone.object.version == left)
    #expect(gone.object.at("metadata", "labels", "app") == "x")
    #expect(gone.object.at("spec", "ports")?[0]?["port"] == 80)
    try place.put("a", ["app": "y"], port: 82)
    let back = try place.put("a", ["app": "x"], port: 82)
    let come = try #require(try watch.event())
    #expect(come.type == "ADDED" && come.object.version == back)
    try place.put("a", ["app": "x"], port: 83)
    #expect(try watch.event()?.type == "MODIFIED")
    try place.put("b", ["app": "y"])
    try place.server.delete("Service", "shop", "b")
    #expect(watch.isQuiet())
  }

  @Test("one object, one namespace, one field")
  func scopes() throws {
    let place = try Place()
    let start = try place.put("a")
    let one = try place.watch("resourceVersion=\(start)&fieldSelector=metadata.name%3Db")
    let namespace = try place.watch(
      "resourceVersion=\(start)", path: "/api/v1/namespaces/other/services")
    try place.put("c")
    try place.put("b")
    try place.put("d", namespace: "other")
    #expect(try one.event()?.object.name == "b")
    #expect(try namespace.event()?.object.name == "d")
  }

  @Test("a watch from before the history is told so by an event, and ends")
  func expired() throws {
    let place = try Place()
    let start = try place.put("a")
    try place.put("b")
    place.server.compact()
    let watch = try place.watch("resourceVersion=\(start)")
    let event = try #require(try watch.event())
    #expect(event.type == "ERROR" && event.object["kind"] == "Status")
    #expect(event.object["code"] == 410 && event.object["reason"] == "Expired")
    #expect(event.object.message.hasPrefix("too old resource version: \(start) ("))
    #expect(try watch.chunk() == [])
  }

  @Test("or by HTTP status, where that is wanted")
  func expiredByStatus() throws {
    let place = try Place { $0.expiresByStatus = true }
    let start = try place.put("a")
    try place.put("b")
    place.server.compact()
    let (status, body) = try place.get(Place.services + "?watch=1&resourceVersion=\(start)")
    #expect(status == 410 && body["reason"] == "Expired")
  }

  @Test("the history has a length")
  func length() throws {
    let place = try Place { $0.historyLength = 10 }
    let start = try place.put("a")
    for port in 1...15 { try place.put("a", port: port) }
    #expect(try place.watch("resourceVersion=\(start)").event()?.type == "MODIFIED")
    for port in 1...15 { try place.put("a", port: port) }
    #expect(try place.watch("resourceVersion=\(start)").event()?.type == "ERROR")
  }

  @Test("a watch that is running outlives a compaction")
  func compaction() throws {
    let place = try Place()
    let start = try place.put("a")
    let watch = try place.watch("resourceVersion=\(start)")
    place.server.compact()
    try place.put("b")
    #expect(try watch.event()?.object.name == "b")
  }

  @Test("after a restart watches from before it are refused, those from the newest version not")
  func restart() throws {
    let place = try Place()
    let start = try place.put("a")
    let now = try place.put("b")
    place.server.goAway()
    #expect(throws: (any Error).self) { try RawClient(place.server) }
    try place.server.comeBack()
    #expect(try place.watch("resourceVersion=\(start)").event()?.type == "ERROR")
    let watch = try place.watch("resourceVersion=\(now)")
    try place.put("c")
    #expect(try watch.event()?.object.name == "c")
  }

  @Test("from a version that is yet to come nothing is said until it has")
  func future() throws {
    let place = try Place()
    let now = try place.put("a")
    let watch = try place.watch("resourceVersion=\(now + 2)")
    try place.put("b")
    try place.put("c")
    #expect(watch.isQuiet())
    try place.put("d")
    #expect(try watch.event()?.object.name == "d")
  }

  @Test("timeoutSeconds ends the answer, and the connection stays")
  func timeout() throws {
    let place = try Place()
    let start = try place.put("a")
    let watch = try place.watch("resourceVersion=\(start)&timeoutSeconds=1")
    #expect(try watch.chunk() == [])
    watch.send("GET", "/version")
    #expect(try watch.answer()?.status == 200)
  }

  @Test("bookmarks come where they are allowed, with the newest version")
  func bookmarks() throws {
    let place = try Place { $0.bookmarkInterval = 0.2 }
    let start = try place.put("a")
    let without = try place.watch("resourceVersion=\(start)")
    let with = try place.watch("resourceVersion=\(start)&allowWatchBookmarks=true")
    place.server.advance(by: 5)
    let event = try #require(try with.event())
    #expect(event.type == "BOOKMARK" && event.object.version == place.server.revision)
    #expect(event.object["kind"] == "Service" && event.object.at("metadata", "name") == nil)
    #expect(event.object.at("metadata", "annotations") == nil)
    #expect(without.isQuiet())
  }

  @Test("a bookmark comes two seconds before the end")
  func lastBookmark() throws {
    let place = try Place()
    let start = try place.put("a")
    let watch = try place.watch(
      "resourceVersion=\(start)&allowWatchBookmarks=true&timeoutSeconds=3")
    // One that says nothing new would not be sent.
    place.server.advance(by: 1)
    #expect(try watch.event()?.type == "BOOKMARK")
    #expect(try watch.chunk() == [])
  }

  @Test("a streaming list: what there is, the bookmark that says so, and what follows")
  func streamingList() throws {
    let place = try Place()
    try place.put("b")
    try place.put("a")
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    let watch = try place.watch(query)
    #expect(try watch.event()?.object.name == "a")
    #expect(try watch.event()?.type == "ADDED")
    let end = try #require(try watch.event())
    #expect(end.type == "BOOKMARK" && end.object.version == place.server.revision)
    #expect(end.object.at("metadata", "annotations", "k8s.io/initial-events-end") == "true")
    try place.put("a", port: 5)
    #expect(try watch.event()?.type == "MODIFIED")
    // Also without a single object.
    let empty = try place.watch(query, path: Place.slices)
    #expect(try empty.event()?.type == "BOOKMARK")
  }

  @Test("a streaming list of a version that is yet to come is refused in the stream")
  func streamingFuture() throws {
    let place = try Place()
    let now = try place.put("a")
    let watch = try place.watch(
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=\(now + 9)")
    let event = try #require(try watch.event())
    #expect(event.type == "ERROR" && event.object["code"] == 504)
    #expect(event.object.at("details", "causes")?[0]?["reason"] == "ResourceVersionTooLarge")
  }

  @Test("streaming lists can be switched off")
  func noStreamingList() throws {
    let place = try Place()
    place.server.watchList = false
    let (status, body) = try place.get(
      Place.services + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
    #expect(status == 422 && body["reason"] == "Invalid")
    #expect(
      body.message.hasSuffix(
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"))
  }

  @Test(
    "what does not go together is refused",
    arguments: [
      "sendInitialEvents=true", "resourceVersionMatch=NotOlderThan",
      "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=5",
    ])
  func refused(_ query: String) throws {
    #expect(try Place().get(Place.services + "?watch=1&" + query).status == 422)
  }

  @Test("thousands of objects and changes arrive completely and in order")
  func many() throws {
    let place = try Place()
    try place.server.putServices(2000, endpoints: 3)
    let list = try place.get(Place.slices).body
    #expect(list.names.count == 2000)
    let watch = try place.watch("resourceVersion=\(list.version)", path: Place.slices)
    for number in 0..<2000 { try place.server.putSlice(number, endpoints: 3) }
    var last = list.version
    for number in 0..<2000 {
      let event = try #require(try watch.event())
      #expect(event.object.name == "svc-\(number)-1" && event.object.version > last)
      last = event.object.version
    }
  }

  @Test("two servers serve the same objects")
  func peers() throws {
    let place = try Place()
    let other = APIServer(sharing: place.server)
    try other.start()
    defer { other.stop() }
    let start = try place.put("a")
    let client = try RawClient(other)
    client.send("GET", Place.services + "?watch=1&resourceVersion=\(start)")
    _ = try client.head()
    try place.put("b")
    #expect(try client.event()?.object.name == "b")
  }
}
