import APIServerKit
import Testing

@Suite("lists")
struct ListTests {
  @Test("items are in the order of their keys and have no kind; the list has the newest version")
  func plain() throws {
    let place = try Place()
    for name in ["web", "api", "web-2"] { try place.put(name) }
    try place.put("zoo", namespace: "shop-b")
    place.server.advance(by: 7)
    let (status, list) = try place.get(Place.services)
    #expect(status == 200)
    #expect(list["kind"] == "ServiceList")
    // "shop-b/" is before "shop/": it is the keys' bytes that count.
    #expect(list.names == ["zoo", "api", "web", "web-2"])
    #expect(list["items"]?[0]?["kind"] == nil && list["items"]?[0]?["apiVersion"] == nil)
    #expect(list.version == place.server.revision)
    #expect(list.at("metadata", "continue") == nil)
    #expect(try place.names(path: "/api/v1/namespaces/shop/services") == ["api", "web", "web-2"])
    #expect(try place.get("/api/v1/namespaces/shop/services/web").body["kind"] == "Service")
  }

  @Test("objects have what real ones have")
  func metadata() throws {
    let place = try Place()
    let first = try place.put("web")
    let object = try place.get("/api/v1/namespaces/shop/services/web").body
    let metadata = object["metadata"]!
    #expect(metadata["uid"]?.string?.count == 36)
    #expect(metadata["creationTimestamp"]?.string?.hasSuffix("Z") == true)
    #expect(metadata["managedFields"]?[0]?["fieldsV1"]?["f:spec"]?["f:clusterIP"] == [:])
    #expect(object.at("spec", "ports")?[0]?["protocol"] == "TCP")
    #expect(object.at("spec", "internalTrafficPolicy") == "Cluster")
    // The same once more is no change, something else is.
    #expect(try place.put("web") == first)
    #expect(try place.put("web", port: 81) == first + 1)
    let now = try place.server.object("Service", "shop", "web")
    #expect(now?.at("metadata", "uid") == metadata["uid"])
  }

  @Test("pages are of one revision, and say how many are left")
  func pages() throws {
    let place = try Place()
    for number in 1...5 { try place.put("s\(number)") }
    let first = try place.get(Place.services + "?limit=2").body
    #expect(first.names == ["s1", "s2"])
    #expect(first.at("metadata", "remainingItemCount") == 3)
    try place.put("s33")
    try place.put("s4", port: 99)
    try place.server.delete("Service", "shop", "s5")
    let second = try place.get(Place.services + "?limit=2&continue=\(first.token)").body
    #expect(second.names == ["s3", "s4"])
    #expect(second["items"]?[1]?.at("spec", "ports")?[0]?["port"] == 80)
    #expect(second.version == first.version)
    let third = try place.get(Place.services + "?limit=2&continue=\(second.token)").body
    #expect(third.names == ["s5"])
    #expect(third.token == "" && third.at("metadata", "remainingItemCount") == nil)
  }

  @Test("with a selector the number of those left is not said")
  func selectedPages() throws {
    let place = try Place()
    for number in 1...4 { try place.put("s\(number)", ["app": number == 2 ? "b" : "a"]) }
    let page = try place.get(Place.services + "?limit=2&labelSelector=app%3Da").body
    #expect(page.names == ["s1", "s3"])
    #expect(!page.token.isEmpty && page.at("metadata", "remainingItemCount") == nil)
  }

  @Test("an expired continue token is answered 410 with one that goes on inconsistently")
  func expiredToken() throws {
    let place = try Place()
    for number in 1...5 { try place.put("s\(number)") }
    let first = try place.get(Place.services + "?limit=2").body
    try place.server.delete("Service", "shop", "s4")
    place.server.compact()
    let (status, refusal) = try place.get(Place.services + "?limit=2&continue=\(first.token)")
    #expect(status == 410 && refusal["reason"] == "Expired" && refusal["code"] == 410)
    #expect(refusal.message.hasPrefix("The provided continue parameter is too old"))
    let rest = try place.get(Place.services + "?limit=2&continue=\(refusal.token)").body
    #expect(rest.names == ["s3", "s5"])
    #expect(rest.version == place.server.revision)
  }

  @Test("resourceVersion and resourceVersionMatch")
  func versions() throws {
    let place = try Place()
    let old = try place.put("a")
    let new = try place.put("b")
    func list(_ query: String) throws -> JSON { try place.get(Place.services + "?" + query).body }
    #expect(try list("resourceVersion=\(old)&resourceVersionMatch=Exact").names == ["a"])
    #expect(try list("resourceVersion=\(old)&resourceVersionMatch=Exact").version == old)
    let newer = try list("resourceVersion=\(old)&resourceVersionMatch=NotOlderThan")
    #expect(newer.names == ["a", "b"])
    #expect(try list("resourceVersion=\(old)").version == new)
    // With a limit and no match, a version means that very one.
    #expect(try list("resourceVersion=\(old)&limit=5").names == ["a"])
    // The cache does no pages, and knows of no other resources' changes.
    try place.server.put(["kind": "Node", "metadata": ["name": "n1"]])
    #expect(try list("resourceVersion=0&limit=1").names == ["a", "b"])
    #expect(try list("resourceVersion=0").version == new)
    #expect(try list("").version == new + 1)
    place.server.compact()
    try place.put("c")
    let exact = "?resourceVersion=\(old)&resourceVersionMatch=Exact"
    #expect(try place.get(Place.services + exact).status == 410)
    #expect(try place.get(Place.services + "?resourceVersion=\(old)").status == 200)
  }

  @Test("a version that is yet to come is answered 504 with a cause and Retry-After")
  func tooLarge() throws {
    let place = try Place()
    let now = try place.put("a")
    place.client.send("GET", Place.services + "?resourceVersion=\(now + 10)")
    let answer = try #require(try place.client.answer())
    #expect(answer.status == 504 && answer.headers["retry-after"] == "1")
    #expect(answer.body["reason"] == "Timeout")
    let text = "Timeout: Too large resource version: \(now + 10), current: \(now)"
    #expect(answer.body.message == text)
    #expect(answer.body.at("details", "causes")?[0]?["reason"] == "ResourceVersionTooLarge")
    #expect(answer.body.at("details", "retryAfterSeconds") == 1)
  }

  @Test(
    "what does not go together is refused",
    arguments: [
      ("resourceVersionMatch=Exact", 422), ("resourceVersionMatch=Exact&resourceVersion=0", 422),
      ("resourceVersionMatch=Newest&resourceVersion=5", 422), ("sendInitialEvents=true", 422),
      ("resourceVersion=abc", 400), ("continue=abc", 400), ("limit=x", 400),
      ("continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJhIn0&resourceVersion=5", 400),
      ("fieldSelector=spec.color%3Dred", 400), ("labelSelector=a%20b", 400),
      ("labelSelector=a%20in%20x", 400),
    ])
  func refused(_ query: String, _ expected: Int) throws {
    let (status, body) = try Place().get(Place.services + "?" + query)
    #expect(status == expected && body["kind"] == "Status" && body["code"] == .int(expected))
  }

  @Test(
    "label selectors",
    arguments: [
      ("app=a", ["s1", "s2"]), ("app==a,tier=x", ["s1"]), ("app!=a", ["s3", "s4"]),
      ("app", ["s1", "s2", "s3"]), ("!app", ["s4"]), ("app in (a,b)", ["s1", "s2", "s3"]),
      ("app notin (a)", ["s3", "s4"]), ("tier", ["s1"]), ("app,!tier", ["s2", "s3"]),
      ("", ["s1", "s2", "s3", "s4"]), ("a/b.c=", ["s3"]),
    ])
  func labels(_ selector: String, _ expected: [String]) throws {
    let place = try Place()
    try place.put("s1", ["app": "a", "tier": "x"])
    try place.put("s2", ["app": "a"])
    try place.put("s3", ["app": "b", "a/b.c": ""])
    try place.put("s4")
    let encoded = selector.map { character in
      switch character {
      case " ": "+"
      case ",": "%2C"
      case "=": "%3D"
      case "!": "%21"
      case "(": "%28"
      case ")": "%29"
      default: String(character)
      }
    }.joined()
    #expect(try place.names("labelSelector=\(encoded)") == expected)
  }

  @Test("field selectors")
  func fields() throws {
    let place = try Place()
    try place.put("s1")
    try place.put("s1", namespace: "other")
    try place.put("s2")
    #expect(try place.names("fieldSelector=metadata.name%3Ds1") == ["s1", "s1"])
    let one = "fieldSelector=metadata.name%3Ds1%2Cmetadata.namespace%3Dshop"
    #expect(try place.names(one) == ["s1"])
    #expect(try place.names("fieldSelector=metadata.name!%3Ds1") == ["s2"])
    for node in ["a", "b"] {
      try place.server.put(
        #"{"kind":"Pod","metadata":{"name":"p-\#(node)"},"spec":{"nodeName":"\#(node)"}}"#)
    }
    #expect(try place.names("fieldSelector=spec.nodeName%3Da", path: "/api/v1/pods") == ["p-a"])
    #expect(try place.names("fieldSelector=status.phase%3DRunning", path: "/api/v1/pods") == [])
  }

  @Test("a server that lags answers resourceVersion 0 with what was, and its watches wait")
  func lagging() throws {
    let place = try Place()
    let old = try place.put("a")
    place.server.lag(true)
    let new = try place.put("b")
    let watch = try place.watch("resourceVersion=\(old)")
    #expect(try place.names("resourceVersion=0") == ["a"])
    #expect(try place.get(Place.services + "?resourceVersion=0").body.version == old)
    #expect(try place.names() == ["a", "b"])
    #expect(try place.get(Place.services + "?resourceVersion=\(new)").status == 504)
    #expect(watch.isQuiet())
    place.server.lag(false)
    #expect(try watch.event()?.object.name == "b")
    #expect(try place.names("resourceVersion=0") == ["a", "b"])
  }
}
