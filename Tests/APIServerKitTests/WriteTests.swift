import APIServerKit
import Testing

@Suite("writes")
struct WriteTests {
  static let path = "/api/v1/namespaces/default/services"
  static let web: JSON = [
    "kind": "Service", "apiVersion": "v1", "metadata": ["name": "web"],
    "spec": ["ports": [["port": 80]]],
  ]

  @Test("create, update, delete, and what each is refused for")
  func life() throws {
    let place = try Place()
    let created = try place.send("POST", Self.path, Self.web)
    #expect(created.status == 201 && created.body.at("spec", "type") == "ClusterIP")
    #expect(created.body.at("spec", "clusterIP")?.string?.isEmpty == false)
    let again = try place.send("POST", Self.path, Self.web)
    #expect(again.status == 409 && again.body["reason"] == "AlreadyExists")
    #expect(again.body.message == "services \"web\" already exists")

    var changed = created.body
    changed.set("spec", "ports", to: [["port": 81]])
    let updated = try place.send("PUT", Self.path + "/web", changed)
    #expect(updated.status == 200 && updated.body.version > created.body.version)
    let stale = try place.send("PUT", Self.path + "/web", changed)
    #expect(stale.status == 409 && stale.body["reason"] == "Conflict")
    #expect(stale.body.message.contains("the object has been modified"))
    #expect(try place.send("PUT", Self.path + "/api", changed).status == 400)

    let gone = try place.send("DELETE", Self.path + "/web", [:])
    #expect(gone.status == 200)
    let missing = try place.send("DELETE", Self.path + "/web", [:])
    #expect(missing.status == 404 && missing.body.message == "services \"web\" not found")
    #expect(missing.body["details"] == ["name": "web", "kind": "services"])
  }

  @Test("three kinds of patches")
  func patches() throws {
    let place = try Place()
    _ = try place.send("POST", Self.path, Self.web)
    let merged = try place.send(
      "PATCH", Self.path + "/web", ["metadata": ["labels": ["a": "b"]]],
      type: "application/merge-patch+json")
    #expect(merged.body.at("metadata", "labels", "a") == "b")
    let dns: JSON = ["port": 53, "name": "dns", "protocol": "UDP"]
    let patch: JSON = [
      "$setElementOrder/ports": [["port": 53], ["port": 80]],
      "ports": [["port": 80, "name": "http"], dns],
    ]
    let strategic = try place.send(
      "PATCH", Self.path + "/web", ["spec": patch],
      type: "application/strategic-merge-patch+json")
    let ports = strategic.body.at("spec", "ports")?.array ?? []
    #expect(ports.map { $0["name"]?.string } == ["dns", "http"])
    #expect(ports.last?["protocol"] == "TCP")
    let operations = try place.send(
      "PATCH", Self.path + "/web",
      [["op": "replace", "path": "/spec/ports/0/port", "value": 54]],
      type: "application/json-patch+json")
    #expect(operations.body.at("spec", "ports")?[0]?["port"] == 54)
    #expect(try place.send("PATCH", Self.path + "/web", [:]).status == 415)
  }

  @Test("what is not valid is refused with its fields")
  func invalid() throws {
    let place = try Place()
    var bad = Self.web
    bad.set("spec", "ports", to: [["port": 0], ["port": 81]])
    bad.set("spec", "type", to: "Strange")
    let (status, body) = try place.send("POST", Self.path, bad)
    #expect(status == 422 && body["reason"] == "Invalid")
    let fields = body.at("details", "causes")?.array?.compactMap { $0["field"]?.string } ?? []
    #expect(Set(fields).isSuperset(of: ["spec.type", "spec.ports[0].port", "spec.ports[0].name"]))
    #expect(try place.send("POST", "/api/v1/namespaces/nope/services", Self.web).status == 404)
    #expect(try place.send("POST", Place.slices, Self.web).status == 405)
  }

  @Test("finalizers keep an object until they are gone")
  func finalizers() throws {
    let place = try Place()
    var web = Self.web
    web.set("metadata", "finalizers", to: ["example.com/wait"])
    let start = try place.send("POST", Self.path, web).body.version
    let watch = try place.watch("resourceVersion=\(start)")
    _ = try place.send("DELETE", Self.path + "/web", [:])
    let waiting = try #require(try watch.event())
    #expect(waiting.type == "MODIFIED")
    #expect(waiting.object.at("metadata", "deletionTimestamp") != nil)
    _ = try place.send(
      "PATCH", Self.path + "/web", ["metadata": ["finalizers": .null]],
      type: "application/merge-patch+json")
    #expect(try watch.event()?.type == "DELETED")
  }

  @Test("manifests are applied, and the truth is what a client should come to")
  func manifests() throws {
    let place = try Place()
    try place.server.apply(
      """
      apiVersion: v1
      kind: Service
      metadata: {name: web, namespace: shop}
      spec: {clusterIP: 172.30.0.9, ports: [{port: 80}]}
      ---
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
      addressType: IPv4
      endpoints: [{addresses: ["10.0.0.1"]}]
      ports: [{port: 8080}]
      """)
    #expect(try place.names() == ["web"])
    let slice = try #require(try place.server.object("EndpointSlice", "shop", "web-1"))
    #expect(slice["ports"] == [["port": 8080, "name": "", "protocol": "TCP"]])
    #expect(slice.at("metadata", "generation") == 1)
    #expect(try place.server.truth().split(separator: "\n").count == 2)
    try place.server.patch("EndpointSlice", "shop", "web-1", ["endpoints": .array([])])
    let changed = try place.server.object("EndpointSlice", "shop", "web-1")
    #expect(changed?.at("metadata", "generation") == 2)
  }
}
